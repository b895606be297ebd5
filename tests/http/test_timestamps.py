"""Every instant that leaves the server has the same form, so that texts sort as instants do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.asking import ALERT, PORTFOLIO, SAMPLE, SIGNAL, TRADE, ask
from tests.conftest import Server
from tests.socket_client import connect, point

_INSTANT = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\",;/ ]*")
_SIX_DIGITS = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
POSITION = {"symbol": "AAPL", "side": "long", "quantity": "1", "entry_price": "1", "value": "1"}
PATHS = (
    "/api/me", "/api/metrics", "/api/metrics/risk", "/api/metrics/risk?aggregation=avg,count",
    "/api/metrics/risk/latest", "/api/portfolio?include_history=true", "/api/alerts",
    "/api/alerts/a1", "/api/trades", "/api/trades/t1", "/api/agents", "/api/agents/m1/signals",
    "/api/system",
)  # fmt: skip


async def published(server: Server) -> None:
    """One record of each kind, all of them at a whole second."""
    at = (datetime.now(UTC) - timedelta(minutes=1)).replace(microsecond=0).isoformat()
    feed = server.feed
    await feed.record_metrics([point(timestamp=at)])
    await feed.update_portfolio(
        {**PORTFOLIO, "as_of": at, "positions": [{**POSITION, "opened_at": at}]}
    )
    await feed.raise_alert({**ALERT, "id": "a1", "created_at": at})
    await feed.record_trade({**TRADE, "id": "t1", "executed_at": at})
    await feed.record_signal("m1", {**SIGNAL, "timestamp": at})
    await feed.report_system({**SAMPLE, "timestamp": at})


def _assert_six_digits(text: bytes) -> None:
    found = _INSTANT.findall(text)
    assert found, text
    assert [instant for instant in found if not _SIX_DIGITS.fullmatch(instant)] == []


@pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
async def test_every_answer_writes_six_digits_of_fraction(server: Server, form: str) -> None:
    await published(server)
    caller = await server.login("viewer")
    lists = [p for p in PATHS if p not in ("/api/me", "/api/alerts/a1", "/api/trades/t1")]
    for path in PATHS if form == "json" else lists:
        if form != "json" and path.startswith("/api/portfolio"):
            continue
        mark = "&" if "?" in path else "?"
        asked = path if form == "json" else f"{path}{mark}format={form}"
        answer = await ask(server, "GET", asked, caller)
        assert answer.status == 200, answer.body
        _assert_six_digits(answer.body)


async def test_every_frame_writes_six_digits_of_fraction(server: Server) -> None:
    await published(server)
    channels = ["metrics", "alerts", "trades", "portfolio"]
    async with connect(server) as client:
        token = (await server.login("viewer"))["Authorization"].removeprefix("Bearer ")
        await client.send(type="auth", token=token)
        _assert_six_digits((await client.frame()).data.encode())
        await client.send(type="subscribe", channels=channels, snapshot=True)
        await client.receive("subscribed")
        for _ in channels:
            _assert_six_digits((await client.frame()).data.encode())
            await client.receive("snapshot_end")
        at = datetime.now(UTC).replace(microsecond=0).isoformat()
        await server.feed.record_metrics([point(timestamp=at)])
        _assert_six_digits((await client.frame()).data.encode())
        await server.feed.record_trade({**TRADE, "executed_at": at})
        _assert_six_digits((await client.frame()).data.encode())
        await client.send(type="ping")
        _assert_six_digits((await client.frame()).data.encode())
