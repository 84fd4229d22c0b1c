"""Your HTTP routes, beside the service's own: limited, logged and documented like those.

Take `owner: Owner` in each: it is whose request this is, and a request with no valid token never gets to the route.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from ..security.authentication import Owner
from . import notes
from .notes import Note

router = APIRouter(tags=["notes"])


class NoteList(BaseModel):
    """The body of `GET /notes`."""

    notes: list[Note]


@router.get("/notes")
async def list_notes(request: Request, owner: Owner) -> NoteList:
    """The notes that the agent keeps for you, the oldest first."""
    return NoteList(notes=await notes.find_all(request.app.state.services.database, owner))
