"""Each archetype built and tested as its owner would: environment, linters, types, contracts, and its own suite."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import variants
from conftest import git

from template import answers, questions, render

if TYPE_CHECKING:
    from pathlib import Path

# One after the other: each suite has the machine to itself, as with its owner.
pytestmark = [pytest.mark.agent, pytest.mark.xdist_group("agent")]

COMMANDS = [
    ["uv", "sync", "--locked", "--quiet"],
    ["uv", "run", "ruff", "check"],
    ["uv", "run", "ruff", "format", "--check"],
    ["uv", "run", "mypy"],
    ["uv", "run", "lint-imports"],
    ["uv", "run", "deptry", "."],
    ["uv", "run", "pytest"],
    ["uv", "build"],
]
NAMES = """
from importlib.metadata import packages_distributions
from pathlib import Path
import sys
print(*packages_distributions())
print(*(path.name.removesuffix(".exe") for path in Path(sys.executable).parent.iterdir()))
"""


def environment() -> dict[str, str]:
    """That of a user's shell: without what belongs to this test run, or has every process compile everything anew."""
    inherited = ("VIRTUAL_ENV", "PYTEST_", "COV", "UV_PYTHON=", "DATABASE_URL", "REDIS_URL", "PYTHONDONTWRITEBYTECODE")
    return {key: value for key, value in os.environ.items() if not f"{key}=".startswith(inherited)}


def run(commands: list[list[str]], project: Path, log: Path) -> None:
    """Run commands there; what they say is kept, and told only if one fails."""
    for command in commands:
        with log.open("a", encoding="utf-8") as output:
            print("$", *command, file=output, flush=True)
            code = subprocess.call(command, cwd=project, env=environment(), stdout=output, stderr=subprocess.STDOUT)
        if code:
            pytest.fail(f"{' '.join(command)} exited {code}\n{log.read_text('utf-8')}", pytrace=False)


@pytest.mark.parametrize("archetype", variants.ARCHETYPES)
def test_a_fresh_project_passes_its_own_checks(archetype: str, copier_template: Path, tmp_path: Path) -> None:
    project = render(copier_template, tmp_path / "project", variants.ARCHETYPES[archetype])
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Scaffold")
    commands = COMMANDS
    if variants.ARCHETYPES[archetype].get("task_queue") == "celery":
        # Coverage makes each of Celery's children take seconds more to start, too long for two cores: it is left out.
        commands = [[*command, "--no-cov"] if command[-1] == "pytest" else command for command in COMMANDS]
    run(commands, project, tmp_path / "log.txt")
    assert git(project, "status", "--porcelain") == "", "checking a project changed it"
    check_reserved_names(project)


@pytest.mark.long
@pytest.mark.parametrize("task_queue", variants.options()["task_queue"])
def test_a_fresh_project_passes_its_long_tests(task_queue: str, copier_template: Path, tmp_path: Path) -> None:
    project = render(copier_template, tmp_path / "project", {"task_queue": task_queue})
    run(
        [["uv", "sync", "--locked", "--quiet"], ["uv", "run", "pytest", "-m", "long", "--no-cov"]],
        project,
        tmp_path / "log.txt",
    )


def check_reserved_names(project: Path) -> None:
    """No installed module could be shadowed by a package's name, no installed command replaced by a slug."""
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
