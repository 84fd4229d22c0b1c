"""Files: rows of the database, and requests and responses of the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, dataclasses

from ..services.messages import File

FileId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


@dataclasses.dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a message, as it is stored with the turn and returned by the API. Its content is stored once."""

    type: Literal["file"]
    file_id: FileId
    name: str
    media_type: Annotated[str, Field(description="Read from the content, never from what the client declared.")]
    size: Annotated[int, Field(description="In bytes.")]

    @property
    def file(self) -> File:
        return File(self.file_id, self.name, self.media_type, self.size)


def files_of(parts: Sequence[FilePart]) -> tuple[File, ...]:
    """The files of a message, for the model, without their contents."""
    return tuple(part.file for part in parts)


class FilePartIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["file"]
    file_id: UUID = Field(description="The id that `POST /chat/files` returned. A file belongs to one message.")


class StoredFile(BaseModel):
    """An uploaded file, without its content."""

    file_id: UUID
    name: str
    media_type: str = Field(description="Read from the content, never from what the client declared.")
    size: int = Field(description="In bytes.")
    session_id: UUID | None = Field(description="The session of the message that has the file; null until it is sent.")
    turn: int | None = Field(description="The number of that message's turn.")
    created_at: datetime


@dataclasses.dataclass(frozen=True, slots=True)
class FileContent:
    """A file with its content, for a download."""

    name: str
    media_type: str
    content: bytes
