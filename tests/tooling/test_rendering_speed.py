"""docs/speed.md is what `make rendering` writes: nobody edited a figure, and its sentences follow from the figures."""

from __future__ import annotations

import pytest

from benchmarks import rendering

EXAMPLE = {"files": 334, "five": 0.2, "plain": 1.0, "default": 1.2, "cached": 0.8, "command": 1.5}


def test_the_page_follows_from_its_figures() -> None:
    text = rendering.PAGE.read_text("utf-8")
    assert text == rendering.page(*rendering.figures(text)), "its form is stale: run `make rendering`"


def test_figures_survive_a_round_trip() -> None:
    assert rendering.figures(rendering.page(EXAMPLE, "Copier 9")) == (EXAMPLE, "Copier 9")
    with pytest.raises(ValueError, match=r"speed\.md is not what `make rendering` writes"):
        rendering.figures("Fast.")


def test_the_page_states_which_goals_are_missed() -> None:
    text = rendering.page(EXAMPLE, "Copier 9")
    assert "at most 2.5 times as long as five files, and does not." in text
    assert "at most 1.2 seconds, and does not." in text
    text = rendering.page(EXAMPLE | {"default": 0.5, "command": 1.2}, "Copier 9")
    assert "does not." not in text
