"""What follows a request from one process to the next: its id, and its place in a trace (W3C Trace Context).

Both stand in the context of the log, so that every line has them; a job takes them along as its carrier.
"""

from __future__ import annotations

import re
import secrets
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from structlog.contextvars import bound_contextvars, get_contextvars

if TYPE_CHECKING:
    from collections.abc import Mapping

# https://www.w3.org/TR/trace-context/#traceparent-header: later versions may append more fields.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class TracePlace:
    """A place in a trace: the trace, and the piece of work in it. `flags` tell whether somebody records it."""

    trace_id: str
    span_id: str
    flags: str = "00"

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def log_fields(self) -> dict[str, str]:
        """The names are those that tracing libraries give them in logs."""
        return {"trace_id": self.trace_id, "span_id": self.span_id, "trace_flags": self.flags}


def parse(traceparent: str) -> TracePlace | None:
    """The place that a header names; `None` when it names none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return TracePlace(*found.groups()) if found else None


def below(traceparent: str) -> TracePlace:
    """A new piece of work in the trace that a header names, or in a new trace when it names none."""
    parent = parse(traceparent)
    span_id = secrets.token_hex(8)
    return TracePlace(parent.trace_id, span_id, parent.flags) if parent else TracePlace(secrets.token_hex(16), span_id)


def here() -> TracePlace | None:
    """The place where the code runs now; `None` outside of requests and jobs."""
    fields = get_contextvars()
    if "trace_id" not in fields:
        return None
    return TracePlace(fields["trace_id"], fields["span_id"], fields["trace_flags"])


def carrier() -> dict[str, str]:
    """What a job queued here and now takes along."""
    fields, place = get_contextvars(), here()
    taken = {"request_id": fields["request_id"]} if "request_id" in fields else {}
    return {**taken, "traceparent": place.traceparent} if place else taken


def continued(carrier: Mapping[str, str]) -> AbstractContextManager[None]:
    """A block that belongs to the request whose carrier this is; to a trace of its own when it is empty."""
    fields = below(carrier.get("traceparent", "")).log_fields()
    if "request_id" in carrier:
        fields["request_id"] = carrier["request_id"]
    return bound_contextvars(**fields)
