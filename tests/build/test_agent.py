"""Each variant passes its own checks: environment, linters, contracts, rules, and test suite.

Other modules test the types, image, compose files, manifests, workflows and monitoring of the same variants; the table
at the end of a run includes them.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.support import variants
from tests.support.external_programs import program
from tests.support.git import git
from tests.support.projects import ROWS, each_row_with, environment, essential, run, share
from tests.support.template import answers, questions, render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.agent

STAGES = {
    "sync": ["uv sync --locked --quiet"],
    "lint": ["uv run ruff check", "uv run ruff format --check"],
    "contracts": ["uv run lint-imports", "uv run deptry ."],
    "rules": ["uv run {project_slug} rules --fast"],
    "suite": [os.environ.get("SUITE", "uv run pytest")],
    "build": ["uv build --quiet"],
}
NAMES = """
from importlib.metadata import packages_distributions
from pathlib import Path
import sys
print(*packages_distributions())
print(*(path.name.removesuffix(".exe") for path in Path(sys.executable).parent.iterdir()))
"""


@each_row_with(essential)
def test_a_fresh_project_passes_its_own_checks(
    row: str,
    copier_template: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    project = render(copier_template, tmp_path / "project", ROWS[row])
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Scaffold")
    own = answers(project)
    log = tmp_path / "log.txt"
    log.write_text("".join(f"# {name}: {value}\n" for name, value in own.items()), "utf-8")
    for stage, commands in STAGES.items():
        began = time.monotonic()
        try:
            for command in commands:
                run(command.format(**own), project, log, share())
            if stage == "sync" and "client" in own["layers"]:
                program("npm", "apt-get install npm")
                run("npm ci --prefix clients/typescript --no-audit --no-fund --prefer-offline", project, log, share())
        finally:
            record_property("stage", [stage, time.monotonic() - began])
    assert git(project, "status", "--porcelain") == "", "checking a project changed it"
    check_reserved_names(project)


@pytest.mark.long
@pytest.mark.xdist_group("long")  # sequentially: each needs the whole machine
@pytest.mark.parametrize("task_queue", variants.options()["task_queue"])
def test_a_fresh_project_passes_its_long_tests(task_queue: str, copier_template: Path, tmp_path: Path) -> None:
    project = render(copier_template, tmp_path / "project", {"task_queue": task_queue})
    for command in ("uv sync --locked --quiet", "uv run pytest -m long --no-cov"):
        run(command, project, tmp_path / "log.txt", environment())


def check_reserved_names(project: Path) -> None:
    """Check that no package name can shadow an installed module, and no slug an installed command."""
    command = ["uv", "run", "--no-sync", "python", "-c", NAMES]
    ran = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, check=True)
    modules, commands = (line.lower().split() for line in ran.stdout.splitlines())
    projects = set(questions()["reserved_projects"]["default"].split())
    taken = set(questions()["reserved_modules"]["default"].split()) | {name.replace("-", "_") for name in projects}
    packages = {name for name in modules if re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)}
    slugs = {name for name in commands if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)}
    own = answers(project)
    assert packages - taken - {own["package_name"]} == set(), "reserve these in copier.yml"
    assert slugs - projects - {own["project_slug"]} == set(), "reserve these in copier.yml"
