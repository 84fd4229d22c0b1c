"""Your background tasks and scheduled jobs, run by worker processes. A task may run twice: make it idempotent.

For example:

    @registry.task
    async def send_digest(context: TaskContext, owner: str) -> None: ...

    @registry.scheduled("0 7 * * 1")  # Mondays at seven, in SCHEDULE_TIME_ZONE
    async def weekly_digest(context: TaskContext) -> None:
        await context.services.task_queue.enqueue("send_digest", {"owner": "..."})
"""

from __future__ import annotations

from ..extensions import TaskRegistry

registry = TaskRegistry()
