"""The table of `rules`, whose columns line up on a terminal in any language."""

from __future__ import annotations

import re
from unicodedata import east_asian_width

import pytest

from agent_devtools.rules.check import Checked, Rule
from agent_devtools.rules.report import table
from agent_devtools.rules.run import Result


def columns(line: str) -> int:
    return sum(2 if east_asian_width(letter) in "FW" else 1 for letter in line)


@pytest.mark.parametrize("colours", ["0", "1"])
def test_the_columns_of_the_table_line_up(monkeypatch: pytest.MonkeyPatch, colours: str) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", colours)
    titles = ("Short", "A title that is longer than the others", "单一代码库", "构建、发布、运行, and English")
    rules = [Rule(f"{number}.1", title, "mandatory", "", "", (), "", "", ()) for number, title in enumerate(titles, 9)]
    results = [Result(rule, [Checked("it", running=False)] * 12, 0.5) for rule in rules]
    report = table(results)
    assert ("\x1b[" in report) == (colours == "1"), "only a terminal gets colours, or who forces them"
    rows = re.sub(r"\x1b\[[0-9;]*m", "", report).split("\n\n")[0].splitlines()
    assert len(rows) == 1 + len(titles)
    assert len({columns(row) for row in rows}) == 1
    assert all(row.endswith("  0.5 s") for row in rows[1:])
