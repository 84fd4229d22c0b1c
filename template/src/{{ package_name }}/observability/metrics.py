"""The metrics that all processes share (rule 13.1); `access_log` and `queue_metrics` define the others.

A metric of your own needs only a definition like these: every metric in prometheus-client's registry is exported.
docs/observability.md lists them all.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

if TYPE_CHECKING:
    from ..config import CoreSettings
    from ..services.interfaces import Services

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)

disable_created_metrics()  # a second series for each counter, of no use here

LLM_REQUEST_DURATION = Histogram(
    "llm_request_duration_seconds",
    "How long a request to the model took; outcome is ok, error or cancelled.",
    ("model", "outcome"),
    buckets=SECONDS,
)
LLM_TIME_TO_FIRST_TOKEN = Histogram(
    "llm_time_to_first_token_seconds", "How long the model took to begin its response.", ("model",), buckets=SECONDS
)
LLM_TOKENS = Counter("llm_tokens_total", "Tokens used; direction is input or output.", ("model", "direction"))
LLM_COST = Counter("llm_cost_usd_total", "Cost of the model in US dollars, where its price is known.", ("model",))
LLM_ERRORS = Counter("llm_errors_total", "Failed requests to the model, by kind of error.", ("model", "kind"))
LLM_FALLBACKS = Counter(
    "llm_fallbacks_total", "Requests to a fallback model, because the model before it failed.", ("model",)
)
TOOL_CALLS = Counter("tool_calls_total", "Tool calls; outcome is ok, failed or cancelled.", ("tool", "outcome"))
TOOL_DURATION = Histogram("tool_duration_seconds", "How long tool calls took.", ("tool",), buckets=SECONDS)
TURNS = Counter("turns_total", "Turns that ended, by final status.", ("status",))
TURN_DURATION = Histogram(
    "turn_duration_seconds", "How long turns took, from message to end.", ("status",), buckets=SECONDS
)
TASKS = Counter("tasks_total", "Background tasks run; outcome is ok, error or cancelled.", ("task", "outcome"))
TASK_DURATION = Histogram("task_duration_seconds", "How long background tasks took.", ("task",), buckets=SECONDS)
MCP_SERVERS_UP = Gauge(
    "mcp_server_up",
    "1 if the MCP server answered this process the last time, otherwise 0.",
    ("server",),
    multiprocess_mode="livemin",
)
RATE_LIMITED_REQUESTS = Counter(
    "rate_limited_requests_total", "Requests refused by a rate limit; scope is subject or address.", ("scope",)
)
BUDGET_REFUSALS = Counter(
    "budget_refusals_total",
    "Model calls refused; budget is day_tokens, day_cost, turn_tokens or turn_cost.",
    ("budget",),
)
RATE_LIMIT_UNAVAILABLE = Counter(
    "rate_limit_unavailable_total", "Requests not counted because Valkey was down; they passed or got 503."
)
SCHEDULER_TICKS = Counter("scheduler_ticks_total", "How often a scheduled task was queued.", ("task",))
POOL_CONNECTIONS = Gauge(
    "database_pool_connections",
    "Open connections to the database; state is used or idle.",
    ("state",),
    multiprocess_mode="livesum",
)
POOL_WAITING = Gauge(
    "database_pool_waiting", "Callers that wait for a connection to the database.", multiprocess_mode="livesum"
)
POOL_LIMIT = Gauge("database_pool_limit", "The maximum number of open connections.", multiprocess_mode="livesum")
STARTUP_DURATION = Gauge(
    "process_startup_duration_seconds", "From the start of the program until it was ready.", multiprocess_mode="max"
)
BUILD_INFO = Gauge(
    "build_info",
    "Always 1; the labels identify what runs.",
    ("version", "revision", "process"),
    multiprocess_mode="max",
)

# Exported at 0 from the start: from nothing to 1, Prometheus sees no increase, and no alert fires.
for _status in ("succeeded", "failed", "cancelled"):
    TURNS.labels(_status)
for _budget in ("day_tokens", "day_cost", "turn_tokens", "turn_cost"):
    BUDGET_REFUSALS.labels(_budget)

_BEGAN = time.perf_counter()  # this import runs within a few hundredths of a second of the program's start


def record_startup(settings: CoreSettings, process: str) -> float:
    """Record that the process is ready; returns the seconds since its start."""
    seconds = round(time.perf_counter() - _BEGAN, 3)
    STARTUP_DURATION.set(seconds)
    BUILD_INFO.labels(settings.APP_VERSION, settings.REVISION or "", process).set(1)
    return seconds


def record_usage(services: Services) -> None:
    """Record the current use of database connections, and which MCP servers answer."""
    for server, failure in services.toolbox.servers.items():
        MCP_SERVERS_UP.labels(server).set(failure is None)
    usage = services.database.usage()
    POOL_CONNECTIONS.labels("used").set(usage.used)
    POOL_CONNECTIONS.labels("idle").set(usage.idle)
    POOL_WAITING.set(usage.waiting)
    POOL_LIMIT.set(usage.limit)
