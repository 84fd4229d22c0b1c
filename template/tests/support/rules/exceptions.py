"""Exceptions from the rules, granted in pyproject.toml for a time:

[[tool.rules.exceptions]]
check = "no-port-in-code"
paths = ["src/order_desk/agent/*"] # left out: wherever it is
reason = "The vendor's gateway knows one port only."
owner = "ada@example.com"
expires = 2027-01-31
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from .catalogue import say
from .project import File, Violation

FILE = "pyproject.toml"
LONGEST = timedelta(days=366)
TEXTS = ("check", "reason", "owner")
KEYS = {*TEXTS, "expires", "paths"}


@dataclass(frozen=True, slots=True)
class Granted:
    check: str
    paths: tuple[str, ...]
    reason: str
    owner: str
    expires: date

    def covers(self, check: str, violation: Violation) -> bool:
        return check == self.check and any(fnmatchcase(violation.path, path) for path in self.paths)


def today() -> date:
    return datetime.now(UTC).date()


def granted(root: Path) -> list[Granted]:
    """Those in force: complete, and not expired."""
    return [
        Granted(item["check"], tuple(item.get("paths", ["*"])), item["reason"], item["owner"], item["expires"])
        for item in _entries(root)
        if not list(_faults(item)) and item["expires"] >= today()
    ]


def problems(root: Path, known: set[str]) -> Iterator[Violation]:
    """What is wrong with the entries, those that have expired among it. `known` are the names of all checks."""
    file = File(root, FILE)
    starts = [number for number, line in enumerate(file.lines, 1) if line.strip() == "[[tool.rules.exceptions]]"]
    if _written(root) != _entries(root):
        line = file.line_of(r"rules\.exceptions|^exceptions")
        yield file.at(line, "exceptions are tables, each under [[tool.rules.exceptions]]")
    for number, item in enumerate(_entries(root)):
        line = starts[number] if number < len(starts) else file.line_of("exceptions")
        faults = list(_faults(item))
        yield from (file.at(line, fault) for fault in faults)
        if item.get("check") and item["check"] not in known:
            yield file.at(line, "there is no check {check!r} to be excepted from", check=item["check"])
        if not faults and item["expires"] < today():
            yield file.at(
                line,
                "the exception from {check} expired on {expires} ({owner})",
                check=item["check"],
                expires=item["expires"],
                owner=item["owner"],
            )


def _entries(root: Path) -> list[dict[str, Any]]:
    written = _written(root)
    return [item for item in written if isinstance(item, dict)] if isinstance(written, list) else []


def _written(root: Path) -> object:
    return _parsed((root / FILE).read_text("utf-8"))


@cache
def _parsed(text: str) -> object:
    return tomllib.loads(text).get("tool", {}).get("rules", {}).get("exceptions", [])


def _faults(item: dict[str, Any]) -> Iterator[str]:
    for name in TEXTS:
        if not isinstance(item.get(name), str) or not item[name].strip():
            yield say("an exception needs `{name}`, a text", name=name)
    expires = item.get("expires")
    if type(expires) is not date:
        yield say("an exception needs `expires`, a date such as 2027-01-31")
    elif expires > today() + LONGEST:
        yield say("an exception lasts a year at most: {expires} is too far away", expires=expires)
    paths = item.get("paths", ["*"])
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        yield say("`paths` of an exception is a list of patterns")
    if unknown := sorted(item.keys() - KEYS):
        yield say("an exception has no {names}", names=", ".join(unknown))
