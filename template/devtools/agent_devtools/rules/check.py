"""Rules and their checks: reads the documents in rules/, and turns tests into checks that report violations.

Exceptions are granted in pyproject.toml for a limited time:

    [[tool.rules.exceptions]]
    check = "no-port-in-code"
    paths = ["src/order_desk/agent/*"] # optional: every file by default
    reason = "The vendor's gateway knows one port only."
    owner = "ada@example.com"
    expires = 2027-01-31
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache, wraps
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any, ParamSpec

import yaml

from .project import ROOT, File, Project, Unfinished, Violation, say

LEVELS = {"mandatory", "forbidden", "advised"}
SHARED = "tests/rules/test_shared.py"  # has the checks of all packages
NAMES = ("[0-9][0-9]-*.md", "local/[0-9][0-9]-*.md")
FILE = "pyproject.toml"
LONGEST = timedelta(days=366)
TEXTS = ("check", "reason", "owner")
KEYS = {*TEXTS, "expires", "paths"}


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


# Exceptions


@dataclass(frozen=True, slots=True)
class Granted:
    check: str
    paths: tuple[str, ...]
    reason: str
    owner: str
    expires: date

    def covers(self, violation: Violation) -> bool:
        return any(fnmatchcase(violation.path, path) for path in self.paths)


def today() -> date:
    return datetime.now(UTC).date()


def granted(root: Path) -> list[Granted]:
    """Return the exceptions that are complete and have not expired."""
    return [
        Granted(item["check"], tuple(item.get("paths", ["*"])), item["reason"], item["owner"], item["expires"])
        for item in _entries(root)
        if not list(_faults(item)) and item["expires"] >= today()
    ]


def problems(root: Path, known: set[str]) -> Iterator[Violation]:
    """Yield the problems of the entries, expired ones included. `known` are the names of all checks."""
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


# Checks

Check = Callable[..., Any]
Parameters = ParamSpec("Parameters")


class Broken(Exception):
    """Raised by a running check that finds a violation. `values` fill the braces of the message."""

    def __init__(self, message: str, /, **values: object) -> None:
        super().__init__(say(message, **values))


@dataclass
class Checked:
    """The result of one check.

    `excepted` are violations covered by an exception, with its reason and owner; `warned` fail in CI only.
    """

    name: str
    running: bool
    remedy: str = field(default_factory=lambda: say("Look at the check."))
    seconds: float = 0.0
    violations: list[Violation] = field(default_factory=list)
    excepted: list[tuple[Violation, str]] = field(default_factory=list)
    warned: list[Violation] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        return "failed" if self.violations else "excepted" if self.excepted else "passed"


ENDED = "the check did not finish: {error}"
OUTCOMES: dict[str, Checked] = {}


def name_of(function: str) -> str:
    """Return the name of a check: `no-port-in-code` for test_no_port_in_code."""
    return function.removeprefix("test_").replace("_", "-")


def check(
    remedy: str, *, at: tuple[str, str] | None = None
) -> Callable[[Callable[Parameters, Iterable[Violation] | None]], Callable[Parameters, None]]:
    """Turn a test that yields violations into a check, named after the test without `test_`.

    With `at`, it is a running check, which starts servers and is skipped by `--fast`. It raises `Broken`; the violation
    is reported in the file `at[0]`, a path in the package, at the first line that matches the pattern `at[1]`. `remedy`
    is the advice that is printed with each violation.
    """

    def decorate(function: Callable[Parameters, Iterable[Violation] | None]) -> Callable[Parameters, None]:
        name = name_of(function.__name__)

        def find(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Checked:
            try:
                found = list(function(*args, **kwargs) or ())
            except Exception as error:  # any failure of a running check is reported at its place
                if at is None:
                    raise
                file = File(ROOT, normpath(f"{Project(ROOT).package}/{at[0]}"))
                what = str(error) if isinstance(error, Broken) else say(ENDED, error=first_line(error))
                found = [file.at(file.line_of(at[1]) if file.absolute.exists() else 1, what)]
            return _sorted(found, Checked(name, at is not None, say(remedy)))

        @wraps(function)
        def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
            OUTCOMES[name] = outcome = find(*args, **kwargs)
            if outcome.violations:
                import pytest

                rule = rule_of(Path(function.__code__.co_filename), name)
                lines = (describe(each, rule, name, outcome.remedy) for each in outcome.violations)
                pytest.fail("\n".join(lines), pytrace=False)

        # Not named `running`: pytest treats attributes as keywords.
        checked.__dict__.update(find=find, is_running=at is not None)
        return checked

    return decorate


def _sorted(found: list[Violation], checked: Checked) -> Checked:
    """Sort the violations of a check into those that count, those that an exception covers, and warnings."""
    exceptions = [each for each in granted(ROOT) if each.check == checked.name]
    for violation in in_order(found):
        exception = next((each for each in exceptions if each.covers(violation)), None)
        if exception:
            form = "{reason} ({owner}, until {day})"
            reason = say(form, reason=exception.reason, owner=exception.owner, day=exception.expires)
            checked.excepted.append((violation, reason))
        elif isinstance(violation, Unfinished) and not os.environ.get("CI"):
            checked.warned.append(violation)
        else:
            checked.violations.append(violation)
    return checked


def in_order(found: Iterable[Violation]) -> list[Violation]:
    return sorted(set(found), key=lambda each: (each.path, each.line, each.message))


def first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def rule_of(module: Path, check: str) -> Rule | None:
    """Return the rule of a check in the module; `None` for the checks of the rulebook itself."""
    path = module.relative_to(ROOT).as_posix() if module.is_relative_to(ROOT) else SHARED
    shared = (rule for rule in rules(ROOT) if rule.tests == SHARED and check in rule.checks)
    return next((rule for rule in rules(ROOT) if rule.tests == path), None) or next(shared, None)


def describe(violation: Violation, rule: Rule | None, name: str, remedy: str) -> str:
    """Return a violation as one line: place, rule, message and remedy."""
    law = say("rule {id}", id=rule.id) if rule else say("the rulebook")
    return f"{violation.path}:{violation.line}: {law} ({name}): {violation.message}{say('. ')}{remedy}"


@cache
def _whole() -> Project:
    project = Project(ROOT)
    project.modules("src", "devtools", "tests")  # read once, and shared by all later calls
    return project


def find(check: Check, files: Mapping[str, str | None]) -> list[Violation]:
    """Return the sorted findings of a check after changing `files` in memory, to test it; `None` removes a file."""
    return in_order(vars(check)["__wrapped__"](_whole().planted(files)) or ())
