"""What makes a test a check of a rule: it finds violations, leaves out those excepted, and says what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from posixpath import normpath
from typing import ParamSpec

from .catalogue import say
from .documents import SHARED, Rule, rules
from .exceptions import Granted, granted
from .project import File, Project, Unfinished, Violation

ROOT = Path(__file__).parents[3]
Parameters = ParamSpec("Parameters")


class Broken(Exception):
    """What a running check found broken: its message is the violation's; `values` fill its braces."""

    def __init__(self, message: str, /, **values: object) -> None:
        super().__init__(say(message, **values))


@dataclass
class Outcome:
    """What a check found, and what is to be done about it."""

    remedy: str
    violations: list[Violation] = field(default_factory=list)
    excepted: list[tuple[Violation, Granted]] = field(default_factory=list)
    warned: list[Violation] = field(default_factory=list)


ENDED = "the check did not finish: {error}"
OUTCOMES: dict[str, Outcome] = {}


def name_of(function: str) -> str:
    """A check's name: test_no_port_in_code is `no-port-in-code`."""
    return function.removeprefix("test_").replace("_", "-")


def check(
    remedy: str, *, at: tuple[str, str] | None = None
) -> Callable[[Callable[Parameters, Iterable[Violation] | None]], Callable[Parameters, None]]:
    """Make a check of a test that yields violations; its name, without `test_`, is the check's.

    With `at`, it is a running check, which needs servers and takes seconds: `--fast` leaves it out. It raises `Broken`,
    and the violation is placed at the first line of the file `at[0]`, a path in the package, that the pattern `at[1]`
    is found in: where to begin to look. `remedy` tells what to do.
    """

    def decorate(function: Callable[Parameters, Iterable[Violation] | None]) -> Callable[Parameters, None]:
        name = name_of(function.__name__)

        def find(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Outcome:
            outcome = Outcome(say(remedy))
            try:
                found = list(function(*args, **kwargs) or ())
            except Exception as error:  # whatever ends a running check is told where to begin to look
                if at is None:
                    raise
                file = File(ROOT, normpath(f"{Project(ROOT).package}/{at[0]}"))
                what = str(error) if isinstance(error, Broken) else say(ENDED, error=_first_line(error))
                found = [file.at(file.line_of(at[1]) if file.absolute.exists() else 1, what)]
            exceptions = granted(ROOT)
            for violation in sorted(set(found), key=lambda each: (each.path, each.line, each.message)):
                exception = next((each for each in exceptions if each.covers(name, violation)), None)
                if exception:
                    outcome.excepted.append((violation, exception))
                elif isinstance(violation, Unfinished) and not os.environ.get("CI"):
                    outcome.warned.append(violation)
                else:
                    outcome.violations.append(violation)
            return outcome

        @wraps(function)
        def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
            OUTCOMES[name] = outcome = find(*args, **kwargs)
            if outcome.violations:
                import pytest

                rule = rule_of(Path(function.__code__.co_filename), name)
                pytest.fail(
                    "\n".join(told(each, rule, name, say(remedy)) for each in outcome.violations), pytrace=False
                )

        # Not `running`: pytest takes attributes for keywords.
        checked.__dict__.update(find=find, is_running=at is not None)
        return checked

    return decorate


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def rule_of(module: Path, check: str) -> Rule | None:
    """The rule of a check of the module; none for the checks of the rulebook itself."""
    path = module.relative_to(ROOT).as_posix() if module.is_relative_to(ROOT) else SHARED
    shared = (rule for rule in rules(ROOT) if rule.tests == SHARED and check in rule.checks)
    return next((rule for rule in rules(ROOT) if rule.tests == path), None) or next(shared, None)


def told(violation: Violation, rule: Rule | None, name: str, remedy: str) -> str:
    """A violation in one line: where, which rule, what, and what to do."""
    law = say("rule {id}", id=rule.id) if rule else say("the rulebook")
    return f"{violation.path}:{violation.line}: {law} ({name}): {violation.message}{say('. ')}{remedy}"
