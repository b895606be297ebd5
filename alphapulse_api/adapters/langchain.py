"""LangChain and LangGraph: what the calls of models cost, by the agent that made them.

    meter = UsageMeter()
    graph.invoke(state, {"callbacks": [meter]})
    feed.record_signal("analyst", {..., "usage": meter.take("analyst")})

An agent is the node of a LangGraph graph, or `agent` in the metadata of the call's configuration.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from alphapulse_api.adapters.missing import missing

try:
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGeneration, LLMResult
except ModuleNotFoundError as error:
    raise missing("langchain-core", error, "langchain") from None

__all__ = ["UsageMeter"]

NOBODY: Final = "unknown"
Key = tuple[str, str | None, str | None]  # agent, provider, model


class _Call(NamedTuple):
    """A call of a model that has not ended."""

    key: Key
    started: float


class _Sums:
    """The calls of one model by one agent."""

    __slots__ = (
        "cached_tokens",
        "calls",
        "duration",
        "input_tokens",
        "output_tokens",
        "tool_calls",
    )

    def __init__(self) -> None:
        self.calls = self.tool_calls = 0
        self.input_tokens = self.output_tokens = self.cached_tokens = 0
        self.duration = 0.0


class UsageMeter(BaseCallbackHandler):
    """Counts calls, tokens and seconds of models; from any thread.

    The tokens are those that the provider reports, the cached ones among the input. A call that
    fails, or whose provider reports none, counts as a call without tokens. Costs are left to the
    server, which knows prices.

    Args:
        agent_of: the agent of a call, by the metadata of its run; default: `agent`, else the node
            of LangGraph.
    """

    def __init__(self, agent_of: Callable[[Mapping[str, Any]], str] | None = None) -> None:
        self._agent_of = agent_of or _agent_of
        self._running: dict[UUID, _Call] = {}
        self._sums: dict[Key, _Sums] = {}
        self._lock = threading.Lock()

    def take(self, agent: str | None = None) -> list[dict[str, Any]]:
        """The usage since the last call, as the field `usage` of a signal or a decision takes it.

        Args:
            agent: only of this agent; default: of all.
        """
        with self._lock:
            keys = [key for key in self._sums if agent in (None, key[0])]
            return [_entry(key, self._sums.pop(key)) for key in keys]

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the start of a call of a chat model."""
        self._start(run_id, metadata or {})

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the start of a call of a completion model."""
        self._start(run_id, metadata or {})

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Count a call that succeeded."""
        messages = [
            generation.message
            for prompt in response.generations
            for generation in prompt
            if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage)
        ]
        self._end(run_id, messages)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Count a call that failed."""
        self._end(run_id, [])

    def _start(self, run_id: UUID, metadata: Mapping[str, Any]) -> None:
        key = (
            self._agent_of(metadata),
            metadata.get("ls_provider"),
            metadata.get("ls_model_name"),
        )
        with self._lock:
            self._running[run_id] = _Call(key, time.monotonic())

    def _end(self, run_id: UUID, messages: list[AIMessage]) -> None:
        with self._lock:
            call = self._running.pop(run_id, None)
            if call is None:
                return
            sums = self._sums.setdefault(_named(call.key, messages), _Sums())
            sums.calls += 1
            sums.duration += time.monotonic() - call.started
            for message in messages:
                sums.tool_calls += len(message.tool_calls)
                if (usage := message.usage_metadata) is not None:
                    sums.input_tokens += usage["input_tokens"]
                    sums.output_tokens += usage["output_tokens"]
                    details = usage.get("input_token_details") or {}
                    sums.cached_tokens += details.get("cache_read") or 0


def _named(key: Key, messages: list[AIMessage]) -> Key:
    """The key with the model that answered, which is more exact than the one that was asked for."""
    for message in messages:
        if isinstance(name := message.response_metadata.get("model_name"), str):
            return (*key[:2], name)
    return key


def _agent_of(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("agent") or metadata.get("langgraph_node") or NOBODY)


def _entry(key: Key, sums: _Sums) -> dict[str, Any]:
    _, provider, model = key
    entry: dict[str, Any] = {"calls": sums.calls, "duration": round(sums.duration, 6)}
    if provider is not None:
        entry["provider"] = provider
    if model is not None:
        entry["model"] = model
    if sums.input_tokens or sums.output_tokens:
        entry["input_tokens"] = sums.input_tokens
        entry["output_tokens"] = sums.output_tokens
    if sums.cached_tokens:
        entry["cached_tokens"] = sums.cached_tokens
    if sums.tool_calls:
        entry["tool_calls"] = sums.tool_calls
    return entry
