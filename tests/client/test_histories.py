"""Histories through the client: imported once, exported as they come, batches reported on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.client import ApiError, DashboardClient, SyncDashboardClient, importing
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import ALERT, POINT, SAMPLE, SIGNAL, TRADE
from tests.conftest import PASSWORD, Server

START = datetime(2024, 1, 1, tzinfo=UTC)
TIMES = [START + timedelta(hours=n) for n in range(25)]


@pytest.fixture
def feed(config: Config) -> Iterator[ThreadFeed]:
    with Dashboard.in_thread(config) as feed:
        yield feed


@pytest.fixture
async def api(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DashboardClient]:
    """A client of an admin, who sends ten records at once."""
    monkeypatch.setattr(importing, "RECORDS", 10)
    async with DashboardClient(server.url, username="admin", password=PASSWORD) as client:
        yield client


async def test_a_history_is_imported_once(api: DashboardClient) -> None:
    equity = [(at, 100 + n) for n, at in enumerate(TIMES)]
    trades = [{**TRADE, "executed_at": at, "sharpe": 1} for at in TIMES]
    assert await api.import_history(equity=equity, trades=trades, extras="metadata") == (25, 25)
    assert await api.import_history(equity=equity, trades=trades, extras="metadata") == (0, 0)
    assert (await api.portfolio())["total_value"] == 124
    history = [row async for row in api.export_portfolio_history()]
    assert [(row["timestamp"], row["total_value"]) for row in history] == equity
    exported = [trade async for trade in api.export_trades(end_time=TIMES[20], symbol="AAPL")]
    assert [trade["executed_at"] for trade in exported] == TIMES[:20][::-1]
    assert exported[0]["price"] == Decimal("187.20")
    assert exported[0]["metadata"] == {"sharpe": 1}
    # What was exported is imported as it is.
    assert await api.import_trades(exported) == 0


async def test_every_kind_of_record_is_imported_and_exported(api: DashboardClient) -> None:
    timed: list[dict[str, Any]] = [{"timestamp": at} for at in TIMES]
    assert await api.import_metrics({**POINT, **at} for at in timed) == 25
    assert await api.import_signals("m1", [{**SIGNAL, **at} for at in timed]) == 25
    assert await api.import_signals("m2", [{**SIGNAL, **at} for at in timed]) == 25
    assert await api.import_system({**SAMPLE, "component": "db", **at} for at in timed) == 25
    alerts = [{**ALERT, "created_at": at, "resolved_at": TIMES[-1]} for at in TIMES]
    assert await api.import_alerts(alerts) == 25
    assert await api.import_alerts(alerts) == 0
    assert len([row async for row in api.export_metrics("risk", labels={})]) == 25
    (day, *_) = [row async for row in api.export_metrics("risk", aggregation=["avg", "count"],
                                                         interval="1d")]  # fmt: skip
    assert (day["avg"], day["count"]) == (1.5, 24)
    assert len([row async for row in api.export_signals("m2", direction="buy")]) == 25
    assert len([row async for row in api.export_system(component="db")]) == 25
    exported = [row async for row in api.export_alerts(severity=["critical"], status="resolved")]
    assert [row["resolved_at"] for row in exported] == [TIMES[-1]] * 25


async def test_an_export_that_is_refused_is_an_api_error(api: DashboardClient) -> None:
    with pytest.raises(ApiError) as refused:
        await api.export_signals("nobody").next_page()
    assert refused.value.status == 404
    export = api.export_trades()
    await export.aclose()
    assert await export.next_page() is None


async def test_batches_of_every_kind(api: DashboardClient) -> None:
    for result in (
        await api.raise_alerts_batch([ALERT, {"no": 1}], on_error="continue"),
        await api.record_signals_batch("m1", [SIGNAL, {"no": 1}], on_error="continue"),
        await api.report_system_batch([SAMPLE, {"no": 1}], on_error="continue"),
    ):
        assert [one["status"] for one in result["results"]] == [201, 422]


def test_the_synchronous_client_has_them_too(feed: ThreadFeed) -> None:
    with SyncDashboardClient(feed.url, username="admin", password=PASSWORD) as client:
        trades = [{**TRADE, "executed_at": at} for at in TIMES]
        assert client.import_history(trades=trades) == (0, 25)
        assert [trade["executed_at"] for trade in client.export_trades()] == TIMES[::-1]
