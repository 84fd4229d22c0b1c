"""Each choice made otherwise, alone: the types are sound. Those of the rows of the covering array: test_agent.py."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import variants
from test_agent import environment, run

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Render

FLIPS = variants.flips()

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("types")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all, so that mypy looks only at what one has otherwise than the one before."""
    return tmp_path_factory.mktemp("types")


@pytest.mark.parametrize("flip", FLIPS)
def test_its_types_are_sound(render: Render, place: Path, tmp_path: Path, flip: str) -> None:
    project = render(**FLIPS[flip])
    for old in place.iterdir():
        if old.is_file():
            old.unlink()
        elif old.name not in {".venv", ".mypy_cache"}:
            shutil.rmtree(old)
    shutil.copytree(project, place, dirs_exist_ok=True)
    for command in ("uv sync --locked --quiet", "uv run --locked mypy"):
        run(command, place, tmp_path / "log.txt", environment())
