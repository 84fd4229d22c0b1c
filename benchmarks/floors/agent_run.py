"""The floor of a turn: FastAPI, one SELECT, two INSERTs, and `agent.run` of pydantic-ai."""

from __future__ import annotations

from uuid import UUID

from fastapi import FastAPI
from pydantic_ai import Agent

from benchmarks.floors import serve
from benchmarks.floors.conversation import PATH, Message, Reply, add, earlier, lifespan
from benchmarks.floors.model import INSTRUCTIONS, answering, history

app = FastAPI(lifespan=lifespan)
agent = Agent(answering(), instructions=INSTRUCTIONS)


@app.post(PATH)
async def send(session_id: UUID, message: Message) -> Reply:
    before = history(await earlier(session_id))
    await add(session_id, "user", message.text)
    result = await agent.run(message.text, message_history=before)
    await add(session_id, "assistant", result.output)
    return Reply(response=result.output)


if __name__ == "__main__":
    serve(app)
