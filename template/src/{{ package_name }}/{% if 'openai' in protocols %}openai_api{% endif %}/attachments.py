"""Files in the messages of a request. They come as data URLs: the service fetches no address that a client names."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, Final

from .errors import invalid, unsupported

DATA_URL: Final = re.compile(r"data:([^,;]*)(?:;[^,;]*)*;base64,", re.IGNORECASE)
NOT_IN_NAMES: Final = re.compile(r"[\x00-\x1f\x7f/\\]")
# The types of parts, each with the member that holds the file in a chat completion, and the members of its data.
IMAGES: Final = {"input_image": None, "image_url": "image_url"}
FILES: Final = {"input_file": None, "file": "file"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in the message at the index `message`. `declared` is the media type that the client says."""

    message: int
    name: str
    declared: str
    content: bytes


def read_attachment(part: dict[str, Any], at: str, message: int) -> Attachment | None:
    """The file in a part of a message; `None` for a part of another type. Raises `Problem`."""
    type_ = part.get("type")
    if type_ in IMAGES:
        inner = part.get("image_url")
        url = inner.get("url") if type_ == "image_url" and isinstance(inner, dict) else inner
        declared, content = _decoded(url, f"{at}.image_url")
        extension = re.sub(r"\W.*", "", declared.rpartition("/")[2]) or "image"
        return Attachment(message, f"image.{extension}"[:100], declared, content)
    if type_ in FILES:
        inner = part.get("file") if type_ == "file" else part
        given = inner if isinstance(inner, dict) else {}
        for member in ("file_id", "file_url"):
            if given.get(member):
                raise unsupported(f"{at}.{member}")
        declared, content = _decoded(given.get("file_data"), f"{at}.file_data")
        name = given.get("filename")
        clean = NOT_IN_NAMES.sub("_", name).strip()[:200] if isinstance(name, str) else ""
        return Attachment(message, clean or "file", declared, content)
    return None


def _decoded(url: Any, at: str) -> tuple[str, bytes]:
    found = DATA_URL.match(url) if isinstance(url, str) else None
    if found is None:
        raise invalid(at, "It must be a data URL in Base64: the service fetches no other address.")
    try:
        return found[1], base64.b64decode(url[found.end() :], validate=True)
    except binascii.Error:
        raise invalid(at, "The data URL is not valid Base64.") from None
