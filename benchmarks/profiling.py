"""Where the time of a turn goes: py-spy samples the web process, and each sample counts for the part that it is in."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.parts import measured, plans_of_turns
from benchmarks.stack import PACKAGE, BenchmarkError, Process

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.stack import Stack

PROFILE = "profile"
RATE = 200  # samples per second
SESSIONS = 8  # of each connection
SECONDS = 120  # at most; the sampling ends with the load
OTHERS = "everything else"

# The part of a sample is that of its innermost frame whose file matches. The event loop and the standard library match
# nothing, so their time counts for the part that called them.
PARTS = {
    "Valkey events": rf"{PACKAGE}/chat/events\.py|{PACKAGE}/services/implementations/valkey\.py",
    "SQL": rf"/psycopg(_pool|_binary)?/|{PACKAGE}/services/implementations/postgres",
    "logging": rf"/structlog/|{PACKAGE}/observability/logging\.py|/logging/__init__\.py",
    "model wrapper": rf"{PACKAGE}/services/implementations/(model|language_model|offline_model)",
    "pydantic-ai": r"/pydantic_ai/|/genai_prices/",
    "middleware": rf"{PACKAGE}/(security|observability|problems|app\.py)",
    "the turn: service, supervisor, runner": rf"{PACKAGE}/",
    "Valkey": r"/redis/",
    "FastAPI": r"/fastapi/|/starlette/|/pydantic/",
    "uvicorn": r"/uvicorn/",
}
# A thread of a pool that waits for work, which py-spy takes for a busy one.
IDLE = re.compile(r"(^|;)_worker \([^;]*/concurrent/futures/thread\.py:\d+\)$")
FILE = re.compile(r"\(([^()]+?)(?::\d+)?\)$")


def part_of(stack: str) -> str:
    """Return the part of a sample: frames from the outermost inwards, separated by semicolons."""
    for frame in reversed(stack.split(";")):
        found = FILE.search(frame)
        for part, pattern in PARTS.items() if found else ():
            if found and re.search(pattern, found[1]):
                return part if part != "Valkey" else owner_of_valkey(stack)
    return OTHERS


def owner_of_valkey(stack: str) -> str:
    """Return the part that waits for Valkey: the rate limit of a request, or the events of a turn."""
    return "middleware" if "rate_limit" in stack else "Valkey events"


def shares(samples: Iterable[str]) -> dict[str, float]:
    """Return the percentage of samples by part, from py-spy's raw format: a stack and a count in each line."""
    counted: Counter[str] = Counter()
    for line in samples:
        stack, _, count = line.rpartition(" ")
        if not IDLE.search(stack):
            counted[part_of(stack)] += int(count)
    total = counted.total()
    if not total:
        raise BenchmarkError("py-spy took no samples of the web process.")
    return {part: round(100 * count / total, 1) for part, count in counted.most_common()}


def profile(stack: Stack) -> dict[str, float]:
    """Return the percentage of a turn's processor time by part."""
    with stack.agent() as agent:
        measured(agent, plans_of_turns(stack, "turn", agent, 1))
        return shares(sampled(stack, agent))


def sampled(stack: Stack, agent: Process) -> list[str]:
    """Return samples taken while CONNECTIONS send messages."""
    output = stack.folder / "samples"
    plans = plans_of_turns(stack, "turn", agent, SESSIONS)
    command = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(agent.pid), "--full-filenames"]
    command += ["--format", "raw", "--rate", str(RATE), "--duration", str(SECONDS), "--output", str(output)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as spy:
        try:
            measured(agent, plans)
        finally:
            spy.send_signal(2)  # writes the samples
            said = spy.communicate()[0].decode(errors="replace")
    if not output.exists():
        raise BenchmarkError(f"py-spy cannot look into another process: be root, or allow ptrace.\n{said}")
    return output.read_text("utf-8").splitlines()
