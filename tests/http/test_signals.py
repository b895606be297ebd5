"""Signals of AI agents: all that they say, kept and shown where it belongs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asking import SIGNAL, ask, places, problem
from tests.conftest import Server

USAGE = {
    "provider": "openai", "model": "o9", "input_tokens": 1200, "output_tokens": 300,
    "cached_tokens": 200, "cost": "0.0123", "currency": "USD", "duration": 2.5, "calls": 1,
    "tool_calls": 2,
}  # fmt: skip
INPUTS = [
    {
        "metric_type": "price", "name": "AAPL", "labels": {"venue": "x"}, "value": 187.2,
        "timestamp": "2026-01-31T11:59:00.000000Z",
    },
    {"url": "https://example.com/10-k?a=1#b", "title": "10-K"},
]  # fmt: skip
THESIS = "Margins *rise*:\n\x07\u202e\u2066 <script>alert(1)</script>\t" + "=1+1 " * 9000
FULL = {
    "id": "s-1", "symbol": "AAPL", "direction": "buy", "confidence": 0.7, "conviction": -0.25,
    "rating": "Strong-Buy", "horizon": "P5DT4H", "entry_price": "187.20", "target_price": "195",
    "stop_loss": "180.00", "size": "10.0", "timestamp": "2026-01-31T12:00:00Z",
    "valid_until": "2099-01-31T12:00:00Z", "model": "o9", "prompt_hash": "sha256:ab",
    "cycle_id": 17, "supersedes": "s-0", "usage": [USAGE], "metadata": {"n": 1},
    "thesis": THESIS, "inputs": INPUTS,
}  # fmt: skip
PATH = "/api/agents/value-1/signals"


async def test_a_signal_is_kept_in_full_and_listed_without_its_long_texts(either: Server) -> None:
    key = await either.key("publish", "view_agents")
    made = await ask(either, "POST", PATH, key, json=FULL)
    assert (made.status, made.headers["Location"]) == (201, f"{PATH}/s-1")
    assert (await ask(either, "POST", PATH, key, json=FULL)).status == 200
    shown = (await ask(either, "GET", f"{PATH}/s-1", key)).json
    assert (shown["thesis"], shown["inputs"]) == (THESIS, INPUTS)
    assert {name: shown[name] for name in ("rating", "cycle_id", "abstained", "reason")} == {
        "rating": "strong_buy", "cycle_id": "17", "abstained": False, "reason": None,
    }  # fmt: skip
    short = {name: value for name, value in shown.items() if name not in ("thesis", "inputs")}
    assert short["usage"] == [USAGE]
    assert short["received_at"] > short["timestamp"]
    assert made.json == short
    assert (await ask(either, "GET", PATH, key)).json == [short]
    (agent,) = (await ask(either, "GET", "/api/agents?start_time=2026-01-01T00:00:00Z", key)).json
    assert agent["signals"] == [short]
    exported = await ask(either, "GET", f"{PATH}/export?format=ndjson", key)
    assert exported.body.count(b"\n") == 1
    for back in (short, shown, exported.json):  # what was read may be sent back
        assert (await ask(either, "POST", PATH, key, json=back)).status == 200, back


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_an_export_of_signals_is_imported_again(either: Server, form: str) -> None:
    key = await either.key("publish", "view_agents")
    for body in (FULL, {"symbol": "A", "abstained": True, "reason": "blind", "id": "s-2"}):
        assert (await ask(either, "POST", PATH, key, json=body)).status == 201
    file = await ask(either, "GET", f"{PATH}/export?format={form}", key)
    media = {"Content-Type": file.headers["Content-Type"]}
    there = await ask(either, "POST", f"{PATH}/import", key, data=file.body, headers=media)
    assert there.json == {"accepted": 2, "new": 0}


async def test_an_agent_that_abstains_needs_no_direction(either: Server) -> None:
    key = await either.key("publish", "view_agents")
    blind = {"id": "s-1", "symbol": "AAPL", "abstained": True, "reason": "no data since noon"}
    made = await ask(either, "POST", PATH, key, json=blind)
    assert (made.status, made.json["direction"], made.json["abstained"]) == (201, "hold", True)
    assert (await ask(either, "POST", PATH, key, json=blind)).status == 200
    held = {**blind, "id": "s-2", "abstained": False, "direction": "hold"}
    assert (await ask(either, "POST", PATH, key, json=held)).json["abstained"] is False


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"direction": None}, ["/direction"]),
    ({"abstained": True}, ["/direction"]),
    ({"abstained": "maybe"}, ["/abstained"]),
    ({"conviction": 1.01}, ["/conviction"]),
    ({"rating": "very good!"}, ["/rating"]),
    ({"horizon": "P1M"}, ["/horizon"]),
    ({"horizon": "P1Y2D"}, ["/horizon"]),
    ({"horizon": "5 days"}, ["/horizon"]),
    ({"horizon": "PT0S"}, ["/horizon"]),
    ({"size": "-1"}, ["/size"]),
    ({"thesis": "ü" * 32769}, ["/thesis"]),
    ({"id": "s-1", "supersedes": "s-1"}, ["/supersedes"]),
    ({"usage": [{**USAGE, "input_tokens": -1}]}, ["/usage/0/input_tokens"]),
    ({"usage": [{**USAGE, "cost": "-0.01"}]}, ["/usage/0/cost"]),
    ({"usage": [{**USAGE, "currency": None}]}, ["/usage/0/currency"]),
    ({"usage": [{**USAGE, "cached_tokens": 1201}]}, ["/usage/0/cached_tokens"]),
    ({"usage": [{**USAGE, "calls": 1.5}]}, ["/usage/0/calls"]),
    ({"usage": [{}]}, ["/usage/0/model"]),
    ({"inputs": [{"value": 1}]}, ["/inputs/0/name"]),
    ({"inputs": [{"url": "javascript:alert(1)"}]}, ["/inputs/0/url"]),
]


@pytest.mark.parametrize(("change", "expected"), WRONG, ids=lambda value: str(value)[:40])
async def test_what_is_wrong_with_a_signal_is_named(
    server: Server, change: dict[str, Any], expected: list[str]
) -> None:
    answer = await ask(server, "POST", PATH, await server.key("publish"), json=SIGNAL | change)
    assert places(answer) == expected


async def test_a_changed_mind_is_a_new_signal(either: Server) -> None:
    key = await either.key("publish", "view_agents")
    assert (await ask(either, "POST", PATH, key, json=FULL)).status == 201
    for change in ({"thesis": "Otherwise."}, {"inputs": INPUTS[:1]}, {"conviction": 1}):
        changed = await ask(either, "POST", PATH, key, json=FULL | change)
        assert problem(changed, 409)["errors"][0]["pointer"] == "/id"
    again = {**FULL, "id": "s-2", "supersedes": "s-1", "thesis": "Otherwise."}
    assert (await ask(either, "POST", PATH, key, json=again)).status == 201
    batch = [FULL, {**FULL, "thesis": "Otherwise."}]
    answer = await ask(either, "POST", f"{PATH}/batch?on_error=continue", key, json=batch)
    assert [result["status"] for result in answer.json["results"]] == [200, 409]


async def test_a_signal_is_shown_under_its_agent_only(server: Server) -> None:
    key = await server.key("publish", "view_agents")
    assert (await ask(server, "POST", PATH, key, json=FULL)).status == 201
    assert (await ask(server, "GET", "/api/agents/other/signals/s-1", key)).status == 404
    assert (await ask(server, "GET", f"{PATH}/s-9", key)).status == 404
