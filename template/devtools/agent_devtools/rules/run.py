"""Runs the checks: static ones as plain functions where possible, which is faster, and all others through pytest.

`--changed` runs the static checks on files that differ from a commit, for hooks. They see the Python modules that
differ, with those they import, and all other files. Checks that need every module run in `rules --fast` only.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

from .check import SHARED, Check, Checked, Rule, first_line, name_of, rules
from .flow import Flow
from .project import ROOT, File, Module, Project, Violation, say

if TYPE_CHECKING:
    import pytest

Beside: TypeAlias = Callable[[Callable[[Project], Any]], Any]


def lock_checked(project: Project) -> str | None:
    """Return the problem of uv.lock, if there is one."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        return "uv is not installed, so nothing checks uv.lock against this"
    command = [uv, "lock", "--check", "--offline", "--quiet"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    return "uv.lock is missing, or out of step with what is declared here" if done.returncode else None


def imports_checked(project: Project) -> list[dict[str, Any]] | str:
    """Return the findings of deptry in the project and in each member of its workspace, or its error message."""
    issues: list[dict[str, Any]] = []
    for member in (".", *project.pyproject["tool"]["uv"].get("workspace", {}).get("members", ())):
        with TemporaryDirectory() as folder:
            found = Path(folder) / "deptry.json"
            command = [sys.executable, "-m", "deptry", ".", "--json-output", str(found)]
            done = subprocess.run(command, cwd=project.root / member, capture_output=True, text=True, check=False)
            if not found.exists():
                return say("deptry said: {text}", text=(done.stdout + done.stderr).strip().splitlines()[-1])
            for issue in json.loads(found.read_text("utf-8")):
                issue["location"]["file"] = (Path(member) / issue["location"]["file"]).as_posix()
                issues.append(issue)
    return issues


@contextmanager
def started(project: Project) -> Iterator[Beside]:
    """Start uv and deptry in the background. A check with a parameter `beside` calls it to wait for one of them."""
    with ThreadPoolExecutor() as pool:
        programs: list[Callable[[Project], Any]] = [lock_checked, imports_checked]
        waiting = {program: pool.submit(program, project) for program in programs}
        yield lambda program: waiting[program].result()


CHECKS = "tests/rules"
RULEBOOK = Rule("0", say("The rulebook itself"), "mandatory", "", "", (), "rules", f"{CHECKS}/test_rulebook.py", ())
PROPERTY = "violations"
LAST = "beside"  # the fixture of checks that wait for a background program, and therefore run last


class RunFailed(Exception):
    """The checks could not run; the message is the output of pytest."""


@dataclass
class Result:
    rule: Rule
    checks: list[Checked]
    seconds: float


def run(wanted: list[str], *, fast: bool, on_check: Callable[[str], None]) -> list[Result]:
    """Run the checks of the rules in `wanted`, or of all rules. Raises `RunFailed`, `DocumentError`.

    `on_check` is called with the name of each check before it runs.
    """
    rules.cache_clear()
    chosen = [rule for rule in rules(ROOT) if not wanted or any(map(rule.matches, wanted))]
    for name in wanted:
        if not any(rule.matches(name) for rule in chosen):
            known = ", ".join(rule.id for rule in rules(ROOT))
            raise RunFailed(say("There is no rule {name}: rules/ has {known}.", name=name, known=known))
    if fast:
        with suppress(NeedsPytest):
            return run_static([RULEBOOK, *chosen], on_check)
    modules = dict.fromkeys(rule.tests for rule in chosen if (ROOT / rule.tests).exists())
    found = run_through_pytest([RULEBOOK.tests, *modules], on_check, fast=fast)
    return list(_results(chosen, found))


def _results(chosen: list[Rule], found: dict[str, dict[str, Checked]]) -> Iterator[Result]:
    for rule in [RULEBOOK, *chosen]:
        checks = list(found.get(rule.tests, {}).values())
        if rule.tests == SHARED:  # a module with the checks of several rules
            checks = [check for check in checks if check.name in rule.checks]
        yield Result(rule, checks, sum(check.seconds for check in checks))


GIVEN = {"project", LAST}


class NeedsPytest(Exception):
    """A check uses fixtures or marks of pytest."""


def run_static(chosen: list[Rule], on_check: Callable[[str], None]) -> list[Result]:
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
            on_check(name)
            arguments = {each: given[each] for each in parameters(check)}
            result.checks.append(checked(result.rule, name, check, **arguments))
    for result in results:
        result.seconds = sum(each.seconds for each in result.checks)
    return results


def _plain_checks(rule: Rule) -> list[tuple[str, Check]]:
    """Return the static checks of a rule. Raises `NeedsPytest` if one of them needs it."""
    try:
        found = [(name, check) for name, check in tests_of(rule) if not getattr(check, "is_running", False)]
    except Exception as error:  # pytest explains best why a module cannot be imported
        raise NeedsPytest from error
    beside = (ROOT / rule.tests).with_name("conftest.py")
    if not all(is_plain(check, GIVEN) for _, check in found) or (beside.exists() and beside.parent != ROOT / CHECKS):
        raise NeedsPytest
    return found


def tests_of(rule: Rule) -> Iterator[tuple[str, Check]]:
    """Yield the tests in the module of a rule, with the names of their checks."""
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
    """Whether a test is a check that needs only the arguments in `given`: no other fixture and no mark."""
    return hasattr(check, "find") and not hasattr(check, "pytestmark") and set(parameters(check)) <= given


def parameters(check: Check) -> tuple[str, ...]:
    code = vars(check)["__wrapped__"].__code__
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return names


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the output of checks, and warnings about the code they parse."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def checked(rule: Rule, name: str, check: Check, **arguments: Any) -> Checked:
    """Run one check."""
    began = time.perf_counter()
    try:
        found: Checked = vars(check)["find"](**arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - `pytest.skip` raises one that is not an Exception
        why = say("the check did not finish: {reason}", reason=first_line(error))
        remedy = say("`uv run pytest {module}` shows all of it.", module=rule.tests)
        found = Checked(name, running=False, remedy=remedy, violations=[Violation(rule.tests, 1, why)])
    found.seconds = time.perf_counter() - began
    return found


# Through pytest

# Only the plugins that checks need: importing others takes time, as does rewriting assertions.
QUIET = shlex.split("--import-mode=importlib -o addopts= --disable-plugin-autoload -p no:cacheprovider --assert=plain")
WHOLE = ("-p", "anyio")
FAST = (
    *("-m", "not running"),
    f"--confcutdir={ROOT / CHECKS}",  # skip tests/conftest.py
    *("-o", "strict_config=false", "-W", "ignore::pytest.PytestConfigWarning"),  # for options of plugins not loaded
    *("-p", "no:unraisableexception"),  # it collects garbage repeatedly
)


class _Collector:
    """A pytest plugin that collects the findings of each check."""

    def __init__(self, on_check: Callable[[str], None]) -> None:
        self._on_check = on_check
        self.by_module: dict[str, dict[str, Checked]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: LAST in getattr(item, "fixturenames", ()))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._on_check(_name_in(nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        module, name = report.nodeid.partition("::")[0], _name_in(report.nodeid)
        checks = self.by_module.setdefault(module, {})
        check = checks.setdefault(name, Checked(name, "running" in report.keywords))
        check.seconds += report.duration
        for key, value in report.user_properties if report.when == "call" else ():
            if key == PROPERTY:
                found = json.loads(str(value))
                check.remedy = found["remedy"]
                check.violations += [Violation(**each) for each in found["violations"]]
                check.excepted += [(Violation(**each), reason) for each, reason in found["excepted"]]
                check.warned += [Violation(**each) for each in found["warned"]]
        if not report.passed and not check.violations:
            check.violations.append(Violation(module, 1, _why(report)))
            check.remedy = say("`uv run pytest {module}` shows all of it.", module=module)


def _name_in(nodeid: str) -> str:
    return name_of(nodeid.partition("::")[2].partition("[")[0])


def _why(report: pytest.TestReport) -> str:
    """Return one line about a check that did not finish."""
    if isinstance(report.longrepr, tuple):
        return say("the check was skipped: {reason}", reason=report.longrepr[2].removeprefix("Skipped: "))
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(crash.message if crash else report.longrepr).strip().splitlines() or [say("no reason given")]
    # For a syntax error, the first line is the place and the last one the message.
    why = f"{lines[0]}: {lines[-1]}" if lines[0].startswith("File ") else lines[0]
    return say("the check did not finish: {reason}", reason=why)


def run_through_pytest(
    modules: list[str], on_check: Callable[[str], None], *, fast: bool
) -> dict[str, dict[str, Checked]]:
    """Run the checks of these modules; return the results by module and name. Raises `RunFailed`."""
    import pytest

    collector, said = _Collector(on_check), io.StringIO()
    with redirect_stdout(said):
        code = pytest.main([*QUIET, *(FAST if fast else WHOLE), *modules], plugins=[collector])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise RunFailed(said.getvalue().strip() or say("pytest ended with {code}", code=code))
    return collector.by_module


# Files that differ from a commit

# Checks that look for something missing, or follow it through every module.
NEED_ALL = {
    "documents-list-their-checks",
    "every-route-asks-who-is-there",
    "every-route-is-tested",
    "services-have-interfaces",
    "tests-have-three-levels",
    "what-you-add-is-tested",
}
DECLARES_SETTINGS = re.compile(r"^class\s+\w*Settings\b", re.MULTILINE)


class Changes(Project):
    """A project whose modules are only those that differ."""

    def __init__(self, root: Path, differing: set[str]) -> None:
        super().__init__(root)
        self.differing = differing

    def files(self, *patterns: str) -> list[File]:
        found = super().files(*patterns)
        return [file for file in found if file.path in self.differing] if patterns == ("*",) else found

    def modules(self, *folders: str) -> list[Module]:
        return [module for module in super().modules(*folders) if module.path in self.differing]

    @cached_property
    def flow(self) -> Flow:
        own = [module for module in self._modules if module.path in self.differing]
        texts = "\n".join(module.text for module in own)
        beside = [module for module in super().modules() if module not in own and _is_named(module, texts)]
        return Flow([*own, *beside])

    @cached_property
    def settings(self) -> dict[str, Any]:
        return self.settings_in([module for module in super().modules() if DECLARES_SETTINGS.search(module.text)])


def _is_named(module: Module, texts: str) -> bool:
    """Whether these texts may import the module."""
    stem = module.dotted.rpartition(".")[2]
    return f"import {stem}" in texts or f".{stem} import" in texts or f", {stem}" in texts


def differing(reference: str) -> set[str]:
    """Return the paths of files that differ from a commit, untracked files included."""
    commands = (
        ["git", "diff", "--name-only", "--relative", "-z", reference, "--"],
        ["git", "ls-files", "--others", "--exclude-standard", "-z"],
    )
    found = set[str]()
    for command in commands:
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        except OSError:
            raise RunFailed(say("Git is not installed, and `--changed` asks it what differs.")) from None
        if done.returncode:
            raise RunFailed(say("Git knows no commit {reference} here.", reference=reference))
        found |= set(filter(None, done.stdout.split("\0")))
    return found


def run_changed(reference: str, wanted: list[str]) -> tuple[list[Result], set[str]]:
    """Check the files that differ; return the results and these files. Raises `RunFailed`, `DocumentError`."""
    paths = differing(reference)
    project = Changes(ROOT, paths)
    results = []
    for rule in [RULEBOOK, *rules(ROOT)] if paths else []:
        if not wanted or any(map(rule.matches, wanted)):
            with quiet():
                checks = [checked(rule, name, check, project=project) for name, check in static_checks(rule)]
            for check in checks:
                check.violations = [found for found in check.violations if _counts(found, project)]
            results.append(Result(rule, checks, sum(check.seconds for check in checks)))
    return results, paths


def static_checks(rule: Rule) -> Iterator[tuple[str, Check]]:
    """Yield the checks of a rule that need only the project."""
    for name, check in tests_of(rule):
        if not getattr(check, "is_running", False) and is_plain(check, {"project"}) and name not in NEED_ALL:
            yield name, check


def _counts(violation: Violation, project: Changes) -> bool:
    return violation.path in project.differing or not violation.path.endswith(".py")
