"""`seed`: users and conversations to try the service with (rule 12.1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

if TYPE_CHECKING:
    from ..conversation_archive import SessionRecord

USERS = {"dev": "Developer", "alice": "Alice", "bob": "Bob"}
MODEL = "sample"


def seed() -> None:
    """Add sample users and conversations. Running it again changes nothing."""
    from ..base import run

    users, sessions = run(_seed())
    print(f"{users} users and {sessions} conversations added." if users or sessions else "Nothing to do.")


async def _seed() -> tuple[int, int]:
    from ..base import open_database
    from ..conversation_archive import write

    async with open_database() as database:
        users = await database.execute(
            """
            INSERT INTO users (subject, name)
            SELECT key, value FROM jsonb_each_text(%(users)s) ON CONFLICT (subject) DO NOTHING
            """,
            {"users": USERS},
        )
        return users, await write(database, sample_sessions())


def sample_sessions() -> list[SessionRecord]:
    """The sample conversations: their ids are the same each time, so that none is ever added twice."""
    zone = {"time_zone": "Asia/Tokyo"}
    clock = "Monday, 2026-01-05 18:30:00 in Asia/Tokyo (UTC+0900)"
    return [
        _session("dev", "hello", [("Hello! What can you do?", [_said("I can keep notes, and tell the time.")])]),
        _session(
            "dev",
            "clock",
            [
                (
                    "What time is it in Tokyo?",
                    [
                        _called("call_1", "current_time", zone),
                        _returned("call_1", "current_time", zone, clock),
                        _said("It is half past six in the evening in Tokyo."),
                    ],
                ),
                ("Thank you.", [_said("You are welcome.")]),
            ],
        ),
        _session("alice", "greeting", [("Good morning!", [_said("Good morning, Alice.")])]),
    ]


def _session(owner: str, name: str, turns: list[tuple[str, list[dict[str, Any]]]]) -> SessionRecord:
    from ...constants import SLUG
    from ..conversation_archive import SessionRecord

    now = datetime.now(UTC).replace(microsecond=0)
    records = []
    for number, (message, steps) in enumerate(turns, 1):
        said = now - timedelta(minutes=len(turns) - number + 1)
        record = {"number": number, "status": "succeeded", "message": message, "response": steps[-1]["content"]["text"]}
        record |= {"error": None, "model": MODEL, "input_tokens": 0, "output_tokens": 0}
        record |= {"created_at": said, "started_at": said, "finished_at": said}
        record["steps"] = [{"number": place, "created_at": said, **step} for place, step in enumerate(steps, 1)]
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


def _said(text: str) -> dict[str, Any]:
    return _reply(text, [], [{"part_kind": "text", "content": text}])


def _called(call_id: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    part = {"part_kind": "tool-call", "tool_name": tool, "args": arguments, "tool_call_id": call_id}
    return _reply("", [{"id": call_id, "name": tool, "arguments": arguments}], [part])


def _reply(text: str, calls: list[dict[str, Any]], parts: list[dict[str, Any]]) -> dict[str, Any]:
    content = {"text": text, "tool_calls": calls, "input_tokens": 0, "output_tokens": 0, "model": MODEL}
    return {"kind": "model", "content": content | {"payload": {"kind": "response", "parts": parts}}}


def _returned(call_id: str, tool: str, arguments: dict[str, Any], result: str) -> dict[str, Any]:
    call = {"id": call_id, "name": tool, "arguments": arguments}
    return {"kind": "tool", "content": {"call": call, "content": result, "failed": False}}
