"""Run servers, and all processes of a rendered project."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.projects import environment
from tests.support.template import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STOP_SECONDS = 120
STACK = ("uv", "run", "--no-sync", "python", str(ROOT / "tests/programs/running_stack.py"))


@contextmanager
def running(command: list[str], folder: Path, log: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run a server until the block ends, then close its input so that it stops."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment(), **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield process
        finally:
            if command[0] != "uv":
                process.terminate()
            process.communicate(timeout=STOP_SECONDS)


@contextmanager
def running_stack(project: Path, log: Path, package: str = "my_agent", **variables: str) -> Iterator[dict[str, Any]]:
    """Run the processes of a project that is installed, and yield their ports, process ids and tokens."""
    with running([*STACK, package], project, log, **variables) as processes:
        assert processes.stdout is not None
        line = processes.stdout.readline()
        assert line, log.read_text("utf-8")
        yield json.loads(line)
