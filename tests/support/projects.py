"""Run commands in rendered projects as their owners do."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support import bytecode, progress, variants

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Longest first, so that no processor waits for the last variant.
ROWS = dict(sorted(variants.rows().items(), key=lambda row: row[1].get("task_queue") != "celery"))


def variant_marks(row: str) -> list[pytest.MarkDecorator]:
    """Mark a variant: `make rest` runs the archetypes, `make agent` all, and CI each on its own machine."""
    return [pytest.mark.variant] if row in variants.ARCHETYPES else [pytest.mark.variant, pytest.mark.matrix]


def essential(row: str) -> list[pytest.MarkDecorator]:
    """Mark the default variant, which `make test` builds and tests."""
    return [pytest.mark.essential] if row == "default" else []


def each_row_with(
    more: Callable[[str], list[pytest.MarkDecorator]] = lambda _: [],
) -> pytest.MarkDecorator:
    """Parametrize a test by variant, with further marks of each."""
    marks = {row: [*variant_marks(row), *more(row), pytest.mark.xdist_group(row)] for row in ROWS}
    return pytest.mark.parametrize("row", [pytest.param(row, marks=marks[row]) for row in ROWS])


each_row = each_row_with()


def environment() -> dict[str, str]:
    """Return the environment of a user's shell, without variables of this test run or that disable bytecode caches.

    In CI, tests of the chat page fail without a browser.
    """
    inherited = ("VIRTUAL_ENV", "PYTEST_", "COV", "UV_PYTHON=", "DATABASE_URL", "REDIS_URL", "PYTHONDONTWRITEBYTECODE")
    kept = {key: value for key, value in os.environ.items() if not f"{key}=".startswith(inherited)}
    return kept | ({"BROWSER_TESTS": "required"} if os.environ.get("CI") else {})


def share() -> dict[str, str]:
    """Return the environment of a variant that is built next to others, with its share of three workers per processor.

    With two per processor, the default of a single suite, processors were idle for a tenth of the time.
    """
    others = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return environment() | {"PYTEST_XDIST_AUTO_NUM_WORKERS": str(max(1, 3 * (os.cpu_count() or 1) // others))}


def run(command: str, project: Path, log: Path, variables: dict[str, str]) -> None:
    """Run a command in a project and append its output to a log, which is shown if the command fails."""
    with log.open("a", encoding="utf-8") as output, progress.running(command, log):
        print("$", command, file=output, flush=True)
        ran = subprocess.run(
            command.split(), cwd=project, env=variables, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if command.startswith("uv sync"):
        bytecode.borrow(project)
    elif command.startswith("uv run pytest"):
        bytecode.lend(project)
    if ran.returncode:
        pytest.fail(f"{command} exited {ran.returncode}\n{log.read_text('utf-8')}", pytrace=False)
