"""What the floors of a turn share: one table, one SELECT and one INSERT, in plain SQL on a pool of psycopg."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from fastapi import FastAPI

PATH = "/chat/sessions/{session_id}/messages"

TABLE = """
CREATE TABLE IF NOT EXISTS floor_message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, session_id uuid NOT NULL, role text NOT NULL, text text NOT NULL
);
CREATE INDEX IF NOT EXISTS floor_message_session ON floor_message (session_id, id);
"""
EARLIER = "SELECT role, text FROM floor_message WHERE session_id = %s ORDER BY id"
ADD = "INSERT INTO floor_message (session_id, role, text) VALUES (%s, %s, %s)"

# As many connections as the rendered project opens by default; each statement commits.
pool = AsyncConnectionPool(
    os.environ.get("DATABASE_URL", ""), min_size=5, max_size=8, open=False, kwargs={"autocommit": True}
)


class Message(BaseModel):
    text: str


class Reply(BaseModel):
    response: str


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Open the pool and create the table."""
    async with pool:
        async with pool.connection() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(1)")  # all floors start at the same time
            await connection.execute(TABLE)
        yield


async def earlier(session_id: UUID) -> list[tuple[str, str]]:
    """Return role and text of each message of the session, the oldest first."""
    async with pool.connection() as connection:
        return await (await connection.execute(EARLIER, (session_id,))).fetchall()


async def add(session_id: UUID, role: str, text: str) -> None:
    """Store a message."""
    async with pool.connection() as connection:
        await connection.execute(ADD, (session_id, role, text))
