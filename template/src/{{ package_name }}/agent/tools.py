"""What the agent can do: the functions of `toolset`, and nothing else, are ever offered to the model and run.

A docstring tells the model when to use a tool and what its arguments mean. `ctx.deps` is the ToolContext: settings,
services and whose turn it is; a tool that needs none of it is a `tool_plain`. Raise `ModelRetry` to have the model try
again with better arguments. A tool declared with `@toolset.tool(requires_approval=True)` waits until a person has
approved the call. A tool may be run again after a crash: `ctx.deps.call_key` is then the same. For HTTP use
`await ctx.deps.services.http.request("GET", url)`: it refuses addresses that are not public (docs/security.md).
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic_ai import FunctionToolset, ModelRetry, RunContext

from ..extensions import ToolContext
from . import notes

toolset = FunctionToolset[ToolContext]()


@toolset.tool
async def save_note(ctx: RunContext[ToolContext], text: str) -> str:
    """Keep a note for the user, to be found again in later conversations.

    Args:
        text: What to remember, in words that make sense without this conversation.
    """
    context = ctx.deps
    maximum = context.settings.NOTES_PER_OWNER_MAX
    note_id = await notes.save(context.services.database, context.owner, text, key=context.call_key, maximum=maximum)
    if note_id is None:
        raise ModelRetry(f"The user has {maximum} notes, which is the most: delete one first.")
    return f"Saved as note {note_id}."


@toolset.tool
async def list_notes(ctx: RunContext[ToolContext]) -> str:
    """List the notes kept for the user, the oldest first, each with its number and date."""
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
    """Tell the present date and time in a time zone.

    Args:
        time_zone: An IANA name, such as Europe/Paris or America/New_York.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError):
        raise ModelRetry(f"{time_zone!r} is no IANA time zone, such as Europe/Paris.") from None
    return f"{datetime.now(zone):%A, %Y-%m-%d %H:%M:%S (UTC%z)} in {time_zone}"
