"""docs/speed.md is what `make bench` writes: no hand changed a figure, and its sentences follow the figures."""

from __future__ import annotations

import pytest

from tests.programs import bench

EXAMPLE = {"files": 334, "five": 0.2, "plain": 1.0, "default": 1.2, "cached": 0.8, "command": 1.5}


def test_the_page_is_written_from_its_figures() -> None:
    text = bench.PAGE.read_text("utf-8")
    assert text == bench.page(*bench.figures(text)), "its form is stale: run `make bench`"


def test_figures_are_read_as_they_were_written() -> None:
    assert bench.figures(bench.page(EXAMPLE, "Copier 9")) == (EXAMPLE, "Copier 9")
    with pytest.raises(ValueError, match=r"speed\.md is not what `make bench` writes"):
        bench.figures("Fast.")


def test_the_page_says_what_does_not_hold() -> None:
    text = bench.page(EXAMPLE, "Copier 9")
    assert "at most 2.5 times what five files take, and that does not hold." in text
    assert "at most 1.2 seconds, and that does not hold." in text
    text = bench.page(EXAMPLE | {"default": 0.5, "command": 1.2}, "Copier 9")
    assert "does not hold" not in text
