"""One request and its whole answer, and what every refusal has in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from alphapulse_api.domain.errors import PROBLEM_TYPES
from tests.conftest import Server
from tests.waiting import until

VARY = "Authorization, X-API-Key, Accept, Accept-Encoding, Origin"
KINDS = {kind.uri: kind for kind in PROBLEM_TYPES}

# What an agent declares that can be told to pause and to halt.
OBEDIENT: dict[str, Any] = {
    "commands": [{"name": "pause", "level": "basic"}, {"name": "halt", "level": "basic"}]
}


class Answer(NamedTuple):
    """A response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(server: Server, method: str, path: str, caller: Any = None, **kwargs: Any) -> Answer:
    """Ask as `caller`, whose headers may be joined by others in `headers`."""
    headers = {**(caller or {}), **kwargs.pop("headers", {})}
    async with server.request(method, path, headers=headers, **kwargs) as response:
        return Answer(response.status, response.headers, await response.read())


async def until_ready(server: Server) -> None:
    """Wait for a 200 of /readyz: what was found a moment ago holds for a second."""

    async def ready() -> bool:
        return (await ask(server, "GET", "/readyz")).status == 200

    await until(ready)


def problem(answer: Answer, status: int) -> dict[str, Any]:
    """The problem that an answer is, with all that every problem has."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    content: dict[str, Any] = answer.json
    assert content["status"] == status
    kind = KINDS[content["type"]]
    assert kind.title == content["title"]
    assert kind.slug == "http-error" or kind.status == status
    assert content["detail"]
    assert content["request_id"] == answer.headers["X-Request-ID"]
    assert "Traceback" not in answer.body.decode()
    return content


def places(answer: Answer) -> list[str]:
    """Where the errors of a 422 are: pointers into the body, or names of parameters."""
    return [e.get("pointer", e.get("parameter")) for e in problem(answer, 422)["errors"]]


TRADE = {"symbol": "AAPL", "side": "buy", "quantity": "10", "price": "187.20"}
ALERT = {"title": "drawdown", "severity": "critical", "source": "risk"}
POINT = {"metric_type": "risk", "name": "var", "value": 1.5}
PORTFOLIO = {"total_value": "100000.00", "cash": "25000.00"}
SAMPLE = {"component": "feed", "status": "healthy"}
SIGNAL = {"symbol": "AAPL", "direction": "buy", "confidence": 0.7}
USAGE = {"agent_id": "analyst", "model": "gpt-4o", "input_tokens": 4000}
SILENCE = {"matchers": {"source": ["risk"]}, "until": "2099-12-31T00:00:00Z"}
RULE = {
    "name": "drawdown",
    "metric_type": "risk",
    "metric_name": "drawdown",
    "operator": ">",
    "threshold": 5,
}
RULE_TEST = {"rule": RULE, "start_time": "2026-01-31T00:00:00Z", "end_time": "2026-02-01T00:00:00Z"}
DECISION = {"agent_id": "manager", "signal_ids": ["s-1"], "reasoning": "They agree."}
