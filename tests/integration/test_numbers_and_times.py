"""Numbers and times are the same by every way in and out, on both engines."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from alphapulse_api.client import DashboardClient
from alphapulse_api.config import AuthConfig, DatabaseConfig, EventsConfig
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.times import now
from tests.asking import ALERT, POINT, PORTFOLIO, SAMPLE, SIGNAL, TRADE, Answer, ask, places
from tests.conftest import Serve, Server
from tests.socket_client import connect

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}
WEI = 123456789012345678901234567890
METADATA = {
    "exchange_id": 123456789012345678901,
    "deep": [{"wei": WEI, "least": -(2**63) - 1, "most": 2**64}],
    "usual": [2**63 - 1, -(2**63), 2**64 - 1, 0, 1.5, True],
}
TEXT = json.dumps(METADATA)


@pytest.fixture(params=["sqlite", "postgres"])
async def stored_in(request: pytest.FixtureRequest, serve: Serve) -> Server:
    """A server on either engine."""
    if request.param == "sqlite":
        return await serve()
    postgres = request.getfixturevalue("postgres")
    auth = AuthConfig(jwt_secret="x" * 32)
    return await serve(database=DatabaseConfig(url=await postgres.emptied()), auth=auth)


async def _post(
    server: Server, path: str, body: Any, headers: dict[str, str] | None = None
) -> Answer:
    caller = await server.key("publish")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    method = "PUT" if path == "/api/portfolio" else "POST"
    kind = headers or {"Content-Type": "application/json"}
    return await ask(server, method, path, caller, data=data, headers=kind)


def _csv(*rows: dict[str, Any]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


async def test_long_integers_in_metadata_keep_their_digits_by_every_way(stored_in: Server) -> None:
    server, caller = stored_in, await stored_in.key("publish")
    record = {**TRADE, "metadata": METADATA}
    async with connect(server, caller) as client:
        await client.ask(type="subscribe", channels=["trades", "alerts"])
        assert (await _post(server, "/api/trades", {**record, "id": "json"})).status == 201
        assert (await _post(server, "/api/trades", [{**record, "id": "array"}])).status == 201
        line = json.dumps({**record, "id": "ndjson"}).encode()
        assert (await _post(server, "/api/trades", line, NDJSON)).status == 201
        cells = _csv({**TRADE, "id": "csv", "metadata": TEXT})
        assert (await _post(server, "/api/trades", cells, CSV)).status == 201
        await server.feed.record_trade({**record, "id": "feed"})
        async with DashboardClient(server.url, api_key=caller["X-API-Key"]) as http:
            await http.record_trade({**record, "id": "client"})
            assert (await http.trade("client"))["metadata"] == METADATA
        received = await client.receive_many(6, "trade")
        await server.feed.raise_alert({**ALERT, "id": "a1", "metadata": METADATA})
        received.append(await client.receive("alert"))
    assert [message["data"]["metadata"] for message in received] == [METADATA] * 7
    # The same again is the same, whichever way it comes.
    assert (await _post(server, "/api/trades", {**record, "id": "csv"})).status in (200, 201)

    async def got(form: str) -> bytes:
        return (await ask(server, "GET", f"/api/trades?format={form}", caller)).body

    assert [row["metadata"] for row in json.loads(await got("json"))] == [METADATA] * 6
    lines = [json.loads(line) for line in (await got("ndjson")).splitlines()]
    assert [row["metadata"] for row in lines] == [METADATA] * 6
    rows = list(csv.DictReader(io.StringIO((await got("csv")).decode())))
    assert [json.loads(row["metadata"]) for row in rows] == [METADATA] * 6
    table = pa.ipc.open_stream(await got("arrow")).read_all()
    assert [json.loads(text) for text in table["metadata"].to_pylist()] == [METADATA] * 6
    for path in ("/api/trades/feed", "/api/alerts/a1"):
        assert (await server.json(path, caller))["metadata"] == METADATA
    async with connect(server, caller) as client:
        await client.ask(type="subscribe", channels=["trades"], snapshot=True)
        shown = await client.receive_many(6, "trade")
    assert [message["data"]["metadata"] for message in shown] == [METADATA] * 6
    signal = {**SIGNAL, "id": "s1", "metadata": METADATA}
    assert (await _post(server, "/api/agents/x/signals", signal)).json["metadata"] == METADATA
    (agent,) = await server.json("/api/agents", caller)
    assert agent["signals"][0]["metadata"] == METADATA


async def test_long_integers_keep_their_digits_by_way_of_redis(
    serve: Serve, redis_url: str, shared_store: dict[str, Any]
) -> None:
    sections = {**shared_store, "events": EventsConfig(type="redis", redis_url=redis_url)}
    one, other = await serve(**sections), await serve(**sections)
    caller = await one.login("admin")
    await other.backend.authenticator.refresh()
    async with connect(other, caller) as client:
        began = await client.ask(type="subscribe", channels=["trades"])
        await one.feed.record_trade({**TRADE, "id": "t1", "metadata": METADATA})
        assert (await client.receive("trade"))["data"]["metadata"] == METADATA
    since = {"trades": began["channels"]["trades"]["cursor"]}
    for filters in ({}, {"trades": {"symbols": [TRADE["symbol"]]}}):
        async with connect(other, caller) as client:
            ask_again = {"channels": ["trades"], "since": since, "filters": filters}
            assert (await client.ask(type="subscribe", **ask_again))["type"] == "subscribed"
            assert (await client.receive("trade"))["data"]["metadata"] == METADATA


async def test_a_number_that_no_double_holds_is_refused_however_it_is_written(
    server: Server,
) -> None:
    gigantic = ("1e400", "-1e400", "1" + "0" * 400, "1" * 5000, "1e99999999999999999999")
    for text in gigantic:
        body = json.dumps({**POINT, "value": 0}).replace('"value": 0', f'"value": {text}').encode()
        for data, kind in (
            (body, None),
            (b"[" + body + b"]", None),
            (body, NDJSON),
            (_csv({**POINT, "value": text}), CSV),
        ):
            answer = await _post(server, "/api/metrics", data, kind)
            (place,) = places(answer)
            assert place.rpartition("/")[2] == "value", (text, kind)
            error = answer.json["errors"][0]["detail"]
            assert "too large" in error or "Not a number" in error, (text, kind, error)
    for number in (-(10**5000), Decimal("1e400"), Decimal("-1e400")):
        for field, value in (("metric_value", number), ("metadata", {"a": [number]})):
            with pytest.raises(ValidationProblem, match=r"too large|digits") as refused:
                await server.feed.raise_alert({**ALERT, field: value})
            assert refused.value.errors[0]["pointer"] == f"/{field}"
    assert await server.json("/api/metrics", await server.key()) == []
    # What trading code means by them: nothing is known.
    for text in ("Infinity", "-Infinity", "NaN", "null"):
        body = json.dumps({**POINT, "value": 0}).replace('"value": 0', f'"value": {text}').encode()
        assert (await _post(server, "/api/metrics", body)).status == 201
    assert (
        await _post(server, "/api/metrics", _csv({**POINT, "value": "-inf"}), CSV)
    ).status == 201
    points = await server.json("/api/metrics/risk", await server.key())
    assert {point["value"] for point in points} == {None}


async def test_a_huge_integer_is_a_metric_value(stored_in: Server) -> None:
    number = 10**25 + 1
    for n, (data, kind) in enumerate(
        (
            ({**POINT, "value": number}, None),
            ([{**POINT, "value": number}], None),
            (json.dumps({**POINT, "value": number}).encode(), NDJSON),
            (_csv({**POINT, "value": number}), CSV),
        )
    ):
        assert (await _post(stored_in, "/api/metrics", data, kind)).status == 201, n
    await stored_in.feed.record_metrics({**POINT, "value": number})
    points = await stored_in.json("/api/metrics/risk", await stored_in.key())
    assert [point["value"] for point in points] == [1e25] * 5


async def test_prices_below_zero_are_kept_and_computed_with(stored_in: Server) -> None:
    record = {**TRADE, "id": "power", "price": "-37.63"}
    assert (await _post(stored_in, "/api/trades", record)).json["value"] == "-376.30"
    csv_row = {**record, "id": "csv", "value": "-376.3"}
    assert (await _post(stored_in, "/api/trades", _csv(csv_row), CSV)).status == 201
    assert places(await _post(stored_in, "/api/trades", {**TRADE, "quantity": "-1"})) == [
        "/quantity"
    ]
    caller = await stored_in.key()
    assert [t["price"] for t in await stored_in.json("/api/trades", caller)] == ["-37.63"] * 2
    signal = {**SIGNAL, "target_price": "-40.10", "stop_loss": "-30"}
    answer = (await _post(stored_in, "/api/agents/x/signals", signal)).json
    assert (answer["target_price"], answer["stop_loss"]) == ("-40.10", "-30")
    position = {"symbol": "CL", "quantity": "10", "entry_price": "-40", "current_price": "-30"}
    assert (
        await _post(stored_in, "/api/portfolio", {**PORTFOLIO, "positions": [position]})
    ).status == 200
    (shown,) = (await stored_in.json("/api/portfolio", caller))["positions"]
    assert (shown["value"], shown["unrealized_pnl"]) == ("-300", "100")
    assert shown["unrealized_pnl_pct"] == 0.25


ROUTES = (
    ("/api/metrics", POINT, "timestamp"),
    ("/api/trades", TRADE, "executed_at"),
    ("/api/alerts", ALERT, "created_at"),
    ("/api/portfolio", PORTFOLIO, "as_of"),
    ("/api/agents/x/signals", SIGNAL, "timestamp"),
    ("/api/system", SAMPLE, "timestamp"),
)


def _said(answer: Answer, name: str) -> None:
    (place,) = places(answer)
    assert place.rpartition("/")[2] == name
    assert "in the future: at most 60 s ahead" in answer.json["errors"][0]["detail"]


@pytest.mark.parametrize(("path", "record", "name"), ROUTES, ids=[row[0] for row in ROUTES])
async def test_a_time_far_ahead_is_refused_by_every_way(
    serve: Serve, path: str, record: dict[str, Any], name: str
) -> None:
    server = await serve(max_clock_ahead=60.0)
    far, near = (now() + timedelta(seconds=seconds) for seconds in (120, 30))
    future = {**record, name: far.isoformat()}
    _said(await _post(server, path, future), name)
    _said(await _post(server, path, {**record, name: far.timestamp()}), name)
    assert (await _post(server, path, {**record, name: near.isoformat()})).status in (200, 201)
    if path in ("/api/metrics", "/api/trades"):
        many = [{**record, name: near.isoformat()}, future]
        for data, kind in (
            (many, None),
            (b"\n".join(json.dumps(item).encode() for item in many), NDJSON),
            (_csv(*many), CSV),
        ):
            answer = await _post(server, path, data, kind)
            assert places(answer) == [f"/1/{name}"]
    feed = server.feed
    calls: dict[str, Any] = {
        "/api/metrics": feed.record_metrics,
        "/api/trades": feed.record_trade,
        "/api/alerts": feed.raise_alert,
        "/api/portfolio": feed.update_portfolio,
        "/api/agents/x/signals": lambda signal: feed.record_signal("x", signal),
        "/api/system": feed.report_system,
    }
    with pytest.raises(ValidationProblem, match="in the future"):
        await calls[path]({**record, name: far})


NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
SPELLINGS = (
    "2026-01-31T12:00:00.123456Z",
    "2026-01-31T12:00:00.123456999999999999999999+00:00",
    "2026-01-31T14:00:00.123456+0200",
    "2026-01-31T11:59:60.123456Z",
    "1769860800.123456",
    "1769860800123.456",
    "1769860800123456",
    "1769860800123456789",
    "1.769860800123456e9",
)


@pytest.mark.parametrize("text", SPELLINGS)
async def test_an_instant_is_one_however_it_is_written(stored_in: Server, text: str) -> None:
    wanted = "2026-01-31T12:00:00.123456Z"
    bodies: list[bytes] = [json.dumps({**POINT, "timestamp": text}).encode()]
    if text[4] != "-":
        bodies.append(bodies[0].replace(f'"{text}"'.encode(), text.encode()))
    for body in bodies:
        assert (await _post(stored_in, "/api/metrics", body)).status == 201
        assert (await _post(stored_in, "/api/metrics", body, NDJSON)).status == 201
    cells = _csv({**POINT, "timestamp": text})
    assert (await _post(stored_in, "/api/metrics", cells, CSV)).status == 201
    caller = await stored_in.key()
    end = quote((NOON + timedelta(microseconds=1)).isoformat())
    # As a query's parameter too: from that instant on there is the point, and just behind it none.
    start = quote(text)
    (point,) = await stored_in.json(f"/api/metrics/risk?start_time={start}&end_time={end}", caller)
    assert point["timestamp"] == wanted
    assert await stored_in.json(f"/api/metrics/risk?end_time={start}", caller) == []


async def test_an_unencoded_plus_is_understood_and_a_naive_time_refused(server: Server) -> None:
    caller = await server.key("publish")
    await server.feed.record_metrics({**POINT, "timestamp": NOON})
    end = "2026-01-31T12:00:01"
    for offset in ("+00:00", " 00:00", "+0000", "%2B00:00", "Z"):
        answer = await ask(server, "GET", f"/api/metrics/risk?end_time={end}{offset}", caller)
        assert len(answer.json) == 1, offset
    assert places(await ask(server, "GET", f"/api/metrics/risk?end_time={end}", caller)) == [
        "end_time"
    ]
