"""Measure the default rendered agent: `make bench` writes docs/benchmarks.md and docs/benchmarks.json.

    python -m benchmarks [PART ...] [--project PATH] [--write] [--json FILE] [--against FILE]

Without a part, it measures all. Without a project, it renders the default one into a temporary folder.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from benchmarks import page
from benchmarks.figures import Run, Spread, UnreadableRunError, read, worse
from benchmarks.parts import PARTS, Samples
from benchmarks.profiling import PROFILE, profile
from benchmarks.stack import BenchmarkError, running
from tests.programs.running_stack import exit_once

CHOICES = (*PARTS, PROFILE)


def measure(parts: list[str], project: Path | None, failed: list[str]) -> Run:
    """Measure some parts. A part that fails loses its own figures only, and is added to `failed`."""
    found: Samples = {}
    shares: dict[str, float] = {}
    with running(project) as stack:
        for part in parts:
            began = time.monotonic()
            try:
                if part == PROFILE:
                    shares = profile(stack)
                else:
                    found |= PARTS[part](stack)
            except BenchmarkError as error:
                failed.append(part)
                print(f"{part} failed: {error}", file=sys.stderr, flush=True)
            print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        made = page.circumstances(stack)
    return Run(made, {name: Spread.of(samples) for name, samples in found.items()}, shares)


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"measure only these: {', '.join(CHOICES)}")
    parser.add_argument("--project", type=Path, help="measure this rendered and installed default project")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and docs/benchmarks.json")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the run to a file, for a later --against")
    parser.add_argument("--against", type=Path, metavar="FILE", help="fail if worse than this run, beyond the noise")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.parts) - set(CHOICES):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; the parts are {', '.join(CHOICES)}")
    if chosen.write and chosen.parts:
        parser.error("--write needs all parts, measured in one run")
    return chosen


def main(arguments: list[str]) -> int:
    """Measure, print, write and compare; return 1 if a figure is worse, 2 if a part could not be measured."""
    chosen = parsed(arguments)
    failed: list[str] = []
    signal.signal(signal.SIGTERM, exit_once)
    try:
        then = read(chosen.against) if chosen.against else None  # before minutes of measuring
        now = measure(chosen.parts or list(CHOICES), chosen.project and chosen.project.resolve(), failed)
    except (BenchmarkError, UnreadableRunError) as error:
        print(error, file=sys.stderr)
        return 2
    print(page.tables(now))
    if chosen.json:
        chosen.json.write_text(now.to_json(), "utf-8")
    if chosen.write:
        page.JSON.write_text(now.to_json(), "utf-8")
        page.PAGE.write_text(page.page(read(page.JSON)), "utf-8")  # rounded once: as the file has it
    regressions = worse(now, then) if then else []
    for sentence in regressions:
        print(f"worse: {sentence}", file=sys.stderr)
    return 2 if failed else int(bool(regressions))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
