"""Runs the checks of rules: static ones without pytest, where none of them needs it, and all others through it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from .catalogue import say
from .check import ROOT, Outcome
from .documents import SHARED, Rule, rules
from .project import Violation

CHECKS = "tests/rules"
RULEBOOK = Rule("0", say("The rulebook itself"), "mandatory", "", "", (), "rules", f"{CHECKS}/test_rulebook.py", ())
PROPERTY = "violations"
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


def run(wanted: list[str], *, fast: bool) -> list[Result]:
    """Run the checks of the rules that `wanted` names, or of all. Raises `RunFailed`, `DocumentError`."""
    rules.cache_clear()
    chosen = [rule for rule in rules(ROOT) if not wanted or any(map(rule.matches, wanted))]
    for name in wanted:
        if not any(rule.matches(name) for rule in chosen):
            known = ", ".join(rule.id for rule in rules(ROOT))
            raise RunFailed(say("There is no rule {name}: rules/ has {known}.", name=name, known=known))
    if fast:
        from .direct import NeedsPytest, run_static

        with suppress(NeedsPytest):
            return run_static([RULEBOOK, *chosen])
    from .through_pytest import run_through_pytest

    modules = dict.fromkeys(rule.tests for rule in chosen if (ROOT / rule.tests).exists())
    found = run_through_pytest([RULEBOOK.tests, *modules], fast=fast)
    return list(_results(chosen, found))


def _results(chosen: list[Rule], found: dict[str, dict[str, Checked]]) -> Iterator[Result]:
    for rule in [RULEBOOK, *chosen]:
        checks = list(found.get(rule.tests, {}).values())
        if rule.tests == SHARED:  # which holds the checks of several rules
            checks = [check for check in checks if check.name in rule.checks]
        yield Result(rule, checks, sum(check.seconds for check in checks))
