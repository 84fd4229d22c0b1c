"""Runs the checks through pytest in this process, and gathers what they found."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field

import pytest

from .catalogue import say
from .check import ROOT, Outcome, name_of
from .documents import SHARED, Rule, rules
from .project import Violation

CHECKS = "tests/rules"
RULEBOOK = Rule("0", say("The rulebook itself"), "mandatory", "", "", (), "rules", f"{CHECKS}/test_rulebook.py", ())
PROPERTY = "violations"
# No plugin but what a check needs: each takes time to import, as does rewriting what asserts nothing.
QUIET = (
    "--import-mode=importlib",
    "-o",
    "addopts=",
    "--disable-plugin-autoload",
    "-p",
    "no:cacheprovider",
    "--assert=plain",
)
WHOLE = ("-p", "anyio")
FAST = (
    "-m",
    "not running",
    f"--confcutdir={ROOT / CHECKS}",  # nor the conftest.py of all tests
    "-o",
    "strict_config=false",  # an option of a plugin that is left out is none of pytest's
    "-W",
    "ignore::pytest.PytestConfigWarning",
    "-p",
    "no:unraisableexception",  # which collects garbage again and again
)
LAST = "beside"  # the fixture of checks that wait for a program which runs beside the others


class RunFailed(Exception):
    """The checks could not be run; the message is what pytest said."""


@dataclass
class Checked:
    """One check that was run.

    `excepted` are violations that an exception covers, with its reason and owner; `warned` fail in CI only.
    """

    name: str
    running: bool
    seconds: float = 0.0
    violations: list[Violation] = field(default_factory=list)
    excepted: list[tuple[Violation, str]] = field(default_factory=list)
    warned: list[Violation] = field(default_factory=list)
    remedy: str = field(default_factory=lambda: say("Look at the check."))

    @property
    def outcome(self) -> str:
        return "failed" if self.violations else "excepted" if self.excepted else "passed"


@dataclass
class Result:
    rule: Rule
    checks: list[Checked]
    seconds: float


def exceptions_of(outcome: Outcome) -> list[tuple[Violation, str]]:
    """The violations that are excepted, each with the reason, the owner and the end of its exception."""
    return [
        (
            violation,
            say("{reason} ({owner}, until {day})", reason=granted.reason, owner=granted.owner, day=granted.expires),
        )
        for violation, granted in outcome.excepted
    ]


def properties(outcome: Outcome) -> list[tuple[str, object]]:
    """An outcome as properties of a test's report, which go from process to process as JSON."""
    violations = [asdict(violation) for violation in outcome.violations]
    excepted = [(asdict(violation), reason) for violation, reason in exceptions_of(outcome)]
    warned = [asdict(violation) for violation in outcome.warned]
    return [(PROPERTY, json.dumps([violations, excepted, warned, outcome.remedy]))]


class _Collector:
    """A plugin of pytest that keeps what each check found."""

    def __init__(self) -> None:
        self.by_module: dict[str, dict[str, Checked]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: LAST in getattr(item, "fixturenames", ()))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        module, _, function = report.nodeid.partition("::")
        name = name_of(function.partition("[")[0])
        checks = self.by_module.setdefault(module, {})
        check = checks.setdefault(name, Checked(name, "running" in report.keywords))
        check.seconds += report.duration
        for key, value in report.user_properties if report.when == "call" else ():
            if key == PROPERTY:
                violations, excepted, warned, check.remedy = json.loads(str(value))
                check.violations += [Violation(**each) for each in violations]
                check.excepted += [(Violation(**each), reason) for each, reason in excepted]
                check.warned += [Violation(**each) for each in warned]
        if not report.passed and not check.violations:
            check.violations.append(Violation(module, 1, _why(report)))
            check.remedy = say("`uv run pytest {module}` shows all of it.", module=module)


def _why(report: pytest.TestReport) -> str:
    """One line about a check that came to no end."""
    if isinstance(report.longrepr, tuple):
        return say("the check was skipped: {reason}", reason=report.longrepr[2].removeprefix("Skipped: "))
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(crash.message if crash else report.longrepr).strip().splitlines() or [say("no reason given")]
    # Of code that cannot be parsed, the place stands first, and what is wrong last.
    why = f"{lines[0]}: {lines[-1]}" if lines[0].startswith("File ") else lines[0]
    return say("the check did not finish: {reason}", reason=why)


def run(wanted: list[str], *, fast: bool) -> list[Result]:
    """Run the checks of the rules that `wanted` names, or of all. Raises `RunFailed`, `DocumentError`."""
    rules.cache_clear()
    chosen = [rule for rule in rules(ROOT) if not wanted or any(map(rule.matches, wanted))]
    for name in wanted:
        if not any(rule.matches(name) for rule in chosen):
            known = ", ".join(rule.id for rule in rules(ROOT))
            raise RunFailed(say("There is no rule {name}: rules/ has {known}.", name=name, known=known))
    modules = dict.fromkeys(rule.tests for rule in chosen if (ROOT / rule.tests).exists())
    collector, said = _Collector(), io.StringIO()
    with redirect_stdout(said):
        code = pytest.main([*QUIET, *(FAST if fast else WHOLE), RULEBOOK.tests, *modules], plugins=[collector])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise RunFailed(said.getvalue().strip() or say("pytest ended with {code}", code=code))
    return list(_results(chosen, collector.by_module))


def _results(chosen: list[Rule], found: dict[str, dict[str, Checked]]) -> Iterator[Result]:
    for rule in [RULEBOOK, *chosen]:
        checks = list(found.get(rule.tests, {}).values())
        if rule.tests == SHARED:  # which holds the checks of several rules
            checks = [check for check in checks if check.name in rule.checks]
        yield Result(rule, checks, sum(check.seconds for check in checks))
