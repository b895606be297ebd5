"""The meter in real runs of langchain-core, with fake models that report usage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableParallel

from alphapulse_api.adapters.langchain import UsageMeter
from tests.conftest import Server
from tests.documented import LINES

pytestmark = pytest.mark.adapters


def answers() -> Iterator[AIMessage]:
    """What a provider answers, with its report of tokens."""
    for number in range(1, 100):
        yield AIMessage(
            f"answer {number}",
            usage_metadata={
                "input_tokens": 100 * number,
                "output_tokens": 10,
                "total_tokens": 100 * number + 10,
                "input_token_details": {"cache_read": 60},
            },
            response_metadata={"model_name": "gpt-5-2026"},
            tool_calls=[{"name": "prices", "args": {}, "id": str(number)}],
        )


class Broken(FakeListChatModel):
    """A model whose provider is down."""

    def _call(self, *args: Any, **kwargs: Any) -> str:
        raise ConnectionError("the provider is down")


def asked(model: Any, meter: UsageMeter, **metadata: str) -> None:
    config: RunnableConfig = {"callbacks": [meter], "metadata": metadata}
    (RunnableLambda(lambda text: f"{text}?") | model).invoke("buy", config)


def test_calls_of_an_agent_are_summed() -> None:
    meter = UsageMeter()
    model = GenericFakeChatModel(messages=answers())
    asked(model, meter, agent="analyst")
    asked(model, meter, agent="analyst")
    (entry,) = meter.take("analyst")
    assert entry.pop("duration") >= 0
    assert entry == {
        "provider": "genericfakechatmodel",
        "model": "gpt-5-2026",
        "calls": 2,
        "input_tokens": 300,
        "output_tokens": 20,
        "cached_tokens": 120,
        "tool_calls": 2,
    }
    assert meter.take() == []


def test_the_line_of_the_table() -> None:
    meter = UsageMeter()
    known = {"chain": GenericFakeChatModel(messages=answers()), "question": "?", "meter": meter}
    exec(LINES["LangChain or LangGraph"], known)
    assert [entry["calls"] for entry in meter.take()] == [1]


def test_agents_are_told_apart_also_when_they_run_at_once() -> None:
    meter = UsageMeter()
    model = GenericFakeChatModel(messages=answers())
    nodes = {
        name: model.with_config({"metadata": {"langgraph_node": name}}) for name in ("bull", "bear")
    }
    RunnableParallel(nodes).invoke("AAPL", {"callbacks": [meter]})
    assert meter.take("stranger") == []
    assert [entry["calls"] for entry in meter.take("bull")] == [1]
    assert [entry["calls"] for entry in meter.take("bear")] == [1]


async def test_asynchronous_and_streamed_calls_count() -> None:
    meter = UsageMeter()
    model = GenericFakeChatModel(messages=answers())
    config: RunnableConfig = {"callbacks": [meter], "metadata": {"agent": "analyst"}}
    await model.ainvoke("buy?", config)
    assert "".join([str(chunk.content) async for chunk in model.astream("buy?", config)])
    assert sum(entry["calls"] for entry in meter.take()) == 2


def test_calls_that_fail_or_report_nothing_count_without_tokens() -> None:
    meter = UsageMeter()
    asked(FakeListChatModel(responses=["yes"]), meter, agent="silent")
    with pytest.raises(ConnectionError):
        asked(Broken(responses=[]), meter, agent="broken")
    for agent in ("silent", "broken"):
        (entry,) = meter.take(agent)
        assert entry["calls"] == 1
        assert "input_tokens" not in entry


async def test_the_server_takes_what_the_meter_gives(server: Server) -> None:
    meter = UsageMeter()
    asked(GenericFakeChatModel(messages=answers()), meter, agent="analyst")
    signal = {"symbol": "AAPL", "direction": "buy", "usage": meter.take("analyst")}
    stored = await server.feed.record_signal("analyst", signal)
    assert stored["usage"][0]["input_tokens"] == 100
