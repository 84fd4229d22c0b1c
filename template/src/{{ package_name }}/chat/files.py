"""The operations on files, independent of HTTP: uploads, downloads, and the contents that a model reads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from ..security.audit import Entry, record
from ..services.interfaces import ConversationItem, UserMessage
from ..setting_types import listed
from .errors import FileInUse, FileNotFound, FileRefused, TooManyFiles
from .file_store import FileStore
from .media_types import contradicts, detect

if TYPE_CHECKING:
    from ..config import Settings
    from ..services.interfaces import Database, Executor
    from .file_models import FileContent, FilePart, StoredFile


class Files:
    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._store = FileStore(database)

    async def upload(
        self, owner: str, name: str, declared: str, content: bytes, idempotency_key: str | None, *, actor: str
    ) -> StoredFile:
        """Store a file whose content is of an accepted type, whatever type is declared.

        Repeating an upload under the same key returns the first file. Raises `FileRefused`, `TooManyFiles` and
        `IdempotencyKeyReused`.
        """
        media_type = self._check(declared, content)
        digest = hashlib.sha256(content).digest()
        async with self._database.transaction() as transaction:
            store = FileStore(transaction)
            await store.lock(owner)
            if idempotency_key and (first := await store.find_by_idempotency_key(owner, idempotency_key, name, digest)):
                return first
            most = self._settings.OWNER_MAX_FILE_BYTES
            stored = await store.add(owner, name, media_type, content, digest, idempotency_key, most)
            if stored is None:
                raise TooManyFiles(f"All files together may take {most} bytes. Delete sessions with files.")
            detail = {"media_type": media_type, "size": len(content)}
            await record(transaction, Entry(actor, "create.file", str(stored.file_id), detail=detail))
        return stored

    def _check(self, declared: str, content: bytes) -> str:
        if len(content) > self._settings.FILE_MAX_BYTES:
            raise TooManyFiles(f"A file may have {self._settings.FILE_MAX_BYTES} bytes.")
        if not content:
            raise FileRefused("The file is empty.")
        accepted = listed(self._settings.FILE_MEDIA_TYPES)
        detected = detect(content)
        if detected not in accepted:
            kind = f"The content is {detected}" if detected else "The content is neither an image, a PDF nor UTF-8 text"
            raise FileRefused(f"{kind}. Accepted are {', '.join(accepted) or 'no files'}.")
        if contradicts(declared, detected):
            raise FileRefused(f"The content is {detected}, but the Content-Type says otherwise.")
        return detected

    async def get(self, owner: str, file_id: UUID) -> StoredFile:
        """Raises `FileNotFound`."""
        found = await self._store.get(owner, file_id)
        if found is None:
            raise FileNotFound
        return found

    async def content(self, owner: str, file_id: UUID) -> FileContent:
        """Raises `FileNotFound`."""
        found = await self._store.content(owner, file_id)
        if found is None:
            raise FileNotFound
        return found

    async def delete(self, owner: str, file_id: UUID, *, actor: str) -> None:
        """Delete a file that no message has. Raises `FileNotFound`, and `FileInUse` for a file in a message."""
        async with self._database.transaction() as transaction:
            deleted = await FileStore(transaction).delete_unsent(owner, file_id)
            if deleted:
                await record(transaction, Entry(actor, "delete.file", str(file_id)))
        if not deleted:
            await self.get(owner, file_id)
            raise FileInUse

    async def parts(self, executor: Executor, owner: str, file_ids: Sequence[UUID]) -> list[FilePart]:
        """The files as parts of a new message. Raises `FileNotFound` and `TooManyFiles`."""
        if not file_ids:
            return []
        most = self._settings.MESSAGE_MAX_FILES
        if len(file_ids) > most:
            raise TooManyFiles(f"A message may have {most} files.")
        parts = await FileStore(executor).unsent(owner, file_ids)
        most = self._settings.MESSAGE_MAX_FILE_BYTES
        if sum(part.size for part in parts) > most:
            raise TooManyFiles(f"The files of a message together may take {most} bytes.")
        return parts

    async def fill(self, owner: str, conversation: Sequence[ConversationItem]) -> list[ConversationItem]:
        """The conversation with the contents of its files: those of the last message, then the latest that fit."""
        left = self._settings.MESSAGE_MAX_FILE_BYTES
        wanted = []
        for item in reversed(conversation):
            for file in item.files if isinstance(item, UserMessage) else ():
                if file.size <= left:
                    left -= file.size
                    wanted.append(file.id)
        if not wanted:
            return list(conversation)
        contents = await self._store.contents(owner, wanted)
        return [
            replace(item, files=tuple(replace(file, content=contents.get(file.id)) for file in item.files))
            if isinstance(item, UserMessage) and item.files
            else item
            for item in conversation
        ]
