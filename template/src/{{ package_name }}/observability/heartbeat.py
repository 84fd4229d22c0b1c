"""When a worker and a scheduler were last seen: they serve no user, so their absence shows nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..services.interfaces import Database

HEARTBEAT_SECONDS = 60.0  # who was seen within them is there; a scheduler may sleep for half of them


async def record_heartbeat(database: Database, process: str) -> None:
    """Note that a process of this type runs now; every few seconds at most, however many there are."""
    await database.execute(
        """
        INSERT INTO processes_seen (process) VALUES (%(process)s)
        ON CONFLICT (process) DO UPDATE SET seen_at = now() WHERE processes_seen.seen_at < now() - interval '5 s'
        """,
        {"process": process},
    )
