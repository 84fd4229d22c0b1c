"""The routes of conversations: each is a session, and its items are the messages and calls of its turns."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response as HttpResponse

from ..chat.conversation_store import Conversation, NewSession
from ..chat.models import TurnKey
from ..problems import Problem
from . import objects
from .dependencies import Service, answer
from .errors import responses
from .ids import conversation_id, parse_item
from .inputs import ConversationChange, ConversationIn, ItemsIn, read_messages
from .outputs import added_items
from .pages import ThePage, no_item

router = APIRouter(prefix="/conversations")


async def _conversation(
    service: Service, conversation_id: Annotated[str, Path(description="The id of a conversation.")]
) -> Conversation:
    return await service.conversation(conversation_id)


TheConversation = Annotated[Conversation, Depends(_conversation)]


@router.post(
    "",
    response_model=objects.Conversation,
    response_description="The new conversation.",
    responses=responses(400, 413, 415),
)
async def create_conversation(service: Service, body: ConversationIn) -> HttpResponse:
    """Create a conversation, with messages for the agent to know if there are any."""
    added = read_messages(body.items or [])
    service.check_added(added)
    session_id = await service.conversations.create(service.owner, NewSession(body.metadata or {}, added))
    return answer(_view(await service.conversations.get(service.owner, session_id)))


@router.get(
    "/{conversation_id}",
    response_model=objects.Conversation,
    response_description="The conversation.",
    responses=responses(404),
)
async def get_conversation(conversation: TheConversation) -> HttpResponse:
    """Return a conversation. Each session is one."""
    return answer(_view(conversation))


@router.post(
    "/{conversation_id}",
    response_model=objects.Conversation,
    response_description="The changed conversation.",
    responses=responses(400, 404, 413, 415),
)
async def update_conversation(
    service: Service, conversation: TheConversation, body: ConversationChange
) -> HttpResponse:
    """Replace the metadata of a conversation."""
    await service.conversations.set_metadata(service.owner, conversation.session_id, body.metadata or {})
    return answer(_view(await service.conversations.get(service.owner, conversation.session_id)))


@router.delete(
    "/{conversation_id}",
    response_model=objects.DeletedConversation,
    response_description="The conversation is deleted.",
    responses=responses(404),
)
async def delete_conversation(service: Service, conversation: TheConversation) -> HttpResponse:
    """Delete a conversation with its responses and items."""
    await service.chat.delete_session(service.owner, conversation.session_id, actor=service.actor)
    return answer(objects.DeletedConversation(id=conversation_id(conversation.session_id)))


@router.get(
    "/{conversation_id}/items",
    response_model=objects.ItemList,
    response_description="A page of items.",
    responses=responses(400, 404),
)
async def list_items(service: Service, conversation: TheConversation, page: ThePage) -> HttpResponse:
    """List the items of a conversation: messages, calls of tools, and requests for approval."""
    start = parse_item(page.after) if page.after else None
    if page.after and (start is None or start.key.session_id != conversation.session_id):
        raise no_item(page.after)
    found: list[objects.Item] = []
    skipping = start is not None
    async for item in service.items(conversation, start.key.number if start else None, ascending=page.ascending):
        if not skipping:
            found.append(item)
        elif item.id == page.after:
            skipping = False
        if len(found) > page.limit:
            break
    if skipping:
        raise no_item(page.after or "")
    return answer(page.cut(found))


@router.post(
    "/{conversation_id}/items",
    response_model=objects.ItemList,
    response_description="The new items.",
    responses=responses(400, 404, 413, 415),
)
async def create_items(service: Service, conversation: TheConversation, body: ItemsIn) -> HttpResponse:
    """Add messages to a conversation, for the next response to know."""
    added = read_messages(body.items)
    service.check_added([*conversation.added, *added])
    await service.conversations.add(service.owner, conversation.session_id, added)
    key = TurnKey(conversation.session_id, conversation.turn_count + 1)
    items = list(added_items(key, [*conversation.added, *added]))[len(conversation.added) :]
    return answer(objects.ItemList(data=items, first_id=items[0].id, last_id=items[-1].id, has_more=False))


@router.get(
    "/{conversation_id}/items/{item_id}",
    response_model=objects.Item,
    response_description="The item.",
    responses=responses(404),
)
async def get_item(
    service: Service,
    conversation: TheConversation,
    item_id: Annotated[str, Path(description="The id of an item of the conversation.")],
) -> HttpResponse:
    """Return an item of a conversation."""
    wanted = parse_item(item_id)
    if wanted is not None and wanted.key.session_id == conversation.session_id:
        for item in await service.items_of(conversation, wanted.key.number):
            if item.id == item_id:
                return answer(item)
    raise Problem(404, "not-found", f"Item with id '{item_id[:100]}' not found.")


def _view(conversation: Conversation) -> objects.Conversation:
    return objects.Conversation(
        id=conversation_id(conversation.session_id),
        created_at=int(conversation.created_at.timestamp()),
        metadata=conversation.metadata,
    )
