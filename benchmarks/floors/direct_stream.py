"""The floor of a turn without an agent: FastAPI, one SELECT, two INSERTs, and a direct stream of pydantic-ai."""

from __future__ import annotations

from uuid import UUID

from fastapi import FastAPI
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import ModelRequest, UserPromptPart

from benchmarks.floors import serve
from benchmarks.floors.conversation import PATH, Message, Reply, add, earlier, lifespan
from benchmarks.floors.model import INSTRUCTIONS, history, streaming

app = FastAPI(lifespan=lifespan)
model = streaming()


@app.post(PATH)
async def send(session_id: UUID, message: Message) -> Reply:
    request = ModelRequest([UserPromptPart(message.text)], instructions=INSTRUCTIONS)
    messages = [*history(await earlier(session_id)), request]
    await add(session_id, "user", message.text)
    async with model_request_stream(model, messages) as stream:
        async for _ in stream:
            pass
        response = str(stream.get().text)
    await add(session_id, "assistant", response)
    return Reply(response=response)


if __name__ == "__main__":
    serve(app)
