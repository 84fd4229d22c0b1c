"""No text of the template or its repository has archaic words. CHANGELOGs and generated files are exempt."""

from __future__ import annotations

import pytest

from tests.programs import archaic_words
from tests.support.template import ROOT


def test_texts_are_in_plain_english() -> None:
    found = archaic_words.hits(archaic_words.texts(ROOT))
    assert [f"{name}:{line}: {word}" for name, line, word in found] == []


@pytest.mark.parametrize("line", ["The owner is told.", "def test_it_tells() -> None:", "Starts ANEW.", "taken up"])
def test_an_archaic_word_is_found(line: str) -> None:
    assert archaic_words.hits([("it.md", f"A turn.\n{line}\n")]) != []


@pytest.mark.parametrize(
    "line", ["Tell the model.", "a bearer token", "a stand-in", "It stands for a row.", "may take up to an hour"]
)
def test_a_modern_word_passes(line: str) -> None:
    assert archaic_words.hits([("it.md", line)]) == []
