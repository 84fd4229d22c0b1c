"""The media type of a file by its content (rule 13.1). The type that a client declares is never believed.

The patterns are those of the WHATWG's MIME Sniffing Standard, section 6. HTML, SVG, source code and other text is
`text/plain`, so that no browser ever renders it.
"""

from __future__ import annotations

import re
from typing import Final

TEXT: Final = "text/plain"

_PATTERNS: Final = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBPVP", re.DOTALL),
    "application/pdf": re.compile(rb"%PDF-"),
}
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")  # no byte of other characters in UTF-8
_ANY: Final = {"", "application/octet-stream", "application/x-www-form-urlencoded"}  # the last is curl's default


def detect(content: bytes) -> str | None:
    """The media type of a file that is an image, a PDF, or text in UTF-8; `None` for any other."""
    for media_type, pattern in _PATTERNS.items():
        if pattern.match(content):
            return media_type
    if _CONTROL.search(content):
        return None
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return TEXT


def contradicts(declared: str, detected: str) -> bool:
    """Whether a client declares another media type than the content has. Every type of text is text."""
    essence = declared.partition(";")[0].strip().lower()
    return essence not in {*_ANY, detected} and not (detected == TEXT and essence.startswith("text/"))
