"""Runs checks through pytest in this process and collects their findings."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout

import pytest

from .catalogue import say
from .check import ROOT, name_of
from .project import Violation
from .run import CHECKS, LAST, PROPERTY, Checked, RunFailed

# Only the plugins that checks need: importing others takes time, as does rewriting assertions.
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
    f"--confcutdir={ROOT / CHECKS}",  # skip tests/conftest.py
    "-o",
    "strict_config=false",  # pyproject.toml has options of plugins that are not loaded
    "-W",
    "ignore::pytest.PytestConfigWarning",
    "-p",
    "no:unraisableexception",  # it collects garbage repeatedly
)


class _Collector:
    """A pytest plugin that collects the findings of each check."""

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
    """Return one line about a check that did not finish."""
    if isinstance(report.longrepr, tuple):
        return say("the check was skipped: {reason}", reason=report.longrepr[2].removeprefix("Skipped: "))
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(crash.message if crash else report.longrepr).strip().splitlines() or [say("no reason given")]
    # For a syntax error, the first line is the place and the last one the message.
    why = f"{lines[0]}: {lines[-1]}" if lines[0].startswith("File ") else lines[0]
    return say("the check did not finish: {reason}", reason=why)


def run_through_pytest(modules: list[str], *, fast: bool) -> dict[str, dict[str, Checked]]:
    """Run the checks of these modules; return the results by module and name. Raises `RunFailed`."""
    collector, said = _Collector(), io.StringIO()
    with redirect_stdout(said):
        code = pytest.main([*QUIET, *(FAST if fast else WHOLE), *modules], plugins=[collector])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise RunFailed(said.getvalue().strip() or say("pytest ended with {code}", code=code))
    return collector.by_module
