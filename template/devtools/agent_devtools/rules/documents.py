"""Reads rules/: the documents of the rules, rules/NN-name.md and the owner's own in rules/local/, and the messages.

Messages are English in the code; rules/messages.yaml has translations into the project's language.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeGuard

import yaml

if TYPE_CHECKING:
    from .project import Project


def _root() -> Path:
    """Return the project around the working directory, which may be a copy, or the one with this file."""
    around = (Path.cwd(), *Path.cwd().parents)
    found = (folder for folder in around if (folder / "rules").is_dir() and (folder / "tests/rules").is_dir())
    return next(found, Path(__file__).parents[3])


ROOT = _root()
MESSAGES = ROOT / "rules/messages.yaml"
LEVELS = {"mandatory", "forbidden", "advised"}
SHARED = "tests/rules/test_shared.py"  # has the checks of all packages
NAMES = ("[0-9][0-9]-*.md", "local/[0-9][0-9]-*.md")


@cache
def _translations() -> dict[str, str]:
    loaded = yaml.load(MESSAGES.read_text("utf-8"), yaml.CSafeLoader) if MESSAGES.exists() else None
    return dict(loaded or {})


def say(message: str, /, **values: object) -> str:
    """Return the message in the project's language, or in English without a translation.

    `values` fill its braces; values that are phrases, such as "no token", are translated too.
    """
    known = _translations()
    given = {name: known.get(value, value) if _is_phrase(value) else value for name, value in values.items()}
    text = known.get(message, message)
    return text.format(**given) if given else text


def _is_phrase(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and " " in value


class DocumentError(Exception):
    """Raised for an invalid document. The message contains its place and a remedy."""

    def __init__(self, place: str, message: str, /, **values: object) -> None:
        super().__init__(f"{place}:1: {say(message, **values)}")


@dataclass(frozen=True, slots=True)
class Rule:
    """The front matter of a rule. `path` and `tests`, the module of its checks, are relative to the project."""

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
        """Whether `wanted` is the id of the rule (9.1) or its chapter (9)."""
        return wanted in {self.id, self.id.partition(".")[0]}


def read(place: str, text: str, tests: str = "") -> Rule:
    """Parse the document at `place`. Raises `DocumentError` if the front matter is not that of a rule."""
    found = re.match(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL)
    if not found:
        raise DocumentError(place, "there is no front matter: begin with --- and copy that of another rule.")
    matter: Any = yaml.load(found[1], yaml.CSafeLoader)
    expected = {"id", "title", "level", "since", "changed", "checks"}
    if not isinstance(matter, dict) or matter.keys() != expected:
        names = ", ".join(sorted(expected))
        raise DocumentError(place, "the front matter must have {names}, and nothing else.", names=names)
    if matter["level"] not in LEVELS:
        raise DocumentError(place, "the level must be one of {names}.", names=", ".join(sorted(LEVELS)))
    if not isinstance(matter["checks"], list) or not matter["checks"]:
        raise DocumentError(place, "`checks` must list the names of the rule's checks.")
    path = PurePosixPath(place)
    module = PurePosixPath(*path.parts[1:]).with_name(f"test_{path.stem.replace('-', '_')}.py")
    return Rule(
        id=str(matter["id"]),
        title=str(matter["title"]),
        level=matter["level"],
        since=str(matter["since"]),
        changed=str(matter["changed"]),
        checks=tuple(map(str, matter["checks"])),
        path=place,
        tests=tests or f"tests/rules/{module}",
        headings=tuple(re.findall(r"^#+ (.+)$", found[2], re.MULTILINE)),
    )


@cache
def rules(root: Path) -> tuple[Rule, ...]:
    """Return all rules in the order of their files, then the owner's and those of packages. Raises `DocumentError`."""
    paths = [path for name in NAMES for path in sorted((root / "rules").glob(name))]
    own = [read(path.relative_to(root).as_posix(), path.read_text("utf-8")) for path in paths]
    return (*own, *_shared(root))


def _shared(root: Path) -> Iterator[Rule]:
    for folder in shared_folders(root):
        for path in sorted(folder.glob("[0-9][0-9]-*.md")):
            yield read(f"{folder.name}/{path.name}", path.read_text("utf-8"), SHARED)


def shared_folders(root: Path) -> list[Path]:
    """Return the folders of packages with rules. Raises `DocumentError` if one is not installed."""
    found = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"].get("rules", {}).get("packages", [])
    folders = []
    for name in found:
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise DocumentError(
                "pyproject.toml", "the package {name} of [tool.rules] packages is not installed.", name=name
            )
        folders.append(Path(next(iter(spec.submodule_search_locations))))
    return folders


def shared_checks(root: Path) -> dict[str, Any]:
    """Return the checks in the modules `test_NN_name` of those packages, by the names of their functions."""
    modules = [
        import_module(f"{folder.name}.{path.stem}")
        for folder in shared_folders(root)
        for path in sorted(folder.glob("test_[0-9]*.py"))
    ]
    return {name: check for module in modules for name, check in vars(module).items() if name.startswith("test_")}


def rules_in(project: Project) -> tuple[Rule, ...]:
    """Return the rules of a project that may be changed in memory."""
    return tuple(read(file.path, file.text) for name in NAMES for file in project.files(f"rules/{name}"))
