"""The scheduled jobs that propose updates of the template to owners: their scripts run as written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from base64 import b64decode
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.git import commit, git
from tests.support.template import ANSWERS_FILE, FILES
from tests.support.template import render as render_template
from tests.support.updating import release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Render

READ_TOKEN = "glpat-reads-only"
TARGET = "https://template-update:secret@gitlab.test/acme/agent.git"
VARIABLES = {
    "CI_DEFAULT_BRANCH": "main",
    "CI_PROJECT_PATH": "acme/agent",
    "CI_SERVER_HOST": "gitlab.test",
    "TEMPLATE_UPDATE_TOKEN": "secret",
}
# The hook of a server that handles push options.
HOOK = """#!/bin/sh
i=0
while [ "$i" -lt "$GIT_PUSH_OPTION_COUNT" ]; do
  eval "printf '%s\\n' \\"\\$GIT_PUSH_OPTION_$i\\"" >>options
  i=$((i + 1))
done
"""


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """The repository that the job pushes to: git is expected to find the address of GitLab in this folder."""
    folder = tmp_path / "server.git"
    git(tmp_path, "init", "--quiet", "--bare", str(folder))
    git(folder, "config", "receive.advertisePushOptions", "true")
    hook = folder / "hooks" / "post-receive"
    hook.write_text(HOOK, "utf-8")
    hook.chmod(0o755)
    return folder


def run(job: dict[str, Any], project: Path, server: Path) -> None:
    """Run the job's script as a runner does, in one shell that stops at the first failure, with git installed."""
    lines = [line for line in job["script"] if not line.startswith("apt-get ")]
    config = server / "redirect"
    config.write_text(f'[url "{server}"]\n  insteadOf = {TARGET}\n', "utf-8")
    variables = {name: value.replace("$$", "$") for name, value in job["variables"].items()}
    head = git(project, "rev-parse", "HEAD")
    found = {**VARIABLES, **variables, "GIT_CONFIG_SYSTEM": str(config), "GITHUB_SHA": head, "CI_COMMIT_SHA": head}
    command = ["bash", "-euo", "pipefail", "-c", "\n".join(lines)]
    done = subprocess.run(
        command, cwd=project, env={**os.environ, **found}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def script(job: dict[str, Any]) -> dict[str, Any]:
    """The steps of a job of GitHub's, in the form of GitLab's."""
    steps = [step for step in job["steps"] if "run" in step]
    variables = {name: str(value) for step in steps for name, value in step.get("env", {}).items()}
    given = {
        name: value for name, value in variables.items() if not name.startswith("GIT_CONFIG") and "${{" not in value
    }
    return {"script": [step["run"] for step in steps], "variables": {**given, "GITHUB_REF_NAME": "main"}}


class Private(SimpleHTTPRequestHandler):
    """Serves a repository to requests with a password, as a host of private repositories does."""

    def do_GET(self) -> None:
        """Request credentials, or answer."""
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic" and b64decode(given).decode() == f"template-update:{READ_TOKEN}":
            super().do_GET()
        else:
            self.send_response(HTTPStatus.UNAUTHORIZED)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def private(questionnaire: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a private template with two releases."""
    template = shutil.copytree(questionnaire, tmp_path / "template")
    release(template, "98.0.0")
    (template / FILES.name / "new.txt").write_text("new\n", "utf-8")
    release(template, "99.0.0")
    bare = tmp_path / "served" / "template.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(template), str(bare))
    git(bare, "update-server-info")
    handler = partial(Private, directory=str(bare.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{bare.name}"
        server.shutdown()


@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize("token", [READ_TOKEN, ""])
def test_the_job_reads_a_private_template_with_its_own_token(  # noqa: PLR0913, PLR0917
    render: Render, private: str, questionnaire: Path, tmp_path: Path, ci: str, token: str
) -> None:
    jobs = render(ci=ci)
    if ci == "github":
        job = yaml.safe_load((jobs / ".github/workflows/template-update.yml").read_text("utf-8"))["jobs"]["update"]
        (step,) = (step for step in job["steps"] if "copier" in step.get("run", ""))
        command, variables = step["run"], step["env"]
        assert variables["TEMPLATE_READ_TOKEN"] == "${{ secrets.TEMPLATE_READ_TOKEN }}"
    else:
        job = yaml.safe_load((jobs / ".gitlab-ci.yml").read_text("utf-8"))["template update"]
        (command,) = (line for line in job["script"] if "copier" in line)
        variables = {name: value.replace("$$", "$") for name, value in job["variables"].items()}
    project = render_template(questionnaire, tmp_path / "project")
    answers = project / ANSWERS_FILE
    answers.write_text(answers.read_text("utf-8") + f"_commit: 98.0.0\n_src_path: {private}\n", "utf-8")
    commit(project, "Scaffold")
    environment = {
        **os.environ,
        **{name: str(value) for name, value in variables.items()},
        "TEMPLATE_READ_TOKEN": token,
        "COPIER_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = re.sub(r"^uvx copier==\S+", str(Path(sys.executable).with_name("copier")), command)
    done = subprocess.run(
        ["bash", "-euc", command], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == bool(token), done.stdout + done.stderr
    assert (project / "new.txt").exists() == bool(token)
    assert READ_TOKEN not in done.stdout + done.stderr + answers.read_text("utf-8")
    if not token:
        assert "Authentication failed" in done.stderr


@pytest.mark.slow
def test_gitlab_opens_a_merge_request_for_a_new_release(copier_template: Path, tmp_path: Path, server: Path) -> None:
    template = shutil.copytree(copier_template, tmp_path / "template", symlinks=True)
    project = render_template(template, tmp_path / "project", {"ci": "gitlab"})
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
        f"merge_request.description={job['variables']['BODY']}",
    ]


# A fake `gh`: records its arguments, and reports whether there is a pull request.
GH = """#!/bin/sh
printf '%s\\n' "$*" >>"$NOTES"
case "$1 $2" in "pr view") [ -e "$NOTES.open" ] && echo OPEN ;; esac
"""


@pytest.mark.slow
def test_github_opens_one_pull_request(
    copier_template: Path, tmp_path: Path, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = shutil.copytree(copier_template, tmp_path / "template", symlinks=True)
    project = render_template(template, tmp_path / "project", {"ci": "github"})
    commit(project, "Scaffold")
    git(project, "remote", "add", "origin", str(server))
    notes, programs = tmp_path / "notes", tmp_path / "programs"
    programs.mkdir()
    (programs / "gh").write_text(GH, "utf-8")
    (programs / "gh").chmod(0o755)
    workflow = yaml.safe_load((project / ".github/workflows/template-update.yml").read_text("utf-8"))
    job = workflow["jobs"]["update"]
    assert job["environment"] == "template-update"
    lines = script(job)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("NOTES", str(notes))
    run(lines, project, server)
    assert git(server, "branch", "--list") == ""
    assert not notes.exists()

    (template / FILES.name / "new.txt").write_text("new\n", "utf-8")
    release(template, "99.0.0")
    run(lines, project, server)
    assert git(server, "show", "template-update:new.txt") == "new"
    asked = notes.read_text("utf-8").splitlines()
    assert [" ".join(line.split()[:2]) for line in asked] == ["auth setup-git", "pr view", "pr create"]
    assert "--base main --head template-update" in asked[-1]

    git(project, "switch", "--quiet", "--detach", "HEAD~1")
    Path(f"{notes}.open").touch()
    run(lines, project, server)
    assert notes.read_text("utf-8").count("pr create") == 1, "there was already one"
    assert "pr edit template-update --title Update from the template" in notes.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_an_update_that_needs_trust_is_a_request_that_says_what_to_run(  # noqa: PLR0913, PLR0917
    render: Render, questionnaire: Path, tmp_path: Path, server: Path, monkeypatch: pytest.MonkeyPatch, ci: str
) -> None:
    template = shutil.copytree(questionnaire, tmp_path / "template")
    release(template, "98.0.0")
    project = render_template(template, tmp_path / "project", vcs_ref="98.0.0")
    commit(project, "Scaffold")
    git(project, "remote", "add", "origin", str(server))
    settings = yaml.safe_load((template / "copier.yml").read_text("utf-8"))
    settings["_migrations"] = [{"version": "99.0.0", "command": ["false"]}]
    (template / "copier.yml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
    release(template, "99.0.0")
    notes = tmp_path / "notes"
    (tmp_path / "gh").write_text(GH, "utf-8")
    (tmp_path / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("NOTES", str(notes))
    if ci == "github":
        workflow = yaml.safe_load((render(ci=ci) / ".github/workflows/template-update.yml").read_text("utf-8"))
        job = script(workflow["jobs"]["update"])
    else:
        job = yaml.safe_load((render(ci=ci) / ".gitlab-ci.yml").read_text("utf-8"))["template update"]
    head = git(project, "rev-parse", "HEAD")
    run(job, project, server)
    assert git(server, "diff", "--stat", head, "template-update") == ""
    asked = (notes if ci == "github" else server / "options").read_text("utf-8")
    assert "title Update from the template by hand" in asked.replace("=", " ")
    assert "`uvx copier update --skip-answered --defaults --trust`" in asked

    git(project, "switch", "--quiet", "--detach", head)
    shutil.rmtree(template)
    with pytest.raises(AssertionError):  # any other failure is one of the job
        run(job, project, server)


@pytest.mark.slow
def test_github_does_the_same_with_a_conflict(render: Render) -> None:
    gitlab = yaml.safe_load((render(ci="gitlab") / ".gitlab-ci.yml").read_text("utf-8"))["template update"]["script"]
    github = render(ci="github") / ".github" / "workflows" / "template-update.yml"
    steps = yaml.safe_load(github.read_text("utf-8"))["jobs"]["update"]["steps"]
    ran = [step["run"] for step in steps if re.search(r"\buvx? ", step.get("run", ""))]
    assert ran == [line for line in gitlab if re.search(r"\buvx? ", line)]


def test_a_schedule_of_gitlab_releases_nothing(render: Render) -> None:
    jobs = yaml.safe_load((render(ci="gitlab") / ".gitlab-ci.yml").read_text("utf-8"))
    assert jobs["template update"]["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "schedule" && $TEMPLATE_UPDATE_TOKEN'}]
    conditions = [
        rule["if"]
        for job in (jobs["image build"], jobs[".release"], jobs["release to production"])
        for rule in job["rules"]
        if "if" in rule
    ]
    assert conditions == ['$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && $CI_PIPELINE_SOURCE != "schedule"'] * 3
