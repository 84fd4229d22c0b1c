"""`seed`: sample users and conversations for development (rule 12.1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from ...constants import SLUG
from ..base import with_database

if TYPE_CHECKING:
    from ...chat.conversation_archive import SessionRecord
    from ...services.interfaces import Database

USERS = {"dev": "Developer", "alice": "Alice", "bob": "Bob"}
MODEL = "sample"


def seed() -> None:
    """Add sample users and conversations. Running it again changes nothing."""
    users, sessions = with_database(_seed)
    print(f"{users} users and {sessions} conversations added." if users or sessions else "Nothing to do.")


async def _seed(database: Database) -> tuple[int, int]:
    from ...chat.conversation_archive import write

    users = await database.execute(
        """
        INSERT INTO users (subject, name)
        SELECT key, value FROM jsonb_each_text(%(users)s) ON CONFLICT (subject) DO NOTHING
        """,
        {"users": USERS},
    )
    return users, await write(database, sample_sessions())


def sample_sessions() -> list[SessionRecord]:
    """Return the sample conversations. Their ids never change, so none is added twice."""
    call = {"id": "call_1", "name": "current_time", "arguments": {"time_zone": "Asia/Tokyo"}}
    clock = "Monday, 2026-01-05 18:30:00 in Asia/Tokyo (UTC+0900)"
    result = {"kind": "tool", "content": {"call": call, "content": clock, "failed": False}}
    tokyo = [_reply("", call), result, _reply("It is half past six in the evening in Tokyo.")]
    return [
        _session("dev", "hello", [("Hello! What can you do?", [_reply("I can keep notes and tell the time.")])]),
        _session("dev", "clock", [("What time is it in Tokyo?", tokyo), ("Thank you.", [_reply("You are welcome.")])]),
        _session("alice", "greeting", [("Good morning!", [_reply("Good morning, Alice.")])]),
    ]


def _session(owner: str, name: str, turns: list[tuple[str, list[dict[str, Any]]]]) -> SessionRecord:
    from ...chat.conversation_archive import SessionRecord

    now = datetime.now(UTC).replace(microsecond=0)
    records = []
    for number, (message, steps) in enumerate(turns, 1):
        time = now - timedelta(minutes=len(turns) - number + 1)
        record = {"number": number, "status": "succeeded", "message": message, "response": steps[-1]["content"]["text"]}
        record |= {"error": None, "model": MODEL, "input_tokens": 0, "output_tokens": 0}
        record |= {"created_at": time, "started_at": time, "finished_at": time}
        record["steps"] = [{"number": place, "created_at": time, **step} for place, step in enumerate(steps, 1)]
        records.append(record)
    return SessionRecord.model_validate(
        {
            "id": uuid5(NAMESPACE_URL, f"{SLUG}/{owner}/{name}"),
            "owner": owner,
            "owner_name": USERS[owner],
            "created_at": records[0]["created_at"],
            "updated_at": now,
            "turns": records,
        }
    )


def _reply(text: str, *calls: dict[str, Any]) -> dict[str, Any]:
    """A step of the model: a text or calls of tools."""
    parts = [
        {"part_kind": "tool-call", "tool_name": call["name"], "args": call["arguments"], "tool_call_id": call["id"]}
        for call in calls
    ] or [{"part_kind": "text", "content": text}]
    content = {"text": text, "tool_calls": list(calls), "input_tokens": 0, "output_tokens": 0, "model": MODEL}
    return {"kind": "model", "content": content | {"payload": {"kind": "response", "parts": parts}}}
