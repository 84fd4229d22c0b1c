"""Print a table of variants and stages, with times, at the end of a test run that builds variants.

Tests of a variant name their stages with `record_property("stage", [name, seconds])`. For other tests that are
parametrized by variant, the stage is the name of their module: test_image.py counts as `image`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from math import prod
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import variants
from tests.support.invalid_answers import INVALID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.terminal import TerminalReporter

INVALID_TEST = "test_answers.py::test_bad_answers_are_rejected_in_one_sentence["
SHOWN = 24  # characters of an answer
OUTCOMES = ("passed", "failed", "skipped", "error")
PARAMETERS = re.compile(r"test_(\w+)\.py::\w+\[(.+)\](?:@[\w-]+)?$")  # pytest-xdist appends the group
Table = dict[str, dict[str, tuple[float, bool]]]


def stages(reports: Iterable[pytest.TestReport], names: Iterable[str]) -> Table:
    """Return the stages of each variant, with their total seconds and whether one failed."""
    known = set(names)
    table: Table = {name: {} for name in names}

    def add(variant: str, stage: str, seconds: float, failed: bool) -> None:
        before, already = table[variant].get(stage, (0.0, False))
        table[variant][stage] = (before + seconds, already or failed)

    for report in reports:
        named = PARAMETERS.search(report.nodeid)
        if not named or named[2] not in known:
            continue
        variant = named[2]
        own: list[Any] = [value for key, value in report.user_properties if key == "stage"]
        for stage, seconds in own if report.when == "call" else []:
            add(variant, stage, seconds, failed=False)
        if own and report.failed:
            add(variant, own[-1][0], 0, failed=True)
        elif not own:
            add(variant, named[1], report.duration, report.failed)
    return table


def lines(table: Table) -> list[str]:
    """Return the table as text, with an exclamation mark for a failed stage and a dash for one that did not run."""
    columns = list(dict.fromkeys(stage for found in table.values() for stage in found))
    width = max(map(len, table), default=0)
    totals: dict[str, float] = defaultdict(float)
    rows = ["  ".join([" " * width, *(f"{column:>9}" for column in [*columns, "total"])])]
    for variant, found in table.items():
        cells = []
        for column in columns:
            seconds, failed = found.get(column, (None, False))
            totals[column] += seconds or 0
            cells.append(f"{'-' if seconds is None else f'{seconds:.1f}' + '!' * failed:>9}")
        total = sum(seconds for seconds, _ in found.values())
        rows.append("  ".join([f"{variant:<{width}}", *cells, f"{total:>9.1f}"]))
    sums = [*(totals[column] for column in columns), sum(totals.values())]
    return [*rows, "  ".join([f"{'seconds':<{width}}", *(f"{value:>9.1f}" for value in sums)])]


def coverage() -> str:
    """Return a sentence on the covered part of the option space."""
    space, rows = variants.options(), variants.pairwise()
    archetypes = [variants.row_of(answers) for answers in variants.ARCHETYPES.values()]
    every, known = variants.all_pairs(space), set[variants.Pair]().union(*map(variants.pairs, archetypes))
    return (
        f"{len(every)} pairs of choices of {len(space)} options: {len(known)} in {len(archetypes)} archetypes, "
        f"all in {len(rows)} variants; {prod(map(len, space.values()))} combinations are supported"
    )


def rejections(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return the invalid answers that this run tried, by question, shortened."""
    tried = [report for report in reports if report.when == "call" and INVALID_TEST in report.nodeid]
    if len(tried) < len(INVALID):
        return []
    values: dict[str, list[str]] = defaultdict(list)
    for question, value in INVALID:
        text = ascii(value)
        values[question].append(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")
    return [
        f"{sum(report.passed for report in tried)} of {len(INVALID)} answers were rejected in one sentence:",
        *(f"  {question}: {'  '.join(found)}" for question, found in values.items()),
    ]


def write(reporter: TerminalReporter) -> None:
    """Write the table if this run built a variant."""
    reports = [report for outcome in OUTCOMES for report in reporter.stats.get(outcome, []) if hasattr(report, "when")]
    table = {variant: found for variant, found in stages(reports, variants.rows()).items() if found}
    if any("suite" in found for found in table.values()):
        reporter.section("variants and stages, in seconds")
        for line in [*lines(table), coverage(), *rejections(reports)]:
            reporter.write_line(line)
