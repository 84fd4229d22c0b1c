"""Conversations as JSON Lines."""

from __future__ import annotations

import json
from uuid import UUID


def line(number: int, **changes: object) -> str:
    """One session as `export` writes it."""
    session = {
        "id": str(UUID(int=number)),
        "owner": "importer",
        "owner_name": "Importer",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
        "turns": [turn(1)],
    }
    return json.dumps(session | changes) + "\n"


def turn(number: int, **changes: object) -> dict[str, object]:
    """One turn of it."""
    return {
        "number": number,
        "status": "succeeded",
        "message": "Hello",
        "response": "Hello yourself",
        "error": None,
        "model": "a-model",
        "input_tokens": 1,
        "output_tokens": 2,
        "usage_estimated": True,
        "finish_reason": "length",
        "created_at": "2026-01-01T00:00:00Z",
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:01.5Z",
        "steps": [],
    } | changes
