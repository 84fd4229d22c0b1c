"""Reads conversations from the database and writes them to one, page by page, so that memory use stays constant.

Unfinished turns are left out: running in two databases, they would have their effects twice.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, LiteralString
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
)

if TYPE_CHECKING:
    from ..services.interfaces import Database

PAGE = 100  # sessions per query
MAX_INTEGER = 2**31 - 1

TURN: Final = (
    "number, status, message, parts, request, output_schema, response, error, model, input_tokens, output_tokens, "
    "usage_estimated, finish_reason, created_at, started_at, finished_at"
)
STEPS: Final = """
    ARRAY(
        SELECT jsonb_build_object('number', number, 'kind', kind, 'content', content, 'created_at', created_at)
        FROM turn_steps WHERE session_id = t.session_id AND turn = t.number ORDER BY number
    ) AS steps
"""
SESSIONS: Final = f"""
    SELECT s.id, s.owner, u.name AS owner_name, s.created_at, s.updated_at, s.metadata, s.added, s.expires_at, ARRAY(
        SELECT to_jsonb(turn) FROM (
            SELECT {TURN}, {STEPS} FROM turns t
            WHERE session_id = s.id AND status IN ('succeeded', 'failed', 'cancelled')
        ) AS turn ORDER BY number
    ) AS turns
    FROM chat_sessions s JOIN users u ON u.subject = s.owner
"""
# Each page follows an index: one query for all of them would read every session again for each page.
BY_ID: Final = "ORDER BY s.id LIMIT %(page)s"
BY_AGE: Final = "ORDER BY s.created_at, s.id LIMIT %(page)s"
FIRST_PAGE: Final = f"{SESSIONS} {BY_ID}"
NEXT_PAGE: Final = f"{SESSIONS} WHERE s.id > %(after)s {BY_ID}"
FIRST_OF_OWNER: Final = f"{SESSIONS} WHERE s.owner = %(owner)s {BY_AGE}"
NEXT_OF_OWNER: Final = f"{SESSIONS} WHERE s.owner = %(owner)s AND (s.created_at, s.id) > (%(at)s, %(after)s) {BY_AGE}"
# Queries for the export of an owner's other records. Sessions with finished turns are exported by `read`.
PERSONAL_RECORDS: Final[dict[str, LiteralString]] = {
    "live_turn": f"""
        SELECT session_id, number AS turn, status, message, parts, request, output_schema, input_tokens, output_tokens,
               usage_estimated, created_at, started_at, {STEPS}
        FROM turns t WHERE owner = %(owner)s AND status IN ('queued', 'running', 'waiting_for_approval')
        ORDER BY session_id
    """,
    "approval": """
        SELECT * FROM turn_approvals
        WHERE session_id = ANY (ARRAY(SELECT id FROM chat_sessions WHERE owner = %(owner)s))
        ORDER BY session_id, turn, step, call_id
    """,
    "idempotency_key": """
        SELECT session_id, number AS turn, NULL::uuid AS file_id, idempotency_key AS key
        FROM turns WHERE owner = %(owner)s AND idempotency_key IS NOT NULL
        UNION ALL
        SELECT session_id, turn, id, idempotency_key
        FROM files WHERE owner = %(owner)s AND idempotency_key IS NOT NULL ORDER BY session_id, turn
    """,
}


def _storable(value: JsonValue) -> JsonValue:
    """Raises `ValueError` for JSON that PostgreSQL cannot store."""
    if isinstance(value, str) and "\0" in value:
        raise ValueError("PostgreSQL cannot store the character U+0000")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    items = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        _storable(item)
    return value


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("the year is out of range") from None


def _in_order(numbered: Sequence[StepRecord | TurnRecord], field: ValidationInfo) -> Sequence[StepRecord | TurnRecord]:
    if any(later.number <= earlier.number for earlier, later in pairwise(numbered)):
        raise ValueError(f"the numbers of the {field.field_name} are not in ascending order")
    return numbered


Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Json = Annotated[dict[str, JsonValue], AfterValidator(_storable)]
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Number = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StepRecord(Record):
    """A response of the model or the result of a tool."""

    number: Number
    kind: Literal["model", "tool"]
    content: Json
    created_at: Time


class PartRecord(Record):
    """A file in a message."""

    type: Literal["file"]
    file_id: UUID
    name: Text
    media_type: Text
    size: Count


class TurnRecord(Record):
    """A message, its outcome and its steps."""

    number: Number
    status: Literal["succeeded", "failed", "cancelled"]
    message: Text
    parts: tuple[PartRecord, ...] = ()
    request: Json | None = None
    output_schema: Json | None = None
    response: Text | None
    error: Json | None
    model: Text | None
    input_tokens: Count
    output_tokens: Count
    usage_estimated: bool = False
    finish_reason: Text | None = None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    steps: Annotated[tuple[StepRecord, ...], AfterValidator(_in_order)]


class SessionRecord(Record):
    """One line of an export: a session with its turns."""

    id: UUID
    owner: Name
    owner_name: Name
    created_at: Time
    updated_at: Time
    metadata: Json | None = None
    added: Json | None = None
    expires_at: Time | None = None
    turns: Annotated[tuple[TurnRecord, ...], AfterValidator(_in_order)]


class BadLine(Exception):
    """A line that is not a session. The message is one line with the reason."""


class OtherRecord(Exception):
    """A record of an owner other than a session, which is not imported. The message is its kind."""


class _Kind(BaseModel):
    """Any record but a session, which has no kind."""

    kind: Name


def parse(line: bytes) -> SessionRecord:
    """Read one line of an export. Raises `OtherRecord` and `BadLine`."""
    try:
        return SessionRecord.model_validate_json(line.strip(), strict=True)
    except ValidationError as error:
        with suppress(ValidationError):
            raise OtherRecord(_Kind.model_validate_json(line.strip()).kind) from None
        raise BadLine(reason_of(error)) from None


def reason_of(error: ValidationError) -> str:
    """The first reason why a line is not a record, with its place in the record."""
    detail = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in detail["loc"])
    # The parser's line number is not that of the file.
    reason = re.sub(r" at line \d+ column \d+$", "", detail["msg"].removeprefix("Value error, "))
    return f"{place}: {reason}" if place else reason


async def count(database: Database, owner: str | None) -> int:
    """Return the number of sessions that `read` yields."""
    of_owner = "WHERE owner = %(owner)s" if owner is not None else ""
    found: int = await database.fetch_value(f"SELECT count(*) FROM chat_sessions {of_owner}", {"owner": owner})
    return found


async def read(database: Database, owner: str | None) -> AsyncIterator[SessionRecord]:
    """Yield every session, ordered by id, or those of `owner`, the oldest first."""
    query, next_query = (FIRST_PAGE, NEXT_PAGE) if owner is None else (FIRST_OF_OWNER, NEXT_OF_OWNER)
    given: dict[str, Any] = {"owner": owner, "page": PAGE}
    while page := await database.fetch_all(SessionRecord, query, given):
        for session in page:
            yield session
        query = next_query
        given |= {"after": page[-1].id, "at": page[-1].created_at}


async def write(database: Database, sessions: Sequence[SessionRecord]) -> int:
    """Store new sessions, all or none, and return their number. Existing ones stay as they are."""
    first_of_id = {session.id: session for session in reversed(sessions)}
    batch = [session.model_dump(mode="json") for session in first_of_id.values()]
    written: int = await database.fetch_value(
        f"""
        WITH given AS (
            SELECT * FROM jsonb_to_recordset(%(batch)s -> 'sessions') AS given (
                id uuid, owner text, owner_name text, created_at timestamptz, updated_at timestamptz,
                metadata jsonb, added jsonb, expires_at timestamptz, turns jsonb
            )
        ), owners AS (
            INSERT INTO users (subject, name) SELECT DISTINCT ON (owner) owner, owner_name FROM given
            ON CONFLICT (subject) DO NOTHING
        ), added AS (
            INSERT INTO chat_sessions (id, owner, turn_count, created_at, updated_at, metadata, added, expires_at)
            SELECT id, owner, coalesce((turns -> -1 ->> 'number')::int, 0), created_at, updated_at, metadata, added,
                   expires_at
            FROM given
            ON CONFLICT (id) DO NOTHING RETURNING id
        ), added_turns AS (
            SELECT turn.*, given_turn -> 'steps' AS steps
            FROM added JOIN given USING (id), jsonb_array_elements(turns) AS given_turn,
            jsonb_populate_record(
                NULL::turns, given_turn || jsonb_build_object('session_id', id, 'owner', owner)
            ) AS turn
        ), stored_turns AS (
            INSERT INTO turns (session_id, owner, queued_at, {TURN})
            SELECT session_id, owner, created_at, {TURN} FROM added_turns
        ), stored_steps AS (
            INSERT INTO turn_steps (session_id, turn, number, kind, content, created_at)
            SELECT added_turns.session_id, added_turns.number, step.number, step.kind, step.content, step.created_at
            FROM added_turns, jsonb_populate_recordset(NULL::turn_steps, steps) AS step
        )
        SELECT count(*) FROM added
        """,
        {"batch": {"sessions": batch}},
    )
    return written
