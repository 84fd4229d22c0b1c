"""The processes that are measured: a rendered project's web process and the floors, on the project's own servers."""

from __future__ import annotations

import http.client
import secrets
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.programs.detached import servers
from tests.support import fast_copier
from tests.support.projects import environment
from tests.support.template import ROOT, export, render, working_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = "my_agent"
COMMAND = "my-agent"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.002
FLOORS = ("health", "sql", "agent_run", "direct_stream")
OWNERS = 16  # of the sessions, so that no row is written by all connections

# As in production, which refuses the offline model. The limits are checked and never reached.
SETTINGS = {
    "ENVIRONMENT": "testing",
    "DEBUG": "false",
    "LOG_ERROR_MESSAGES": "false",
    "DOCS_ENABLED": "false",
    "DATABASE_POOL_SIZE": "5",
    "HOST": "127.0.0.1",
    "LLM_MODEL": "offline",
    "RATE_LIMIT_PER_MINUTE": str(10**9),
    "BUDGET_TOKENS_PER_DAY": str(10**12),
    "BUDGET_USD_PER_DAY": str(10**9),
    "JWT_EXPIRE_MINUTES": "600",
}
TOKENS = f"""
from {PACKAGE}.config import Settings, load
from {PACKAGE}.security.tokens import issue_token
settings = load(Settings)
print(*(issue_token(settings, f"owner-{{number}}") for number in range({OWNERS})))
"""


class BenchmarkError(Exception):
    """A measurement is impossible; the message is one sentence for the reader."""


class Process:
    """A running service: `seconds` after its start it was ready, and had used `start_cpu` seconds of processor time."""

    def __init__(self, command: list[str], folder: Path, variables: Mapping[str, str], log: Path, ready: str) -> None:
        self.port = free_port()
        self._command = command
        self._log = log
        began = time.perf_counter()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**variables, "PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._process.pid
        self._seen = psutil.Process(self.pid)
        try:
            self._wait(ready, began + START_SECONDS)
        except BaseException:
            self.stop()
            raise
        self.seconds = time.perf_counter() - began
        self.start_cpu = self.cpu()

    def cpu(self) -> float:
        """Return the processor time used so far, in seconds."""
        times = self._seen.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> tuple[float, float]:
        """Return the resident memory and the part of it that no other process shares, in MiB."""
        found = self._seen.memory_full_info()
        return found.rss / 2**20, found.uss / 2**20

    def stop(self) -> None:
        """Stop the process, by force if it takes too long."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self, path: str, deadline: float) -> None:
        while not answers(self.port, path):
            if self._process.poll() is not None or time.perf_counter() > deadline:
                said = "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-20:])
                raise BenchmarkError(f"{' '.join(self._command[1:])} did not start:\n{said}")
            time.sleep(POLL_SECONDS)


class Stack:
    """A project on running servers, with what starts its processes."""

    def __init__(self, project: Path, python: Path, folder: Path, variables: Mapping[str, str]) -> None:
        self.project = project
        self.folder = folder
        self.variables = {**environment(), **SETTINGS, **variables, "SECRET_KEY": secrets.token_hex(32)}
        self._python = str(python)
        self.run("-m", f"{PACKAGE}.management.cli", "migrate")
        self.tokens = self.run("-c", TOKENS).split()

    def run(self, *arguments: str) -> str:
        """Run the project's Python with the settings, and return its output."""
        command = [self._python, *arguments]
        done = subprocess.run(
            command, cwd=self.project, env=self.variables, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchmarkError(f"python {' '.join(arguments[:3])} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def agent(self) -> Iterator[Process]:
        """Run the project's web process."""
        with self._running("web", [f"{PACKAGE}.processes", "web"], self.project, "/ready") as process:
            yield process

    @contextmanager
    def floor(self, name: str) -> Iterator[Process]:
        """Run a floor by the name of its module."""
        ready = "/health" if name == "health" else "/openapi.json"
        with self._running(name, [f"benchmarks.floors.{name}"], ROOT, ready) as process:
            yield process

    @contextmanager
    def _running(self, name: str, module: list[str], folder: Path, ready: str) -> Iterator[Process]:
        command, log = [self._python, "-m", *module], self.folder / f"{name}.log"
        process = Process(command, folder, self.variables, log, ready)
        try:
            yield process
        finally:
            process.stop()


@contextmanager
def running(project: Path | None) -> Iterator[Stack]:
    """Render and install the default project, unless one is given, and start its servers."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        if project is None:
            with fast_copier.installed():
                project = render(export(working_tree(), folder / "template"), folder / "project")
            install(project, ".venv")
        measured = folder / "environment"
        install(project, str(measured), "--no-dev")  # as in the image
        with servers(project) as addresses:
            yield Stack(project, measured / "bin/python", folder, addresses)


def install(project: Path, target: str, *options: str) -> None:
    """Install the locked dependencies of a project into an environment."""
    command = ["uv", "sync", "--locked", "--quiet", *options]
    subprocess.run(command, cwd=project, env={**environment(), "UV_PROJECT_ENVIRONMENT": target}, check=True)


def free_port() -> int:
    """Return a TCP port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int, path: str) -> bool:
    """Whether a GET of a path gets 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
