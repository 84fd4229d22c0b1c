"""What clients of OpenAI's API in Python do with a running agent: `python clients.py URL TOKEN MODEL`.

Their packages are those of `uv run --with`, not of this repository.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any, Literal

TEA = [("user", "I like tea"), ("assistant", "Noted."), ("user", "What do I like?")]


def weather() -> Any:  # noqa: ANN401 - pydantic is the clients', and no dependency of this repository
    """The model of an answer, of which the offline model makes the smallest one."""
    return import_module("pydantic").create_model("Weather", sky=(Literal["grey", "clear"], ...))


def langchain(url: str, token: str, model: str) -> None:
    chat: Any = import_module("langchain_openai").ChatOpenAI
    for responses in (False, True):
        agent = chat(model=model, base_url=url, api_key=token, use_responses_api=responses)
        assert "Hello" in agent.invoke("Hello").text
        assert "Saved" in "".join(piece.text for piece in agent.stream("Note: buy tea"))
        assert '"I like tea"' in agent.invoke(TEA).text
        assert agent.with_structured_output(weather(), method="json_schema").invoke("Hello").sky == "grey"
    chained = chat(model=model, base_url=url, api_key=token, use_responses_api=True, use_previous_response_id=True)
    first = chained.invoke("I like cake")
    human = import_module("langchain_core.messages").HumanMessage
    assert '"I like cake"' in chained.invoke([human("I like cake"), first, human("What do I like?")]).text


async def pydantic_ai(url: str, token: str, model: str) -> None:
    models: Any = import_module("pydantic_ai.models.openai")
    provider = import_module("pydantic_ai.providers.openai").OpenAIProvider(base_url=url, api_key=token)
    for kind in (models.OpenAIChatModel, models.OpenAIResponsesModel):
        agent = import_module("pydantic_ai").Agent(kind(model, provider=provider), instructions="Be brief.")
        first = await agent.run("Note: I like tea")
        assert "Saved" in first.output
        after = await agent.run("What do I like?", message_history=first.all_messages())
        assert "I like tea" in after.output
        async with agent.run_stream("What time is it in Paris?") as stream:
            assert "Europe/Paris" in "".join([piece async for piece in stream.stream_text(delta=True)])
        native = import_module("pydantic_ai").NativeOutput(weather())
        assert (await agent.run("How is the sky?", output_type=native)).output.sky == "grey"


async def agents_sdk(url: str, token: str, model: str) -> None:
    agents: Any = import_module("agents")
    agents.set_tracing_disabled(disabled=True)
    client = import_module("openai").AsyncOpenAI(base_url=url, api_key=token)
    for kind in (agents.OpenAIResponsesModel, agents.OpenAIChatCompletionsModel):
        agent = agents.Agent(name="Caller", instructions="Be brief.", model=kind(model=model, openai_client=client))
        first = await agents.Runner.run(agent, "Note: buy tea")
        assert "Saved" in first.final_output
        history = [*first.to_input_list(), {"role": "user", "content": "What did I say?"}]
        assert "buy tea" in (await agents.Runner.run(agent, history)).final_output
        typed = agent.clone(output_type=weather())
        assert (await agents.Runner.run(typed, "How is the sky?")).final_output.sky == "grey"


if __name__ == "__main__":
    address, key, name = sys.argv[1:]
    where = f"{address}/v1", key, name
    langchain(*where)
    asyncio.run(pydantic_ai(*where))
    asyncio.run(agents_sdk(*where))
    print("done")
