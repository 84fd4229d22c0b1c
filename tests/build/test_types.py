"""mypy passes on each variant, and on the default with one choice changed.

The archetypes together make every choice but one of Python; each choice alone is checked in `make once`.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support import variants
from tests.support.projects import environment, essential, run, variant_marks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

ROWS = variants.rows()
EVERY = ROWS | variants.flips()
ALONE = [pytest.mark.slow, pytest.mark.matrix]


def python_version(name: str) -> str:
    return variants.row_of(EVERY[name])["python_version"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all variants, so that mypy analyses only the differences."""
    return tmp_path_factory.mktemp("types")


@pytest.mark.xdist_group("types")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[pytest.mark.agent, *variant_marks(name), *essential(name)] if name in ROWS else ALONE,
        )
        for name in sorted(EVERY, key=python_version)  # each version needs its own environment
    ],
)
def test_types_are_sound(render: Render, place: Path, tmp_path: Path, name: str) -> None:
    project = render(**EVERY[name])
    for old in place.iterdir():
        if old.is_file():
            old.unlink()
        elif old.name not in {".venv", ".mypy_cache"}:
            shutil.rmtree(old)
    shutil.copytree(project, place, dirs_exist_ok=True)
    for command in ("uv sync --locked --quiet", "uv run --locked mypy"):
        run(command, place, tmp_path / "log.txt", environment())
