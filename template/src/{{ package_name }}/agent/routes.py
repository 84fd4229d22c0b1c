"""Your HTTP routes, beside the service's own, with the same rate limit, logs and documentation.

Take `owner: Owner` in each: the user that makes the request. Requests without a valid token never reach the route.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from ..extensions import Owner
from . import notes
from .notes import Note

router = APIRouter(tags=["notes"])


class NoteList(BaseModel):
    """The body of `GET /notes`."""

    notes: list[Note]


@router.get("/notes")
async def list_notes(request: Request, owner: Owner) -> NoteList:
    """The notes that the agent keeps for you, oldest first."""
    return NoteList(notes=await notes.find_all(request.app.state.services.database, owner))
