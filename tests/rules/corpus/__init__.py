"""Realistic code in two folders: lines that break a rule, and code that breaks none.

A line that breaks a rule ends with the names of the checks that find it. Each file has the path at which it is planted
in a project, with the suffix `.txt`. All files are planted together, in memory.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent
MARK = re.compile(r"# ((?:[a-z0-9]+-[a-z0-9-]+ ?)+)$")


def _read(folder: Path) -> dict[str, str]:
    """Return the texts by their paths in a project."""
    paths = sorted(folder.rglob("*.txt"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path.read_text("utf-8") for path in paths}


VIOLATIONS = _read(FOLDER / "violations")
LAWFUL = _read(FOLDER / "lawful")


def expected(file: str) -> Iterator[tuple[str, int, str]]:
    """Yield the lines of a file that break a rule, with the names of the checks that find them."""
    for number, line in enumerate(VIOLATIONS[file].splitlines(), 1):
        found = MARK.search(line)
        yield from ((file, number, check) for check in (found[1].split() if found else ()))
