"""Reads and writes files. Each method is one statement, and so one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from .errors import FileNotFound, IdempotencyKeyReused
from .file_models import FileContent, FilePart, StoredFile
from .turn_store import IDEMPOTENCY_KEY_HOURS

if TYPE_CHECKING:
    from ..services.interfaces import Executor
    from .models import Turn

FILE: Final = "id AS file_id, name, media_type, size, session_id, turn, created_at"


@dataclass(frozen=True, slots=True)
class _Content:
    id: UUID
    content: bytes


class FileStore:
    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def lock(self, owner: str) -> None:
        """Let one transaction at a time add files of the owner, so that their total stays exact."""
        await self._executor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('files of ' || %(owner)s, 0))", {"owner": owner}
        )

    async def find_by_idempotency_key(self, owner: str, key: str, name: str, digest: bytes) -> StoredFile | None:
        """The file that was uploaded under the key. Raises `IdempotencyKeyReused` when it was another one."""
        given = {"owner": owner, "key": key, "hours": IDEMPOTENCY_KEY_HOURS, "name": name, "digest": digest}
        found = await self._executor.fetch_one(
            StoredFile,
            f"""
            SELECT {FILE} FROM files
            WHERE owner = %(owner)s AND idempotency_key = %(key)s AND name = %(name)s AND digest = %(digest)s
              AND created_at >= now() - make_interval(hours => %(hours)s)
            """,
            given,
        )
        if found is None and await self._executor.fetch_value(
            """
            SELECT 1 FROM files WHERE owner = %(owner)s AND idempotency_key = %(key)s
              AND created_at >= now() - make_interval(hours => %(hours)s)
            """,
            given,
        ):
            raise IdempotencyKeyReused
        return found

    async def add(
        self, owner: str, name: str, media_type: str, content: bytes, digest: bytes, key: str | None, max_total: int
    ) -> StoredFile | None:
        """Store a file; `None` when the owner's files would then take more than `max_total` bytes."""
        return await self._executor.fetch_one(
            StoredFile,
            f"""
            INSERT INTO files (id, owner, name, media_type, size, digest, content, idempotency_key)
            SELECT %(id)s, %(owner)s, %(name)s, %(media_type)s, %(size)s, %(digest)s, %(content)s, %(key)s
            WHERE (SELECT coalesce(sum(size), 0) FROM files WHERE owner = %(owner)s) + %(size)s <= %(max_total)s
            RETURNING {FILE}
            """,
            {
                "id": uuid4(),
                "owner": owner,
                "name": name,
                "media_type": media_type,
                "size": len(content),
                "digest": digest,
                "content": content,
                "key": key,
                "max_total": max_total,
            },
        )

    async def get(self, owner: str, file_id: UUID) -> StoredFile | None:
        return await self._executor.fetch_one(
            StoredFile,
            f"SELECT {FILE} FROM files WHERE id = %(id)s AND owner = %(owner)s",
            {"id": file_id, "owner": owner},
        )

    async def content(self, owner: str, file_id: UUID) -> FileContent | None:
        return await self._executor.fetch_one(
            FileContent,
            "SELECT name, media_type, content FROM files WHERE id = %(id)s AND owner = %(owner)s",
            {"id": file_id, "owner": owner},
        )

    async def contents(self, owner: str, file_ids: Sequence[str]) -> dict[str, bytes]:
        """The contents of the owner's files by their ids, without those that are deleted."""
        found = await self._executor.fetch_all(
            _Content,
            "SELECT id, content FROM files WHERE id = ANY (%(ids)s::uuid[]) AND owner = %(owner)s",
            {"ids": list(file_ids), "owner": owner},
        )
        return {str(each.id): each.content for each in found}

    async def unsent(self, owner: str, file_ids: Sequence[UUID]) -> list[FilePart]:
        """The files as parts of a message, in this order. Raises `FileNotFound` unless all wait for a message."""
        found = await self._executor.fetch_all(
            FilePart,
            """
            SELECT 'file' AS type, id::text AS file_id, name, media_type, size FROM files
            WHERE id = ANY (%(ids)s::uuid[]) AND owner = %(owner)s AND session_id IS NULL
            """,
            {"ids": list(file_ids), "owner": owner},
        )
        parts = {part.file_id: part for part in found}
        if len(parts) < len(file_ids):
            raise FileNotFound
        return [parts[str(file_id)] for file_id in file_ids]

    async def attach(self, turn: Turn) -> None:
        """Give the files in the turn's parts to it. Raises `FileNotFound` when another message has one of them."""
        ids = [part.file_id for part in turn.parts]
        attached = await self._executor.execute(
            """
            UPDATE files SET session_id = %(session_id)s, turn = %(turn)s
            WHERE id = ANY (%(ids)s::uuid[]) AND owner = %(owner)s AND session_id IS NULL
            """,
            {"session_id": turn.session_id, "turn": turn.number, "ids": ids, "owner": turn.owner},
        )
        if attached < len(ids):
            raise FileNotFound

    async def delete_unsent(self, owner: str, file_id: UUID) -> bool:
        """Delete a file that no message has; false when there is none."""
        deleted = await self._executor.execute(
            "DELETE FROM files WHERE id = %(id)s AND owner = %(owner)s AND session_id IS NULL",
            {"id": file_id, "owner": owner},
        )
        return deleted > 0
