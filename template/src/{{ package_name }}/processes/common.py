"""What the three process types share: settings that must be right, logs, and a stop on SIGTERM or SIGINT (rule 9.1)."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from ..agent.tasks import registry as agent_tasks
from ..chat.maintenance import registry as chat_tasks
from ..config import ConfigurationError, Settings, load
from ..observability.logging import configure_logging
from ..services.interfaces import ServiceUnavailable

log = structlog.get_logger()

TASKS = {**chat_tasks.tasks, **agent_tasks.tasks}
SCHEDULES = [*chat_tasks.schedules, *agent_tasks.schedules]

CONFIGURATION_ERROR = 2
SERVICE_UNAVAILABLE = 1


def prepare(process: str) -> Settings:
    """The settings, with logging set up. Exits with 2 and a line for each problem when the settings are not right."""
    try:
        settings = load(Settings)
    except ConfigurationError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        sys.exit(CONFIGURATION_ERROR)
    configure_logging(settings, process)
    return settings


def run_until_stopped(process: str, main: Callable[[Settings, asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run `main` until it has seen that `stop` is set. Exits with 1 when a service it cannot do without is down."""
    settings = prepare(process)

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await main(settings, stop)
        log.info("stopped")

    try:
        asyncio.run(run())
    except ServiceUnavailable as error:
        log.critical("cannot start", reason=str(error))  # the platform starts the process again
        sys.exit(SERVICE_UNAVAILABLE)
