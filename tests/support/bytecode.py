"""Share the compiled dependencies of rendered projects, each of which has an environment of its own.

Else the processes of a suite would compile at once what they import, for ten seconds of CPU. Links of uv to its cache
keep the times of sources, by which Python knows whether compiled code is theirs.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.support.template import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHARED = ROOT / ".tools" / "bytecode"


def packages(project: Path) -> Iterator[Path]:
    """Yield the folder of the installed packages, if there is an environment."""
    yield from (project / ".venv").glob("lib/python3*/site-packages")


def borrow(project: Path) -> None:
    """Link what other projects have compiled into a new environment."""
    for place in packages(project):
        for path, linked in compiled(SHARED / place.parent.name, place):
            if (linked.parents[1] / f"{path.name.partition('.')[0]}.py").exists():  # it has that module
                link(path, linked)


def lend(project: Path) -> None:
    """Link what this project has compiled for the next ones."""
    for place in packages(project):
        for path, linked in compiled(place, SHARED / place.parent.name):
            link(path, linked)


def compiled(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each compiled module of a folder, and its path in another folder."""
    for path in source.rglob("__pycache__/*.pyc"):
        yield path, target / path.relative_to(source)


def link(path: Path, linked: Path) -> None:
    """Link a file unless the other is as new."""
    with suppress(OSError):  # another process has just made or replaced it, or the folders are of two file systems
        if linked.exists():
            if linked.stat().st_mtime_ns >= path.stat().st_mtime_ns:
                return
            linked.unlink()
        linked.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, linked)
