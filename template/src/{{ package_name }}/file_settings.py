"""Settings of the files in messages (rule 13.1)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from .setting_types import listed

# The media types that are recognized by content: see chat/media_types.py.
KNOWN_MEDIA_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "text/plain")


def _known(text: str) -> str:
    for part in listed(text):
        if part not in KNOWN_MEDIA_TYPES:
            raise ValueError(f"{part!r} is not one of {', '.join(KNOWN_MEDIA_TYPES)}")
    return text


class FileSettings(BaseSettings):
    FILE_MAX_BYTES: int = Field(
        10_485_760, ge=0, le=104_857_600, description="Maximum size of an uploaded file; 0 accepts none."
    )
    FILE_MEDIA_TYPES: Annotated[str, AfterValidator(_known)] = Field(
        ",".join(KNOWN_MEDIA_TYPES),
        description="Media types of files, separated by commas, that are accepted. A file's type is read from its "
        "content. Leave out what the model does not read.",
    )
    MESSAGE_MAX_FILES: int = Field(10, ge=1, description="Maximum number of files in a message.")
    MESSAGE_MAX_FILE_BYTES: int = Field(
        20_971_520,
        ge=0,
        description="Maximum total size of the files in a message. Files of earlier messages are sent to the model "
        "again while they fit in, too, the latest first.",
    )
    OWNER_MAX_FILE_BYTES: int = Field(
        1_073_741_824, ge=0, description="Maximum total size of the files that are stored for a user."
    )
