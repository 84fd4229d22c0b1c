"""The table of variants and stages says what was run, how long it took and what failed."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.support import summary, variants
from tests.support.invalid_answers import REFUSED


def report(
    nodeid: str, seconds: float, outcome: Literal["passed", "failed"] = "passed", **properties: float
) -> pytest.TestReport:
    """A test's report, as it comes from a worker of pytest-xdist."""
    own = [("stage", [name, value]) for name, value in properties.items()]
    return pytest.TestReport(nodeid, ("", 0, ""), {}, outcome, None, "call", duration=seconds, user_properties=own)


def test_stages_of_a_test_and_modules_of_others_are_columns() -> None:
    reports = [
        report("tests/build/test_agent.py::test_it[default]", 9, sync=1.0, suite=8.0),
        report("tests/build/test_agent.py::test_it[company]", 3, "failed", sync=3.0),
        report("tests/deploy/test_image.py::test_one[default]", 2),
        report("tests/deploy/test_image.py::test_two[default]", 0.5),
        report("tests/deploy/test_image.py::test_other[something]", 100),
        report("tests/deploy/test_image.py::test_without", 100),
    ]
    table = summary.stages(reports, ["default", "company", "minimal"])
    assert table["default"] == {"sync": (1.0, False), "suite": (8.0, False), "image": (2.5, False)}
    assert table["company"] == {"sync": (3.0, True)}
    assert table["minimal"] == {}
    head, default, company, minimal, total = summary.lines(table)
    assert head.split() == ["sync", "suite", "image", "total"]
    assert default.split() == ["default", "1.0", "8.0", "2.5", "11.5"]
    assert company.split() == ["company", "3.0!", "-", "-", "3.0"]
    assert minimal.split() == ["minimal", "-", "-", "-", "0.0"]
    assert total.split() == ["seconds", "4.0", "8.0", "2.5", "14.5"]


def test_what_the_variants_stand_for_is_counted() -> None:
    told = summary.coverage()
    every = variants.all_pairs(variants.options())
    assert told.startswith(f"{len(every)} pairs of choices of {len(variants.options())} options: ")
    assert f"all in {len(variants.rows())} variants" in told


def test_what_is_refused_is_listed() -> None:
    reports = [report(f"tests/{summary.REFUSING}{number}]", 0) for number in range(len(REFUSED))]
    assert summary.refusals(reports[1:]) == []
    head, *told = summary.refusals(reports)
    assert head == f"{len(REFUSED)} of {len(REFUSED)} answers were refused in one sentence:"
    assert {line.split(":")[0].strip() for line in told} == {question for question, _ in REFUSED}
    assert sum(len(line.strip().split("  ")) for line in told) == len(REFUSED)
    assert "  python_version: '3.10'" in told


@pytest.mark.xdist_group("one")
def test_a_group_reaches_who_spreads_the_tests(request: pytest.FixtureRequest) -> None:
    """As a part of the name, which is how pytest-xdist tells it; lost in silence where pytest does not play along."""
    assert request.node.nodeid.endswith("@one") == request.config.getoption("loadgroup", default=False)


def test_a_test_in_a_group_counts_for_its_variant() -> None:
    assert summary.stages([report("tests/deploy/test_image.py::test_it[default]@default", 2)], ["default"])["default"]
