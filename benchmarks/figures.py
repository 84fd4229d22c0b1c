"""The figures of a run: their meaning, their JSON, and the comparison with an earlier run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NOISE = 0.03  # of a figure, at least, where its few samples happen to be closer together


class UnreadableRunError(Exception):
    """A file is not a run; the message is one sentence for the reader."""


@dataclass(frozen=True)
class Figure:
    """A figure, where `goal` is a minimum if more is better, else a maximum."""

    part: str
    title: str
    unit: str
    goal: float | None = None
    more_is_better: bool = False
    compared: bool = False  # with earlier runs, which may come from another machine
    before: str = ""  # in release 2.2.0


# The figures of release 2.2.0 are those of the issue that asked for these measurements, from another machine.
FIGURES = {
    "turn": Figure("turn", "a full turn, times as fast as `agent.run`", "times", 1.0, True, True, "0.47 (0.46-0.54)"),
    "turn_ms": Figure("turn", "processor time of a full turn", "ms", before="15.5-18.8"),
    "agent_run_ms": Figure("turn", "floor: SELECT, two INSERTs, `agent.run`", "ms", before="8.8"),
    "direct_stream_ms": Figure("turn", "floor: SELECT, two INSERTs, direct stream", "ms", before="3.8"),
    "sql_ms": Figure("turn", "floor: SELECT, two INSERTs", "ms"),
    "turn_rate": Figure("turn", "full turns per second", "/s", before="52"),
    "agent_run_rate": Figure("turn", "the `agent.run` floor's turns per second", "/s", before="111"),
    "health": Figure("health", "`/health`, times as fast as bare FastAPI", "times", 0.85, True, True, "0.36-0.60"),
    "health_ms": Figure("health", "processor time of `/health`", "ms"),
    "bare_ms": Figure("health", "floor: bare `/health`", "ms"),
    "ready_mib": Figure("memory", "resident memory when ready", "MiB", None, False, True, "92"),
    "loaded_mib": Figure("memory", "resident memory after 10,000 turns", "MiB", 110, False, True, "122"),
    "loaded_uss_mib": Figure("memory", "of it, shared with no other process", "MiB"),
    "growth_mib": Figure("memory", "growth of that over the second half of the turns", "MiB", 1.0),
    "stream_kib": Figure("streams", "memory of a waiting stream, of 500", "KiB", 60, False, True, "85"),
    "token_ms": Figure("streams", "time to the first token, no other stream open", "ms"),
    "token_500_ms": Figure("streams", "time to the first token, 500 other streams open", "ms", 20, before="51"),
    "start": Figure("start", "start to ready, in times bare FastAPI", "times", 2.0, False, True, "2.3"),
    "start_cpu": Figure("start", "the same in processor time", "times", None, False, True),
    "start_s": Figure("start", "start to ready", "s"),
    "help_s": Figure("commands", "`my-agent --help`", "s", 0.25, before="0.41"),
    "check_s": Figure("commands", "`my-agent config check`", "s", 0.4, before="0.9"),
}


@dataclass(frozen=True)
class Spread:
    """The median of some samples, and the least and the greatest."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        return cls(min(samples), median(samples), max(samples))

    def widened(self) -> Spread:
        """Return the spread with at least NOISE around the median."""
        margin = NOISE * self.median
        return Spread(min(self.low, self.median - margin), self.median, max(self.high, self.median + margin))

    def __str__(self) -> str:
        shown = [f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in (self.median, self.low, self.high)]
        return shown[0] if shown[1] == shown[2] else f"{shown[0]} ({shown[1]}-{shown[2]})"


@dataclass(frozen=True)
class Run:
    """The figures of a run, the profile of a turn in percent by part, and where and of what it was made."""

    made: Mapping[str, str]
    figures: Mapping[str, Spread]
    profile: Mapping[str, float]

    def to_json(self) -> str:
        figures = {name: [round(each, 4) for each in (s.low, s.median, s.high)] for name, s in self.figures.items()}
        found = {"made": dict(self.made), "figures": figures, "profile": dict(self.profile)}
        return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def read(path: Path) -> Run:
    """Return the run in a file. Raises `UnreadableRunError`."""
    try:
        found: Any = json.loads(path.read_text("utf-8"))
        figures = {name: Spread(*map(float, samples)) for name, samples in found["figures"].items()}
        return Run(found["made"], figures, found["profile"])
    except OSError as error:
        raise UnreadableRunError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnreadableRunError(f"{path} is not a run that `python -m benchmarks` wrote.") from None


def worse(now: Run, then: Run) -> list[str]:
    """Return a sentence for each compared figure that is worse in every sample than it was in any."""
    found = []
    for name, figure in FIGURES.items():
        if not figure.compared or name not in now.figures or name not in then.figures:
            continue
        new, old = now.figures[name].widened(), then.figures[name].widened()
        if new.high < old.low if figure.more_is_better else new.low > old.high:
            found.append(f"{figure.title}: {now.figures[name]} {figure.unit}, was {then.figures[name]} {figure.unit}")
    return found
