"""The table of variants and stages shows what ran, how long it took and what failed."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.support import summary, variants
from tests.support.invalid_answers import INVALID


def report(
    nodeid: str, seconds: float, outcome: Literal["passed", "failed"] = "passed", **properties: float
) -> pytest.TestReport:
    """Return a test's report, as a worker of pytest-xdist sends it."""
    own = [("stage", [name, value]) for name, value in properties.items()]
    return pytest.TestReport(nodeid, ("", 0, ""), {}, outcome, None, "call", duration=seconds, user_properties=own)


def test_columns_are_stages_and_modules() -> None:
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


def test_the_covered_pairs_are_counted() -> None:
    sentence = summary.coverage()
    every = variants.all_pairs(variants.options())
    assert sentence.startswith(f"{len(every)} pairs of choices of {len(variants.options())} options: ")
    assert f"all in {len(variants.rows())} variants" in sentence


def test_invalid_answers_are_listed() -> None:
    reports = [report(f"tests/{summary.INVALID_TEST}{number}]", 0) for number in range(len(INVALID))]
    assert summary.rejections(reports[1:]) == []
    head, *questions = summary.rejections(reports)
    assert head == f"{len(INVALID)} of {len(INVALID)} answers were rejected in one sentence:"
    assert {line.split(":")[0].strip() for line in questions} == {question for question, _ in INVALID}
    assert sum(len(line.strip().split("  ")) for line in questions) == len(INVALID)
    assert "  python_version: '3.10'" in questions


@pytest.mark.xdist_group("one")
def test_a_group_reaches_the_scheduler(request: pytest.FixtureRequest) -> None:
    """pytest-xdist sends it as part of the name; an incompatible pytest would drop it silently."""
    assert request.node.nodeid.endswith("@one") == request.config.getoption("loadgroup", default=False)


def test_a_test_in_a_group_counts_for_its_variant() -> None:
    assert summary.stages([report("tests/deploy/test_image.py::test_it[default]@default", 2)], ["default"])["default"]
