"""Why a model stopped: the reasons of all providers, as `stop`, `tool_call`, `length`, `content_filter` or `error`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse

# Reasons that pydantic-ai does not translate, as services are known to report them.
_CUT = {"length", "max_length", "max_output_tokens", "max_tokens", "model_length", "model_context_window_exceeded"}
_FILTERED = {
    "blocklist",
    "content_filter",
    "content_filtered",
    "guardrail_intervened",
    "prohibited_content",
    "recitation",
    "refusal",
    "safety",
    "sensitive",
    "spii",
}
_FAILED = {
    "abort",
    "aborted",
    "cancelled",
    "error",
    "failed",
    "insufficient_system_resource",
    "malformed_function_call",
    "network_error",
}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")


def finish_reason_of(response: ModelResponse) -> str | None:
    """The reason, in one of the five words where it is known, or else as the provider names it; `None` without one."""
    if response.finish_reason is not None:
        return response.finish_reason
    raw = (response.provider_details or {}).get("finish_reason")
    if raw is None:
        return None
    reason = str(raw).lower()
    for known, name in ((_CUT, "length"), (_FILTERED, "content_filter"), (_FAILED, "error")):
        if reason in known:
            return name
    return reason if _WORD.fullmatch(reason) else "unknown"
