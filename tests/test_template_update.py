"""The scheduled jobs that ask the owner of a project to take what is new in the template, run by their own lines."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import git
from updating import commit, release

from template import FILES, render

if TYPE_CHECKING:
    from conftest import Render

TARGET = "https://template-update:secret@gitlab.test/acme/agent.git"
VARIABLES = {
    "CI_DEFAULT_BRANCH": "main",
    "CI_PROJECT_PATH": "acme/agent",
    "CI_SERVER_HOST": "gitlab.test",
    "TEMPLATE_UPDATE_TOKEN": "secret",
}
# What a server does with the options that come with a push.
HOOK = """#!/bin/sh
i=0
while [ "$i" -lt "$GIT_PUSH_OPTION_COUNT" ]; do
  eval "printf '%s\\n' \\"\\$GIT_PUSH_OPTION_$i\\"" >>options
  i=$((i + 1))
done
"""


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """The repository that the job pushes to: git is told to find the address of GitLab in this folder."""
    folder = tmp_path / "server.git"
    git(tmp_path, "init", "--quiet", "--bare", str(folder))
    git(folder, "config", "receive.advertisePushOptions", "true")
    hook = folder / "hooks" / "post-receive"
    hook.write_text(HOOK, "utf-8")
    hook.chmod(0o755)
    return folder


def run(job: dict[str, Any], project: Path, server: Path) -> None:
    """The job's lines in one shell that ends at the first that fails, as a runner has it; git is there already."""
    lines = [line for line in job["script"] if not line.startswith("apt-get ")]
    found = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{server}.insteadOf", "GIT_CONFIG_VALUE_0": TARGET}
    command = ["bash", "-euo", "pipefail", "-c", "\n".join(lines)]
    done = subprocess.run(
        command, cwd=project, env={**os.environ, **VARIABLES, **found}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_gitlab_is_asked_to_open_a_merge_request_where_there_is_something_new(
    copier_template: Path, tmp_path: Path, server: Path
) -> None:
    template = shutil.copytree(copier_template, tmp_path / "template", symlinks=True)
    project = render(template, tmp_path / "project", {"ci": "gitlab"})
    commit(project, "Scaffold")
    job = yaml.safe_load((project / ".gitlab-ci.yml").read_text("utf-8"))["template update"]
    run(job, project, server)
    assert git(server, "branch", "--list") == ""

    (project / "pyproject.toml").write_text("<<<<<<< a conflict, as far as uv can see", "utf-8")
    commit(project, "Mine")
    (template / FILES.name / "new.txt").write_text("new\n", "utf-8")
    release(template, "99.0.0")
    run(job, project, server)
    assert git(server, "show", "template-update:new.txt") == "new"
    assert git(server, "log", "-1", "--format=%s", "template-update") == "Update from the template"
    assert (server / "options").read_text("utf-8").splitlines() == [
        "merge_request.create",
        "merge_request.target=main",
        "merge_request.title=Update from the template",
        "merge_request.remove_source_branch",
    ]


@pytest.mark.slow
def test_github_does_the_same_with_a_conflict(render: Render) -> None:
    gitlab = yaml.safe_load((render(ci="gitlab") / ".gitlab-ci.yml").read_text("utf-8"))["template update"]["script"]
    github = render(ci="github") / ".github" / "workflows" / "template-update.yml"
    steps = yaml.safe_load(github.read_text("utf-8"))["jobs"]["update"]["steps"]
    ran = [step["run"] for step in steps if step.get("run", "").startswith("uv")]
    assert ran == [line for line in gitlab if line.startswith("uv")]


def test_a_schedule_of_gitlab_releases_nothing(render: Render) -> None:
    jobs = yaml.safe_load((render(ci="gitlab") / ".gitlab-ci.yml").read_text("utf-8"))
    assert jobs["template update"]["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "schedule" && $TEMPLATE_UPDATE_TOKEN'}]
    conditions = [
        rule["if"]
        for job in (jobs["image build"], jobs["image scan"], jobs[".release"], jobs["release to production"])
        for rule in job["rules"]
        if "if" in rule
    ]
    assert conditions == ['$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && $CI_PIPELINE_SOURCE != "schedule"'] * 4
