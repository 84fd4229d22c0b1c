"""The text of models and tools: sanitized, so that it can be stored and sent, and without reasoning between tags."""

from __future__ import annotations

import math
import re
from codecs import getincrementaldecoder
from typing import Any

_NAMES = ("think", "thinking", "thought", "reasoning")
_TAG = re.compile(rf"<(/?)(?:{'|'.join(_NAMES)})>|\[(/?)THINK\]", re.IGNORECASE)
_TAGS = [f"<{slash}{name}>" for slash in ("", "/") for name in _NAMES] + ["[think]", "[/think]"]
# Models whose chat template contains the opening tag, so that their text begins inside the reasoning.
_NO_OPENING_TAG = re.compile(r"(?:^|[^a-z0-9])(?:r1|qwq|thinking|reasoner)(?:[^a-z0-9]|$)", re.IGNORECASE)


def sanitize(value: Any) -> Any:
    """Remove NUL characters, which PostgreSQL cannot store, from a text or JSON value.

    Each unpaired surrogate, which has no encoding, becomes U+FFFD. A number that is not finite, which JSON cannot
    represent but Python reads from 1e999, becomes its name, such as `inf`, which tools can parse as a float.
    """
    if isinstance(value, str):
        return value if _is_plain(value) else _utf_16(value).decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {sanitize(key): sanitize(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return [sanitize(item) for item in value] if isinstance(value, list) else value


def _is_plain(text: str) -> bool:
    """Whether there is nothing to sanitize, by a check that costs less than to do so."""
    return text.isascii() and "\0" not in text


def _utf_16(text: str) -> bytes:
    return text.replace("\0", "").encode("utf-16-le", "surrogatepass")


def starts_in_reasoning(model: str) -> bool:
    """Whether a model's name suggests that its text begins inside the reasoning."""
    return bool(_NO_OPENING_TAG.search(model))


class Discarded:
    """The text so far was reasoning; the answer follows."""


class Answer:
    """The text of one response, sanitized and without the reasoning between tags, however the pieces split it.

    With `withhold` it returns nothing before a closing tag. Without `tags` it returns all text.
    """

    def __init__(self, *, tags: bool = True, withhold: bool = False) -> None:
        self._tags = tags
        self._withheld: list[str] | None = [] if withhold else None
        self._decoder = getincrementaldecoder("utf-16-le")("replace")  # joins the halves of surrogate pairs
        self._pending = ""  # possibly the beginning of a tag
        self._inside = False
        self._trims = False  # strips the space between a closing tag and the answer
        self._returned: list[str] = []
        self.lacks_opening_tag = False

    @property
    def text(self) -> str:
        return "".join(self._returned)

    def stop_withholding(self) -> None:
        """Withhold no text, because the provider sends the reasoning separately."""
        self._withheld = self._withheld or None

    def add(self, text: str, *, last: bool = False) -> list[str | Discarded]:
        """Return the text that is no reasoning; with the `last` piece, also withheld text, if no tag followed."""
        found: list[str | Discarded] = []
        answer = ""
        joined = _is_plain(text) and not self._decoder.getstate()[0]  # not after the first half of a pair
        self._pending += text if joined else self._decoder.decode(_utf_16(text), last)
        while self._tags and (tag := _TAG.search(self._pending)):
            before, self._pending = self._pending[: tag.start()], self._pending[tag.end() :]
            answer += self._visible(before)
            closes = any(tag.groups())
            if not closes:
                answer += self._release()
            elif not self._inside:
                if self._returned:
                    found.append(Discarded())
                answer, self._withheld, self._returned, self.lacks_opening_tag = "", None, [], True
            self._inside, self._trims = not closes, closes
        waiting = 0 if last or not self._tags else _length_of_beginning(self._pending)
        end = len(self._pending) - waiting
        ready, self._pending = self._pending[:end], self._pending[end:]
        answer += self._visible(ready)
        if last:
            answer += self._release()
        if answer:
            self._returned.append(answer)
            found.append(answer)
        return found

    def _release(self) -> str:
        withheld, self._withheld = self._withheld or [], None
        return self._visible("".join(withheld))

    def _visible(self, text: str) -> str:
        if self._inside:
            return ""
        if self._withheld is not None:
            self._withheld.append(text)
            return ""
        if self._trims:
            text = text.lstrip()
            self._trims = not text
        return text


def _length_of_beginning(text: str) -> int:
    """How many characters at the end of the text may begin a tag."""
    start = max(text.rfind("<"), text.rfind("["))
    rest = text[start:].lower() if start >= 0 else ""
    return len(rest) if rest and any(tag.startswith(rest) for tag in _TAGS) else 0


def answer_in(text: str) -> str:
    """The whole text of a response without its reasoning."""
    answer = Answer()
    answer.add(text, last=True)
    return answer.text
