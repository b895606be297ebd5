"""The schemas mean to a validator in JavaScript what they mean to the server."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tests.asking import ALERT, POINT, SAMPLE, SIGNAL, TRADE, ask
from tests.clients.toolbox import HERE, Toolbox
from tests.conftest import Server
from tests.socket_client import connect

pytestmark = pytest.mark.clients

FACE = "\U0001f600"  # one character, and two units of UTF-16
NO_NAMES = ("", "1risk", "rïsk", "risk\n", "\nrisk", "r" * 65)


class Samples(NamedTuple):
    """Values of one field of a record that is valid otherwise; some of them are valid."""

    path: str
    schema: str
    record: dict[str, Any]
    field: str
    values: tuple[Any, ...]


POINTS = ("/api/metrics", "MetricPointRequest", POINT)
TRADES = ("/api/trades", "TradeRequest", TRADE)
SAMPLES = (
    Samples(*POINTS, "metric_type", ("risk_1", "r" * 64, "Risk", "riskZ", *NO_NAMES)),
    Samples(*POINTS, "name", (FACE * 128, FACE * 129, "x" * 129, "")),
    Samples(*POINTS, "value", (1, -0.5, None, "risk")),
    Samples(*TRADES, "id", ("t-1", "é:1", FACE * 128, FACE * 129, "")),
    Samples(
        *TRADES,
        "id",
        # U+0085, which the server refuses too, has no notation that all languages understand.
        ("a b", "a/b", "a?", "a{", "a\u2028", "a\ufeff", "a\u3000", "a\x1c"),
    ),
    Samples(*TRADES, "quantity", ("10", "+1", "1.", ".5", "1e3", "1E-3")),
    Samples(*TRADES, "quantity", ("-1", "abc", "", "１", "1\n", " 1", "0x10", "NaN", "1e", ".")),
    Samples(*TRADES, "price", ("-1", "0", "−1", "--1")),
    Samples(*TRADES, "order_type", ("limit", "iceberg_2", *NO_NAMES)),
    Samples(*TRADES, "executed_at", ("2026-01-31T12:00:00Z", "yesterday")),
    Samples(*TRADES, "colour", ("red",)),
    *(Samples(*TRADES, name, (None,)) for name in ("id", "fees", "metadata", "symbol", "quantity")),
    *(Samples(*TRADES, name, (None, 1, "x", [])) for name in ("updated_at", "history")),
    Samples("/api/alerts", "AlertRequest", ALERT, "tags", (None, ["a"], "a")),
    Samples("/api/alerts", "AlertRequest", ALERT, "status", (None, "active", "none")),
    Samples("/api/alerts", "AlertRequest", ALERT, "severity", ("info", "urgent", "info\n")),
    Samples("/api/agents/a/signals", "SignalRequest", SIGNAL, "confidence", (0, 1, 1.01, -0.1)),
    Samples("/api/system", "SystemSampleRequest", SAMPLE, "status", ("offline", "tired")),
)


SUBSCRIPTIONS: tuple[dict[str, Any], ...] = (
    {"channels": ["alerts"], "filters": {"alerts": {"severities": ["critical"]}}},
    {"channels": ["alerts"], "filters": {"alerts": {"severities": ["urgent"]}}},
    {"channels": ["alerts"], "filters": {"alerts": {"severities": []}}},
    {"channels": ["alerts"], "filters": {"alerts": {"colours": ["red"]}}},
    {"channels": ["metrics"], "filters": {"metrics": {"metric_types": ["risk"]}}},
    {"channels": ["metrics"], "filters": {"metrics": {"metric_types": ["risk\n"]}}},
    {"channels": ["trades"], "filters": {"trades": {"symbols": ["AAPL"] * 101}}},
    {"channels": ["trades"], "filters": {"trades": {"symbols": ["A" * 64, "A" * 65]}}},
    {"channels": ["trades"], "filters": {"trades": {"strategies": [""]}}},
    {"channels": ["trades"], "since": {"trades": "x-1"}, "snapshot": False},
    {"channels": ["trades"], "id": "i" * 37},
    {"channels": ["orders"]},
    {"channels": []},
    {"snapshot": True},
    {"channels": ["trades"], "colour": "red"},
)


async def test_ajv_accepts_the_subscriptions_that_the_server_accepts(
    server: Server, documents: Toolbox
) -> None:
    asked = [{"type": "subscribe", **subscription} for subscription in SUBSCRIPTIONS]
    ours = []
    async with connect(server, await server.key()) as client:
        for message in asked:
            ours.append((message, (await client.ask(**message))["type"] == "subscribed"))
    theirs = await accepted(documents, [("asyncapi.json", "SubscribeRequest", m) for m in asked])
    assert list(zip(asked, theirs, strict=True)) == ours


async def accepted(documents: Toolbox, samples: list[tuple[str, str, Any]]) -> list[bool]:
    """Which values Ajv finds to be of a schema: document, name of the schema, value."""
    documents.write("ajv.mjs", (HERE / "ajv.mjs").read_text())
    documents.write("samples.json", json.dumps(samples))
    found: list[bool] = json.loads(await documents.shell("node ajv.mjs < samples.json"))
    return found


async def test_ajv_compiles_every_schema_and_accepts_what_the_server_accepts(
    server: Server, documents: Toolbox
) -> None:
    caller = await server.key("publish")
    records = [(s, {**s.record, s.field: value}) for s in SAMPLES for value in s.values]
    ours = []
    for samples, record in records:
        status = (await ask(server, "POST", samples.path, caller, json=record)).status
        assert status in (200, 201, 422)
        ours.append((samples.path, record[samples.field], status != 422))

    asked = [("openapi.json", samples.schema, record) for samples, record in records]
    answers = await accepted(documents, asked)
    theirs = [(*told[:2], accepts) for told, accepts in zip(ours, answers, strict=True)]
    assert theirs == ours
