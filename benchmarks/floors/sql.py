"""The floor of a stored turn: FastAPI, one SELECT and two INSERTs, no model."""

from __future__ import annotations

from uuid import UUID

from fastapi import FastAPI

from benchmarks.floors import serve
from benchmarks.floors.conversation import PATH, Message, Reply, add, earlier, lifespan

app = FastAPI(lifespan=lifespan)


@app.post(PATH)
async def send(session_id: UUID, message: Message) -> Reply:
    number = len(await earlier(session_id)) // 2 + 1
    await add(session_id, "user", message.text)
    response = f"This is message {number}."
    await add(session_id, "assistant", response)
    return Reply(response=response)


if __name__ == "__main__":
    serve(app)
