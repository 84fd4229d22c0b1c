"""The rules as documents: rules/NN-name.md, and the owner's own in rules/local/."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from .project import Project

LEVELS = {"mandatory", "forbidden", "advised"}
NAMES = ("[0-9][0-9]-*.md", "local/[0-9][0-9]-*.md")


class DocumentError(Exception):
    """A rule's document cannot be read: where, and what to do."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by its front matter. `path` is relative to the project, as is `tests`, the module of its checks."""

    id: str
    title: str
    level: str
    since: str
    changed: str
    checks: tuple[str, ...]
    path: str
    tests: str
    headings: tuple[str, ...]

    def matches(self, wanted: str) -> bool:
        """Whether `wanted` names it: by its id (9.1) or by its chapter (9)."""
        return wanted in {self.id, self.id.partition(".")[0]}


def read(place: str, text: str) -> Rule:
    """The rule of the document at `place`. Raises `DocumentError` where the front matter is not that of a rule."""
    found = re.match(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL)
    if not found:
        raise DocumentError(f"{place}:1: there is no front matter: begin with --- and copy that of another rule.")
    matter: Any = yaml.safe_load(found[1])
    expected = {"id", "title", "level", "since", "changed", "checks"}
    if not isinstance(matter, dict) or matter.keys() != expected:
        raise DocumentError(f"{place}:1: the front matter must have {', '.join(sorted(expected))}, and nothing else.")
    if matter["level"] not in LEVELS:
        raise DocumentError(f"{place}:1: the level must be one of {', '.join(sorted(LEVELS))}.")
    if not isinstance(matter["checks"], list) or not matter["checks"]:
        raise DocumentError(f"{place}:1: `checks` must list the names of the rule's checks.")
    path = PurePosixPath(place)
    module = path.relative_to("rules").with_name(f"test_{path.stem.replace('-', '_')}.py")
    return Rule(
        id=str(matter["id"]),
        title=str(matter["title"]),
        level=matter["level"],
        since=str(matter["since"]),
        changed=str(matter["changed"]),
        checks=tuple(map(str, matter["checks"])),
        path=place,
        tests=f"tests/rules/{module}",
        headings=tuple(re.findall(r"^#+ (.+)$", found[2], re.MULTILINE)),
    )


@cache
def rules(root: Path) -> tuple[Rule, ...]:
    """All rules, in the order of their files, the owner's own last. Raises `DocumentError`."""
    paths = [path for name in NAMES for path in sorted((root / "rules").glob(name))]
    return tuple(read(path.relative_to(root).as_posix(), path.read_text("utf-8")) for path in paths)


def rules_in(project: Project) -> tuple[Rule, ...]:
    """The same for a project, as it may be planted in memory."""
    return tuple(read(file.path, file.text) for name in NAMES for file in project.files(f"rules/{name}"))
