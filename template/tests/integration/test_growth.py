"""The cost of a turn in statements is the one in docs/growth.md."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import psycopg
import pytest

from tests.support import ROOT


def documented() -> list[int]:
    """The statements of a plain turn, and of one with a tool call."""
    row = re.search(r"^\| statements \| (\d+) \| (\d+) \|$", (ROOT / "docs/growth.md").read_text("utf-8"), re.MULTILINE)
    assert row, "docs/growth.md lacks the row `statements`"
    return [int(figure) for figure in row.groups()]


@pytest.mark.usefixtures("done")
async def test_a_turn_takes_as_many_statements_as_documented(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def counted(self: psycopg.AsyncCursor[Any], query: Any, *arguments: Any, **options: Any) -> Any:
        statements.append(str(query))
        return await execute(self, query, *arguments, **options)

    path = f"/chat/sessions/{(await client.post('/chat/sessions')).json()['session_id']}/messages"
    await client.post(path, json={"text": "Hello"})  # later turns read the history as well
    monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)
    taken = []
    for text in ("Hello", 'call count {"name": "tea"}'):
        statements.clear()
        assert (await client.post(path, json={"text": text})).status_code == 200
        taken.append(len([statement for statement in statements if "turn" in statement or "owner_usage" in statement]))
    assert taken == documented(), "\n".join(statements)
