"""The agent's tools: only the functions of `toolset` are offered to the model and run.

The model reads the docstring: when to use a tool and what its arguments mean. `ctx.deps` is the ToolContext, with the
settings, services and owner; a tool that needs none of them is a `tool_plain`. Raise `ModelRetry` to make the model try
again with better arguments. A tool declared with `@toolset.tool(requires_approval=True)` waits until a person approves
the call. A tool may run again after a crash, with the same `ctx.deps.call_key`. For HTTP use
`await ctx.deps.services.http.request("GET", url)`, which refuses addresses that are not public (docs/security.md).
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from ..extensions import FunctionToolset, ModelRetry, RunContext, ToolContext
from . import notes

toolset = FunctionToolset[ToolContext]()


@toolset.tool
async def save_note(ctx: RunContext[ToolContext], text: str) -> str:
    """Save a note for the user, available in later conversations.

    Args:
        text: The fact to remember, in words that make sense without this conversation.
    """
    context = ctx.deps
    maximum = context.settings.NOTES_PER_OWNER_MAX
    note_id = await notes.save(context.services.database, context.owner, text, key=context.call_key, maximum=maximum)
    if note_id is None:
        raise ModelRetry(f"The user has {maximum} notes, which is the most: delete one first.")
    return f"Saved as note {note_id}."


@toolset.tool
async def list_notes(ctx: RunContext[ToolContext]) -> str:
    """List the user's notes, oldest first, each with its number and date."""
    found = await notes.find_all(ctx.deps.services.database, ctx.deps.owner)
    return "\n".join(f"{note.id} ({note.created_at:%Y-%m-%d}): {note.text}" for note in found) or "There are no notes."


@toolset.tool
async def delete_note(ctx: RunContext[ToolContext], note_id: int) -> str:
    """Delete one of the user's notes.

    Args:
        note_id: The number of the note, as listed.
    """
    if not await notes.delete(ctx.deps.services.database, ctx.deps.owner, note_id):
        raise ModelRetry(f"There is no note {note_id}: list the notes to see their numbers.")
    return f"Deleted note {note_id}."


@toolset.tool_plain
async def current_time(time_zone: str) -> str:
    """Return the current date and time in a time zone.

    Args:
        time_zone: An IANA name, such as Europe/Paris or America/New_York.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError):
        raise ModelRetry(f"{time_zone!r} is not an IANA time zone, such as Europe/Paris.") from None
    return f"{datetime.now(zone):%A, %Y-%m-%d %H:%M:%S (UTC%z)} in {time_zone}"
