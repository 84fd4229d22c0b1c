"""Logs as a stream of events on stdout (rule 11.1): one JSON object a line, or readable lines for people."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import CoreSettings

# The least level of loggers that say too much, whatever LOG_LEVEL is. What uvicorn tells of errors, app.py and
# requests.py have told already.
QUIET = {
    "uvicorn.error": "CRITICAL",
    "httpx2": "WARNING",
    "httpcore2": "WARNING",
    "procrastinate": "WARNING",
    "psycopg.pool": "ERROR",
}


def configure_logging(settings: CoreSettings, process: str) -> None:
    """Send every record of the standard library's logging and of structlog to stdout, in one format."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso" if settings.LOG_FORMAT == "json" else "%H:%M:%S", utc=True),
    ]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(settings, process)],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.LOG_LEVEL, force=True)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    sys.excepthook = lambda *error: logging.getLogger("crash").critical("the process crashed", exc_info=error)


def _renderers(settings: CoreSettings, process: str) -> list[Callable[..., Any]]:
    if settings.LOG_FORMAT == "console":
        plain = structlog.dev.plain_traceback  # the pretty one shows local variables, secrets among them
        return [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), pad_event_to=0, exception_formatter=plain)]
    identity = {
        "service": settings.APP_NAME,
        "version": settings.APP_VERSION,
        "environment": str(settings.ENVIRONMENT),
        "process": process,
    }

    def identify(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        return {**identity, **event}

    return [
        identify,
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
