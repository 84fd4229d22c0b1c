"""The lifecycle of worker and scheduler: start, serve, drain and stop on SIGTERM or SIGINT (rule 9.1)."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from ..agent.tasks import registry as agent_tasks
from ..chat.maintenance import registry as chat_tasks
from ..services.interfaces import ServiceUnavailable
from ..sockets import CannotListen

if TYPE_CHECKING:
    from ..config import Settings

log = structlog.get_logger()

TASKS = {**chat_tasks.tasks, **agent_tasks.tasks}
SCHEDULES = [*chat_tasks.schedules, *agent_tasks.schedules]

CANNOT_START = 1


@contextmanager
def exit_if_unavailable() -> Iterator[None]:
    """Exits with 1 if a required service or port is unavailable: the platform restarts the process."""
    try:
        yield
    except (ServiceUnavailable, CannotListen) as error:
        log.critical("start_failed", reason=str(error))
        sys.exit(CANNOT_START)


def run_until_stopped(main: Callable[[Settings, asyncio.Event], Coroutine[Any, Any, None]], settings: Settings) -> None:
    """Run `main`, and set its event on SIGTERM or SIGINT: it then drains and returns."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await main(settings, stop)
        log.info("stopped")

    with exit_if_unavailable():
        asyncio.run(run())
