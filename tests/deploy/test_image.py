"""Checks of the Dockerfile without building the image; test_containers.py builds it."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.render.test_render import ROWS, each_variant
from tests.support.template import answers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

# The files that are sent to the builder, by the patterns of .dockerignore.
SENT = {"devtools/pyproject.toml", "LICENSE", "README.md", "migrations", "pyproject.toml", "src", "uv.lock"}
INSTRUCTION = re.compile(r"^([A-Z]+) ((?:\\\n|.)*)", re.MULTILINE)


@pytest.fixture
def project(render: Render, row: str) -> Path:
    return render(**ROWS[row])


def instructions(project: Path, name: str) -> list[str]:
    """Return the arguments of every instruction of a kind in the Dockerfile."""
    text = (project / "Dockerfile").read_text("utf-8")
    return [arguments for instruction, arguments in INSTRUCTION.findall(text) if instruction == name]


@each_variant
def test_hadolint_finds_nothing(project: Path) -> None:
    ran = subprocess.run(["hadolint", "Dockerfile"], cwd=project, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


@each_variant
def test_the_image_uses_the_projects_python(project: Path) -> None:
    (version,) = [argument for argument in instructions(project, "ARG") if argument.startswith("PYTHON_IMAGE=")]
    assert version == f"PYTHON_IMAGE=python:{answers(project)['python_version']}-slim"
    assert {source.split()[0] for source in instructions(project, "FROM")} == {"${UV_IMAGE}", "${PYTHON_IMAGE}"}


@each_variant
def test_its_commands_are_those_of_the_procfile(project: Path) -> None:
    web = re.search(r"^web: (.*)$", (project / "Procfile").read_text("utf-8"), re.MULTILINE)
    assert web
    (command,) = instructions(project, "CMD")
    assert command == "[" + ", ".join(f'"{word}"' for word in shlex.split(web[1])) + "]"
    assert instructions(project, "USER") == ["10001:10001"]


def test_the_time_to_start_is_the_same_everywhere(render: Render) -> None:
    project = render()
    (check,) = instructions(project, "HEALTHCHECK")
    (seconds,) = re.findall(r"--start-period=(\d+)s", check)
    granted = {}
    for process in ("web", "worker", "scheduler"):
        text = (project / f"deploy/kubernetes/base/{process}.yaml").read_text("utf-8")
        deployment = next(one for one in yaml.safe_load_all(text) if one["kind"] == "Deployment")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        granted[process] = container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"]
    # Each of Celery's two workers needed 62 s to start with all of compose.yaml, on two processors at a load of 8.
    assert granted == dict.fromkeys(granted, int(seconds)) == dict.fromkeys(granted, 120)


def test_only_files_of_the_image_are_sent(render: Render) -> None:
    project = render()
    lines = (project / ".dockerignore").read_text("utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    assert {pattern[1:] for pattern in patterns if pattern.startswith("!")} == SENT
    copied = [word for argument in instructions(project, "COPY") for word in shlex.split(argument)[:-1]]
    mounted = [path for run in instructions(project, "RUN") for path in re.findall(r"type=bind,source=([^,\s]+)", run)]
    assert {word for word in (*copied, *mounted) if not word.startswith(("--", "/"))} == SENT


def test_no_warning_of_hadolint_is_ignored(render: Render) -> None:
    assert "hadolint ignore" not in (render() / "Dockerfile").read_text("utf-8")


@each_variant
def test_both_installations_omit_the_same(project: Path) -> None:
    installations = [run for run in instructions(project, "RUN") if "uv sync" in run]
    left_out = [re.findall(r"--no-install-package ([\w-]+)", run) for run in installations]
    assert len(left_out) == 2
    assert left_out[0] == left_out[1]
