"""Print what is running and how far it is: dots alone say nothing for minutes while a variant is built and tested.

A test that took long gets a line when it ends. While tests run, a line every few seconds counts the finished tests and
names the ones that have been running for long, with the command that each runs in a project and how far that is.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.terminal import TerminalReporter

LONG = 10.0  # seconds
EVERY = 20.0  # seconds between two lines
DIRECTORY = "PYTEST_PROGRESS_DIRECTORY"  # the variable with the directory of the commands that run
PERCENT = re.compile(r"\[ *(\d+)%\]")


@contextmanager
def running(command: str, log: Path) -> Iterator[None]:
    """Announce a command of the current test, whose output goes to `log`."""
    if not (directory := os.environ.get(DIRECTORY)):
        yield
        return
    note = Path(directory) / f"{os.getpid()}.json"
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    note.write_text(json.dumps({"test": test, "command": command, "log": str(log)}), "utf-8")
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def commands(directory: Path) -> dict[str, str]:
    """Return the running command of each test, with the percentage that its log ends with."""
    found = {}
    for path in directory.glob("*.json"):
        with suppress(OSError, ValueError):  # the command has just ended, or is just being announced
            note = json.loads(path.read_text("utf-8"))
            output = Path(note["log"]).read_text("utf-8", "replace").rpartition("\n$ ")[2]
            percents = PERCENT.findall(output)
            found[note["test"]] = note["command"] + (f" {percents[-1]}%" if percents else "")
    return found


def short(nodeid: str) -> str:
    """Return a test's name without its folders, and without the group that pytest-xdist appends."""
    path, _, name = nodeid.partition("::")
    return f"{Path(path).name}::{name.partition('@')[0]}"


def show(config: pytest.Config) -> None:
    """Print the progress of a run with several processes, if this is the one that prints the results.

    A single process captures everything that is written while a test runs.
    """
    reporter: TerminalReporter | None = config.pluginmanager.getplugin("terminalreporter")
    if reporter and config.getoption("dist", "no") != "no":
        config.pluginmanager.register(Progress(reporter))


class Progress:
    """A plugin of the process that shows the results; pytest-xdist forwards the events of the others to it."""

    def __init__(self, reporter: TerminalReporter) -> None:
        self._reporter = reporter
        self._began = time.monotonic()
        self._total = self._done = 0
        self._running: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._ended = threading.Event()
        self._directory = tempfile.TemporaryDirectory(prefix="progress-")
        self._thread = threading.Thread(target=self._report, daemon=True)
        os.environ[DIRECTORY] = self._directory.name

    def line(self) -> str:
        """Return the state of the run."""
        seconds = int(time.monotonic() - self._began)
        commanded = commands(Path(self._directory.name))
        long = []
        for nodeid, began in list(self._running.items()):
            if (took := time.monotonic() - began) >= LONG:
                command = commanded.get(nodeid)
                long.append(f"{short(nodeid)} ({took:.0f} s{f': {command}' if command else ''})")
        now = f"; running: {', '.join(long)}" if long else ""
        return f"{seconds // 60}:{seconds % 60:02}  {self._done} of {self._total} tests{now}"

    def _report(self) -> None:
        while not self._ended.wait(EVERY):
            self._write(self.line())

    def _write(self, line: str) -> None:
        self._reporter.ensure_newline()
        self._reporter.write_line(line)
        self._reporter.flush()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._total = len(ids)

    @pytest.hookimpl
    def pytest_runtestloop(self) -> None:
        self._thread.start()

    @pytest.hookimpl
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running[nodeid] = time.monotonic()

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._took[report.nodeid] = self._took.get(report.nodeid, 0) + report.duration
        if report.when == "teardown":
            self._done += 1
            self._running.pop(report.nodeid, None)
            if (took := self._took.pop(report.nodeid)) >= LONG:
                self._write(f"{short(report.nodeid)} took {took:.0f} s")

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._directory.cleanup()
