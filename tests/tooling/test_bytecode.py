"""Projects share what they compiled, and only of packages that they have."""

from __future__ import annotations

import compileall
from typing import TYPE_CHECKING

from tests.support import bytecode

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def environment_with(project: Path, *packages: str) -> Path:
    place = project / ".venv" / "lib" / "python3.14" / "site-packages"
    for name in packages:
        (place / name).mkdir(parents=True)
        (place / name / "module.py").write_text("ANSWER = 42\n", "utf-8")
    return place


def test_a_project_borrows_what_another_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "SHARED", tmp_path / "shared")
    first = environment_with(tmp_path / "first", "both", "own")
    second = environment_with(tmp_path / "second", "both", "other")
    compileall.compile_dir(first, quiet=1)
    bytecode.lend(tmp_path / "first")
    bytecode.borrow(tmp_path / "second")
    [borrowed] = second.rglob("*.pyc")
    assert borrowed.samefile(first / borrowed.relative_to(second))
    assert not (second / "own").exists(), "an empty package could be imported"


def test_what_is_compiled_again_replaces_what_was_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "SHARED", tmp_path / "shared")
    place = environment_with(tmp_path / "project", "package")
    for _ in range(2):
        compileall.compile_dir(place, quiet=1, force=True)
        bytecode.lend(tmp_path / "project")
        [compiled], [shared] = place.rglob("*.pyc"), (tmp_path / "shared").rglob("*.pyc")
        assert shared.samefile(compiled)
