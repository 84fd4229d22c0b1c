"""Sanitizes the output of models and tools, so that it can be stored and sent.

JSON may contain NUL, which PostgreSQL does not store; half of a surrogate pair, which has no encoding; and 1e999, which
Python reads as infinity and JSON cannot represent.
"""

from __future__ import annotations

import math
import re
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")


def sanitize(value: Any) -> Any:
    """Remove NUL characters from a text or JSON value, and replace each unpaired surrogate by U+FFFD.

    A number that is not finite becomes its name, such as `inf`, which tools can parse as a float.
    """
    if isinstance(value, str):
        return sanitize_text(value)
    if isinstance(value, dict):
        return {sanitize(key): sanitize(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return [sanitize(item) for item in value] if isinstance(value, list) else value


def sanitize_text(text: str) -> str:
    text = text.replace("\0", "")
    if _HALF.search(text):  # a pair of surrogates becomes one character
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class StreamSanitizer:
    """Sanitizes a streamed text. A surrogate at the end of a piece waits for its other half in the next."""

    def __init__(self) -> None:
        self._half = ""

    def add(self, piece: str) -> str:
        """Return the text that is ready."""
        text = self._half + piece
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return sanitize_text(text.removesuffix(self._half))

    def end(self) -> str:
        """Return the rest at the end of the stream."""
        half, self._half = self._half, ""
        return sanitize_text(half)
