"""docs/benchmarks.md: written from a run alone, so that a test can compare it with docs/benchmarks.json."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import FIGURES, NOISE
from tests.support.template import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.figures import Figure, Run, Spread
    from benchmarks.stack import Stack

PAGE = ROOT / "docs" / "benchmarks.md"
JSON = PAGE.with_suffix(".json")

LIBRARIES = ("fastapi", "pydantic-ai-slim", "psycopg", "redis", "uvicorn", "uvloop")
VERSIONS = f"""
import platform
from importlib.metadata import version
print(f"Python {{platform.python_version()}}", *(f"{{name}} {{version(name)}}" for name in {LIBRARIES}), sep=", ")
"""
# Percent of the samples under 16 connections in release 2.2.0, by the same parts.
PROFILE_BEFORE = {
    "Valkey events": 38,
    "pydantic-ai": 18,
    "SQL": 14,
    "uvicorn": 6,
    "FastAPI": 6,
    "model wrapper": 5,
    "logging": 4,
}


def circumstances(stack: Stack) -> dict[str, str]:
    """Return when, where and of what a run was made."""
    revision = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "revision": revision.stdout.strip(),
        "machine": f"{os.cpu_count()} processors ({processor()}), {platform.system()} {platform.machine()}",
        "load": f"{os.getloadavg()[1]:.1f}",
        "versions": stack.run("-c", VERSIONS).strip(),
    }


def processor() -> str:
    """Return the name of the processor, or of its architecture where Linux does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def verdict(figure: Figure, found: Spread) -> str:
    """Return the goal and whether it is met."""
    if figure.goal is None:
        return ""
    met = found.median >= figure.goal if figure.more_is_better else found.median <= figure.goal
    return f"at {'least' if figure.more_is_better else 'most'} {figure.goal:g}: {'met' if met else 'missed'}"


def tables(run: Run) -> str:
    """Return the figures and the profile that a run has, as Markdown."""
    return "\n\n".join(table for table in (figure_table(run), profile_table(run.profile)) if table)


def figure_table(run: Run) -> str:
    """Return the figures beside those of 2.2.0 and the goals; nothing if there are none."""
    rows = ["| what | unit | 2.2.0 | now | goal |", "|---|---|---|---|---|"]
    for name, figure in FIGURES.items():
        if found := run.figures.get(name):
            rows.append(f"| {figure.title} | {figure.unit} | {figure.before} | {found} | {verdict(figure, found)} |")
    return "\n".join(rows) if run.figures else ""


def profile_table(shares: Mapping[str, float]) -> str:
    """Return the shares of a turn's processor time, the largest first; nothing if there are none."""
    rows = ["| part of a turn | 2.2.0 | now |", "|---|---|---|"]
    for part, share in sorted(shares.items(), key=lambda each: -each[1]):
        before = f"{PROFILE_BEFORE[part]} %" if part in PROFILE_BEFORE else ""
        rows.append(f"| {part} | {before} | {share:.0f} % |")
    return "\n".join(rows) if shares else ""


def page(run: Run) -> str:
    """Return a complete run as Markdown."""
    made = run.made
    return f"""\
# What the agent costs

<!-- Written by `make bench` from docs/benchmarks.json. -->

The default rendered agent against services that do the same work with nothing around it, by hand, with the same
libraries in the same versions ([benchmarks/floors/](../benchmarks/floors)). Medians of alternating cycles on one
machine, the least and the greatest in brackets; one process each, the same PostgreSQL and Valkey, 16 connections, and
no development dependencies, as in an image.

{made["date"]}, revision {made["revision"]}; {made["machine"]}, on which {made["load"]} processes ran at a time;
{made["versions"]}.

{figure_table(run)}

Ratios and memory compare between machines, times do not. The figures of 2.2.0 are from another machine: those of the
issue that asked for this page.

A full turn is `POST /chat/sessions/…/messages` in a session of up to four turns: authenticated, limited, stored with
its steps, published, measured and logged. The model is the offline one, which answers at once in about 25 pieces; the
floor with a direct stream uses it too, and that with `agent.run` one that gives the same answer in one piece, which is
less work. The tool checks that the answers are equal. No floor authenticates, limits, logs, or offers tools to the
model. The ratio of a turn and of `/health` is one of processor time. A waiting stream follows a queued turn that no
worker runs. Resident memory includes what processes share.

## Where the time goes

Percent of the processor time of full turns on 16 connections, sampled by py-spy. A sample counts for the part of its
innermost frame; the event loop and the standard library count for their callers.

{profile_table(run.profile) or "Not measured."}

## Again

`make bench` measures all in under five minutes on two idle processors. `python -m benchmarks turn health` measures
parts, `--project PATH` measures a rendered project, `--json FILE` keeps a run, and `--against FILE` compares with one:
it fails if a ratio or the memory is worse in every sample than in any of the earlier run, where each spread is at least
{NOISE:.0%} wide to both sides.
"""
