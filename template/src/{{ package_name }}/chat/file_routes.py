"""Files over HTTP: upload one, send it with a message, download it. A download never opens in a page."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response

from ..problems import Problem, responses
from ..security.authentication import Authenticated, Owner, UserPrincipal
from ..security.request_limits import UPLOADS
from .dependencies import Chat
from .file_models import StoredFile

BINARY = {"schema": {"type": "string", "format": "binary"}}
SANDBOX = "default-src 'none'; frame-ancestors 'none'; sandbox"

router = APIRouter(prefix=UPLOADS, tags=["chat"], dependencies=[Authenticated], responses=responses(401, 403, 429, 503))
FileId = Annotated[UUID, Path(description="The id of a file of the caller.")]


@router.post(
    "",
    status_code=201,
    response_description="The stored file. `Location` is its address.",
    responses=responses(408, 413, 415, 422),
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": BINARY}}},
)
async def upload_file(
    principal: UserPrincipal,
    chat: Chat,
    request: Request,
    response: Response,
    name: Annotated[
        str,
        Query(
            min_length=1,
            max_length=200,
            pattern=r"^[^\x00-\x1f\x7f/\\]+$",
            description="The file's name, without a folder.",
        ),
    ],
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            pattern=r"^[^\x00]+$",
            description="Repeating an upload under its key within 24 h is safe.",
        ),
    ] = None,
) -> StoredFile:
    """Store a file, the body of the request, for a message.

    Its media type is read from the content: images (PNG, JPEG, GIF, WebP), PDF, and text in UTF-8. A file that no
    message has within 24 hours is deleted.
    """
    if not name.strip():
        raise Problem(422, "invalid-request", "The request is not valid.", "The name must not be blank.")
    declared = request.headers.get("content-type", "")
    content = await request.body()
    stored = await chat.files.upload(principal.subject, name, declared, content, idempotency_key, actor=principal.actor)
    response.headers["Location"] = f"{request.scope.get('root_path', '')}{UPLOADS}/{stored.file_id}"
    return stored


@router.get("/{file_id}", response_description="The file, without its content.", responses=responses(404, 422))
async def get_file(owner: Owner, chat: Chat, file_id: FileId) -> StoredFile:
    """Return what is known of a file: its name, media type and size, and the message that has it."""
    return await chat.files.get(owner, file_id)


@router.get(
    "/{file_id}/content",
    response_class=Response,
    response_description="The content.",
    responses={200: {"content": {"application/octet-stream": BINARY}}, **responses(404, 422)},
)
async def get_content(owner: Owner, chat: Chat, file_id: FileId) -> Response:
    """Download a file."""
    file = await chat.files.content(owner, file_id)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
        "Content-Security-Policy": SANDBOX,
    }
    return Response(file.content, headers=headers, media_type="application/octet-stream")


@router.delete(
    "/{file_id}", status_code=204, response_description="The file is deleted.", responses=responses(404, 409, 422)
)
async def delete_file(principal: UserPrincipal, chat: Chat, file_id: FileId) -> None:
    """Delete a file that no message has. One in a message is deleted with its session."""
    await chat.files.delete(principal.subject, file_id, actor=principal.actor)
