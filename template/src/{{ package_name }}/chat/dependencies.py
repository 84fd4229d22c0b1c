"""What the routes of the chat depend on."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from .service import ChatService


async def _chat(request: Request) -> ChatService:  # a function without `async` would run in a thread
    chat: ChatService = request.app.state.chat
    return chat


Chat = Annotated[ChatService, Depends(_chat)]
