"""Separates answers from reasoning that a model writes into the same text, between tags such as <think>."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic_ai.messages import TextPart

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse, ModelResponsePart

_NAMES = ("think", "thinking", "thought", "reasoning")
_TAG = re.compile(rf"<(/?)(?:{'|'.join(_NAMES)})>|\[(/?)THINK\]", re.IGNORECASE)
_TAGS = [f"<{slash}{name}>" for slash in ("", "/") for name in _NAMES] + ["[think]", "[/think]"]
# Models whose chat template contains the opening tag, so that their text begins inside the reasoning.
_NO_OPENING_TAG = re.compile(r"(?:^|[^a-z0-9])(?:r1|qwq|thinking|reasoner)(?:[^a-z0-9]|$)", re.IGNORECASE)


def starts_in_reasoning(model: str) -> bool:
    """Whether a model's name suggests that its text begins inside the reasoning."""
    return bool(_NO_OPENING_TAG.search(model))


class ReasoningFilter:
    """Filters the text of one response, piece by piece, down to the answer, however its tags are split.

    With `withhold` it returns nothing before a closing tag. Without `tags` it returns all text unchanged.
    """

    def __init__(self, *, tags: bool = True, withhold: bool = False) -> None:
        self._tags = tags
        self._withheld = withhold
        self._kept: list[str] = []  # while `_withheld`
        self._pending = ""  # possibly the beginning of a tag
        self._inside = False
        self._trims = False  # strips the space between a closing tag and the answer
        self._answered = False
        self.lacks_opening_tag = False

    def stop_withholding(self) -> None:
        """Withhold no text, because the provider sends the reasoning separately."""
        if self._withheld and not self._kept:
            self._withheld = False

    def add(self, text: str) -> tuple[bool, str]:
        """Whether all text returned so far was reasoning, and the new text."""
        if not self._tags:
            return False, text
        self._pending += text
        discards, returned = False, ""
        while tag := _TAG.search(self._pending):
            before, self._pending = self._pending[: tag.start()], self._pending[tag.end() :]
            returned += self._visible(before)
            if not any(tag.groups()):
                returned += self._release()
                self._inside = True
                continue
            if not self._inside:
                self.lacks_opening_tag = True
                discards, returned = discards or self._answered, ""
                self._kept, self._withheld, self._answered = [], False, False
            self._inside, self._trims = False, True
        end = len(self._pending) - _length_of_beginning(self._pending)
        ready, self._pending = self._pending[:end], self._pending[end:]
        return discards, returned + self._visible(ready)

    def end(self) -> str:
        """Return the rest at the end of the text, including withheld text if no tag followed."""
        rest, self._pending = self._pending, ""
        return self._release() + self._visible(rest)

    def _release(self) -> str:
        self._withheld, kept, self._kept = False, "".join(self._kept), []
        return self._visible(kept)

    def _visible(self, text: str) -> str:
        if self._inside:
            return ""
        if self._withheld:
            self._kept.append(text)
            return ""
        if self._trims:
            text = text.lstrip()
            self._trims = not text
        self._answered = self._answered or bool(text)
        return text


def _length_of_beginning(text: str) -> int:
    """How many characters at the end of the text may begin a tag."""
    start = max(text.rfind("<"), text.rfind("["))
    rest = text[start:].lower() if start >= 0 else ""
    return len(rest) if rest and any(tag.startswith(rest) for tag in _TAGS) else 0


def without_reasoning(response: ModelResponse) -> ModelResponse:
    """The response without reasoning in its texts, to be stored and sent back."""
    return replace(response, parts=[_answer_of(part) for part in response.parts])


def _answer_of(part: ModelResponsePart) -> ModelResponsePart:
    if not isinstance(part, TextPart):
        return part
    answer = ReasoningFilter()
    _, text = answer.add(part.content)
    return replace(part, content=text + answer.end())
