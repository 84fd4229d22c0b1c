"""What models and tools write, made fit to be stored and sent.

PostgreSQL stores no NUL, and nothing encodes one half of a surrogate pair; JSON can hold either. It can hold 1e999
as well, which Python reads as infinity, and for infinity JSON has no word.
"""

from __future__ import annotations

import math
import re
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")


def sanitize(value: Any) -> Any:
    """The text, or JSON value, without NUL characters, and with U+FFFD for each surrogate that has lost its half.

    A number that is none becomes its name, such as `inf`, by which a tool that takes floats may know it.
    """
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {sanitize(key): sanitize(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return [sanitize(item) for item in value] if isinstance(value, list) else value


def storable_text(text: str) -> str:
    text = text.replace("\0", "")
    if _HALF.search(text):  # two halves that belong together become the one character
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class StorablePieces:
    """A text that comes in pieces: a surrogate at the end of one waits for its other half, in the next."""

    def __init__(self) -> None:
        self._half = ""

    def add(self, piece: str) -> str:
        """What can be told by now."""
        text = self._half + piece
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return storable_text(text.removesuffix(self._half))

    def end(self) -> str:
        """What is left, when no more pieces come."""
        half, self._half = self._half, ""
        return storable_text(half)
