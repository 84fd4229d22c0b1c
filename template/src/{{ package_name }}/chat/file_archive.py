"""Reads files from the database for an export and writes those of an import, one at a time: they may be large."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, ValidationError, ValidationInfo

from .conversation_archive import BadLine, Count, Name, Number, Record, Text, Time, reason_of
from .media_types import detect

if TYPE_CHECKING:
    from ..services.interfaces import Database
    from .conversation_archive import SessionRecord

FILE: Final = """
    SELECT %(kind)s AS kind, id, owner, name, media_type, size, session_id, turn, created_at,
           translate(encode(content, 'base64'), E'\\n', '') AS content
    FROM files WHERE id = %(id)s
"""
# Those of the owner that no finished turn has, since `files_of` reads the others.
PENDING: Final = """
    SELECT id FROM files WHERE owner = %(owner)s AND NOT EXISTS (
        SELECT FROM turns t WHERE t.session_id = files.session_id AND t.number = files.turn
        AND t.status IN ('succeeded', 'failed', 'cancelled')
    ) ORDER BY created_at, id
"""


def _of_its_type(content: str, info: ValidationInfo) -> str:
    try:
        decoded = base64.b64decode(content, validate=True)
    except binascii.Error:
        raise ValueError("is not Base64") from None
    if len(decoded) != info.data.get("size") or detect(decoded) != info.data.get("media_type"):
        raise ValueError("has another size or media type than the record says")
    return content


class FileRecord(Record):
    """One line of an export: a file with its content in Base64. A `pending_file` is not imported."""

    kind: Literal["file", "pending_file"]
    id: UUID
    owner: Name
    name: Text
    media_type: Text
    size: Count
    session_id: UUID | None
    turn: Number | None
    created_at: Time
    content: Annotated[str, AfterValidator(_of_its_type)]


def parse(line: bytes) -> FileRecord:
    """Read one line of an export. Raises `BadLine`."""
    try:
        return FileRecord.model_validate_json(line.strip(), strict=True)
    except ValidationError as error:
        raise BadLine(reason_of(error)) from None


async def files_of(database: Database, session: SessionRecord) -> AsyncIterator[FileRecord]:
    """Yield the files in the messages of an exported session."""
    ids = [part.file_id for turn in session.turns for part in turn.parts]
    async for file in _read(database, "file", ids):
        yield file


async def pending_files(database: Database, owner: str) -> AsyncIterator[FileRecord]:
    """Yield the owner's files that no finished turn has."""
    ids = await database.fetch_all(_Id, PENDING, {"owner": owner})
    async for file in _read(database, "pending_file", [each.id for each in ids]):
        yield file


async def _read(database: Database, kind: str, ids: Sequence[UUID]) -> AsyncIterator[FileRecord]:
    for file_id in ids:
        file = await database.fetch_one(FileRecord, FILE, {"kind": kind, "id": file_id})
        if file is not None:  # not deleted since
            yield file


class _Id(Record):
    id: UUID


async def write(database: Database, file: FileRecord) -> bool:
    """Store a file of an imported message; false when it is present already, or no message has it."""
    written = await database.execute(
        """
        INSERT INTO files (id, owner, name, media_type, size, digest, content, session_id, turn, created_at)
        SELECT %(id)s, t.owner, %(name)s, %(media_type)s, %(size)s, sha256(%(content)s), %(content)s,
               t.session_id, t.number, %(created_at)s
        FROM turns t
        WHERE t.session_id = %(session_id)s AND t.number = %(turn)s AND t.owner = %(owner)s
          AND t.parts @> jsonb_build_array(jsonb_build_object('file_id', %(id)s::text))
        ON CONFLICT (id) DO NOTHING
        """,
        {**file.model_dump(exclude={"content"}), "content": base64.b64decode(file.content)},
    )
    return written > 0
