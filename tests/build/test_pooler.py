"""A rendered project works behind a real connection pooler; its tests of poolers run instead of being skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.external_programs import program
from tests.support.projects import environment, run
from tests.support.template import render

if TYPE_CHECKING:
    from pathlib import Path

ADVICE = "run .ci/pgbouncer, or apt-get install pgbouncer"


@pytest.mark.agent
@pytest.mark.parametrize("task_queue", ["procrastinate", "celery"])
def test_a_project_works_behind_a_pooler(task_queue: str, copier_template: Path, tmp_path: Path) -> None:
    program("pgbouncer", ADVICE)
    project = render(copier_template, tmp_path / "project", {"task_queue": task_queue})
    log = tmp_path / "log.txt"
    for command in (
        "uv sync --locked --quiet",
        "uv run pytest --no-cov -rs tests/integration/test_pooler.py tests/integration/test_diagnostics.py",
    ):
        run(command, project, log, environment())
    assert "pgbouncer is missing" not in log.read_text("utf-8")
