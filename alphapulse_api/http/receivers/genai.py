"""Spans of calls of models as records of usage, by OpenTelemetry's conventions.

Only spans of calls count: those of agents and tools contain others, and would count tokens twice.
The agent is `gen_ai.agent.id` or `gen_ai.agent.name` of the span or of a span that contains it in
the same export, else the resource's `service.name`. The cycle is the attribute
`alphapulse.cycle_id`, else the trace.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from alphapulse_api.runtime.slices import Steps

PREFIX: Final = "gen_ai."
_CALLS: Final = frozenset({"chat", "text_completion", "generate_content", "embeddings"})
_CONTAINING: Final = 64  # spans that contain each other, at most
# By field of a record: the attributes that may have it, the newest name first.
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "model": ("gen_ai.response.model", "gen_ai.request.model"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
    ),
    "decision_id": ("alphapulse.decision_id",),
    "cycle_id": ("alphapulse.cycle_id",),
    "book": ("alphapulse.book",),
}  # fmt: skip
_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-f]{16}")
_AGENT: Final = ("gen_ai.agent.id", "gen_ai.agent.name", "alphapulse.agent_id")

_NO_ID: Final = (
    "A span has a trace id of 32 hexadecimal digits and an id of 16, neither of zeros only."
)


class Span(NamedTuple):
    """A span that was decoded.

    Attributes:
        trace_id: in lower-case hexadecimal, as the other ids.
        parent_id: of the span that contains it, or "".
        start: in nanoseconds since the epoch, as `end`.
        attributes: its own.
        service: the name of the service that it belongs to, or "".
    """

    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    attributes: Mapping[str, Any]
    service: str

    @property
    def is_call(self) -> bool:
        """Whether it is a call of a model."""
        operation = self.attributes.get("gen_ai.operation.name")
        if operation is not None:
            return operation in _CALLS
        return _first(self.attributes, _FIELDS["input_tokens"]) is not None


class Calls(NamedTuple):
    """The calls of models among the spans of one export.

    Attributes:
        records: of usage, not checked yet.
        refused: why others have none, a text for each.
    """

    records: list[dict[str, Any]]
    refused: list[str]


def calls_in(spans: Sequence[Span]) -> Steps[Calls]:
    """Find the calls of models. One without a valid id is refused: it could count twice.

    Args:
        spans: all of them: those that are no calls may name the agent.
    """
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    calls = Calls([], [])
    for span in spans:
        if span.is_call:
            if _TRACE_ID.fullmatch(span.trace_id) and _SPAN_ID.fullmatch(span.span_id):
                calls.records.append(_record(span, by_id))
            else:
                calls.refused.append(_NO_ID)
        yield
    return calls


def _record(span: Span, by_id: Mapping[tuple[str, str], Span]) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": f"span:{span.trace_id}:{span.span_id}",
        "agent_id": _agent(span, by_id),
        "cycle_id": span.trace_id,
        "timestamp": span.start,
        "duration": max(0, span.end - span.start) / 1e9,
    }
    for field, names in _FIELDS.items():
        if (value := _first(span.attributes, names)) is not None:
            record[field] = value
    return record


def _agent(span: Span, by_id: Mapping[tuple[str, str], Span]) -> str:
    here: Span | None = span
    for _ in range(_CONTAINING):
        if here is None:
            break
        if (named := _first(here.attributes, _AGENT)) is not None:
            return str(named)
        here = by_id.get((here.trace_id, here.parent_id))
    return span.service or "unknown"


def _first(attributes: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((attributes[name] for name in names if attributes.get(name) is not None), None)
