"""Watches the turns that readers of this process follow: one query at a time for all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pydantic.dataclasses import dataclass

from ..services.batching import Batcher
from .models import Status, TurnKey

if TYPE_CHECKING:
    from ..services.interfaces import Executor

GATHER_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class TurnState:
    """What changes in a turn while readers wait. `step` is its last committed one."""

    session_id: UUID
    number: int
    status: Status
    fence: int
    step: int


class TurnWatch:
    """Finds the states of turns. The calls of GATHER_SECONDS share a query, however many readers there are."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._batcher = Batcher(self._find)

    async def state(self, key: TurnKey) -> TurnState | None:
        """The current state of the turn; `None` when it was deleted."""
        return await self._batcher.call(key)

    async def _find(self, keys: list[TurnKey]) -> list[TurnState | None]:
        await asyncio.sleep(GATHER_SECONDS)
        watched = set(keys)
        states = await self._executor.fetch_all(
            TurnState,
            """
            SELECT session_id, number, status, fence, coalesce((
                SELECT max(s.number) FROM turn_steps s WHERE s.session_id = t.session_id AND s.turn = t.number
            ), 0) AS step
            FROM unnest(%(ids)s::uuid[], %(numbers)s::int[]) AS watched (session_id, number)
            JOIN turns t USING (session_id, number)
            """,
            {"ids": [key.session_id for key in watched], "numbers": [key.number for key in watched]},
        )
        found = {TurnKey(state.session_id, state.number): state for state in states}
        return [found.get(key) for key in keys]
