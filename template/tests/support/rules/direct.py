"""Runs static checks as the functions that they are: pytest takes longer to start than most of them to run."""

from __future__ import annotations

import importlib.util
import io
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any

from .beside import started
from .catalogue import say
from .check import ROOT, Outcome, name_of
from .documents import SHARED, Rule
from .project import Project, Violation
from .run import CHECKS, LAST, Checked, Result, RunFailed, exceptions_of

Check = Callable[..., None]
GIVEN = {"project", LAST}


class NeedsPytest(Exception):
    """A check has a fixture or a mark of its own."""


def run_static(chosen: list[Rule]) -> list[Result]:
    """Run the static checks of these rules. Raises `NeedsPytest`."""
    results = [Result(rule, [], 0.0) for rule in chosen]
    checks = [(result, name, check) for result in results for name, check in _plain_checks(result.rule)]
    checks.sort(key=lambda each: LAST in parameters(each[2]))
    given: dict[str, Any] = {"project": Project(ROOT)}
    with ExitStack() as stack:
        if any(LAST in parameters(check) for *_, check in checks):
            given[LAST] = stack.enter_context(started(given["project"]))
        stack.enter_context(quiet())
        for result, name, check in checks:
            arguments = {each: given[each] for each in parameters(check)}
            result.checks.append(checked(result.rule, name, check, **arguments))
    for result in results:
        result.seconds = sum(each.seconds for each in result.checks)
    return results


def _plain_checks(rule: Rule) -> list[tuple[str, Check]]:
    """Those that run without pytest. Raises `NeedsPytest` where there are others."""
    try:
        found = [(name, check) for name, check in tests_of(rule) if not getattr(check, "is_running", False)]
    except Exception as error:  # pytest shows best why a module cannot be imported
        raise NeedsPytest from error
    beside = (ROOT / rule.tests).with_name("conftest.py")
    if not all(is_plain(check, GIVEN) for _, check in found) or (beside.exists() and beside.parent != ROOT / CHECKS):
        raise NeedsPytest
    return found


def tests_of(rule: Rule) -> Iterator[tuple[str, Check]]:
    """The tests in the module of a rule, by the names that checks have."""
    path = ROOT / rule.tests
    name = f"rules_{path.parent.name}_{path.stem}"
    if path.exists() and name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise RunFailed(say("{path} cannot be imported.", path=rule.tests))
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    for each, test in vars(sys.modules[name]).items() if path.exists() else ():
        is_of_rule = rule.tests != SHARED or name_of(each) in rule.checks
        if each.startswith("test_") and callable(test) and is_of_rule:
            yield name_of(each), test


def is_plain(check: Check, given: set[str]) -> bool:
    """Whether it is a check that needs nothing but what is given: no fixture, and no mark of pytest."""
    return hasattr(check, "find") and not hasattr(check, "pytestmark") and set(parameters(check)) <= given


def parameters(check: Check) -> tuple[str, ...]:
    code = vars(check)["__wrapped__"].__code__
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return names


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what checks print, and warnings about the code that they parse, out of the report."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def checked(rule: Rule, name: str, check: Check, **arguments: Any) -> Checked:
    """Run one check."""
    began = time.perf_counter()
    try:
        outcome: Outcome = vars(check)["find"](**arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - of whatever kind; `pytest.skip` raises one that is no Exception
        why = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        violation = Violation(rule.tests, 1, say("the check did not finish: {reason}", reason=why))
        remedy = say("`uv run pytest {module}` shows all of it.", module=rule.tests)
        return Checked(name, False, time.perf_counter() - began, [violation], remedy=remedy)
    return Checked(
        name,
        False,
        time.perf_counter() - began,
        outcome.violations,
        exceptions_of(outcome),
        outcome.warned,
        outcome.remedy,
    )
