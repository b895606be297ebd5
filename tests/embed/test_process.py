"""A dashboard in a process of its own: the same feed, whatever happens to either side."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig
from alphapulse_api.domain.errors import (
    ConfigError,
    Conflict,
    DashboardClosed,
    NotFound,
    Ring,
    StartupError,
    ValidationProblem,
)
from alphapulse_api.embed.process_dashboard import ProcessFeed
from tests.asking import TRADE
from tests.embedding import (
    CALLS,
    SECONDS,
    process_of,
    started_again,
    stopped,
)


@pytest.mark.parametrize("name", list(CALLS))
def test_every_call_answers_as_in_a_thread(feed: ProcessFeed, config: Config, name: str) -> None:
    before = feed.stats()
    answer = CALLS[name](feed)
    with Dashboard.in_thread(config, serve=False) as other:
        expected = CALLS[name](other)
    assert shape(answer) == shape(expected)
    after = feed.stats()
    counts = {
        "record_metrics of many": 3,
        "record_metrics_batch": 3,
        "acknowledge_alert": 2,
        "resolve_alert": 2,
    }
    count = counts.get(name, 1)
    assert after.stored - before.stored == after.taken - before.taken == count


def shape(value: Any) -> Any:
    """A result without what differs from one call to the next."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value) if isinstance(value, (str, datetime)) else value


def test_a_long_list_of_positions_survives_the_way(feed: ProcessFeed) -> None:
    positions = [{"symbol": f"S{n}", "quantity": n, "current_price": 2} for n in range(300)]
    stored = feed.update_portfolio({"total_value": 10, "cash": 1, "positions": positions})
    assert [p["value"] for p in stored["positions"]] == [2 * n for n in range(300)]
    assert (stored["total_value"], stored["stale"]) == (10, False)


def test_values_survive_the_way(feed: ProcessFeed) -> None:
    at = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    stored = feed.record_trade(
        {
            "symbol": "BTC",
            "side": "buy",
            "quantity": Decimal("0.10"),
            "price": "67123.50",
            "executed_at": at,
            "metadata": {"order": 10**40, "nested": [{"a": None}]},
        }
    )
    assert str(stored["quantity"]) == "0.10"
    assert stored["executed_at"] == at
    assert stored["metadata"] == {"order": 10**40, "nested": [{"a": None}]}


def test_errors_keep_their_class_and_text(feed: ProcessFeed) -> None:
    with pytest.raises(ValidationProblem, match="/side: Must be one of: buy, sell") as refused:
        feed.record_trade({**TRADE, "side": "up"})
    assert refused.value.errors == [{"pointer": "/side", "detail": "Must be one of: buy, sell."}]
    feed.record_trade({**TRADE, "id": "same"})
    with pytest.raises(Conflict, match="'same' exists already, with another symbol"):
        feed.record_trade({**TRADE, "id": "same", "symbol": "ETH"})
    feed.record_decision({"id": "d1", "agent_id": "m", "corrects": "d2"})
    with pytest.raises(Ring, match="Leads back to 'd2'"):
        feed.record_decision({"id": "d2", "agent_id": "m", "corrects": "d1"})
    with pytest.raises(NotFound, match="nothing"):
        feed.resolve_alert("nothing")
    with pytest.raises(ValidationProblem, match="Not a list of records"):
        feed.record_trades({})  # type: ignore[arg-type]
    with pytest.raises(ValidationProblem, match="At most 10000 records"):
        feed.record_trades([TRADE] * 10_001, wait=False)


def test_it_serves_what_it_was_fed(config: Config) -> None:
    from tests.embed.test_mounting import trade_ids

    with Dashboard.in_process(config) as feed:
        first = feed.record_trade(TRADE)["id"]
        assert asyncio.run(trade_ids(feed.url)) == {first}
        assert feed.console_url == f"{feed.url}/console/"
        assert feed.stats().state == "running"
    assert feed.stats().state == "closed"
    with pytest.raises(DashboardClosed):
        feed.record_trade(TRADE)
    with pytest.raises(DashboardClosed):
        feed.record_trade(TRADE, wait=False)


def test_a_failed_start_is_the_dashboards_own_error(config: Config, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = replace(config, port=listener.getsockname()[1])
        with pytest.raises(StartupError, match=r"cannot listen on 127\.0\.0\.1 port"):
            Dashboard.in_process(taken).start()
    nowhere = DatabaseConfig(url=f"sqlite:///{tmp_path}/none/x.db")
    with pytest.raises((ConfigError, StartupError)) as refused:
        Dashboard.in_process(replace(config, database=nowhere)).start()
    assert "\n" not in str(refused.value)
    assert {t for t in threading.enumerate() if "alphapulse" in t.name} - before == set()


def test_a_process_that_dies_is_started_again_where_it_was(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    dashboard = Dashboard.in_process(config, first_user=False)
    with dashboard as feed:
        url, first = feed.url, process_of(dashboard)
        feed.record_trade(TRADE)
        os.kill(first, signal.SIGKILL)
        started_again(feed, 1)
        assert feed.record_trade({**TRADE, "id": "after"}, timeout=SECONDS)["id"] == "after"
        assert process_of(dashboard) != first
        assert feed.url == url
        assert (feed.stats().restarts, feed.stats().state) == (1, "running")
    assert dashboard.pid is None  # the id may be another process's by now
    warnings = [r.message for r in caplog.records if r.levelno >= logging.WARNING]
    assert warnings == ["the dashboard's process has ended, with exit code -9"]


def test_the_host_can_ask_how_the_process_is(config: Config) -> None:
    dashboard = Dashboard.in_process(config, serve=False)
    with dashboard as feed:
        assert feed.health(SECONDS) == {"process": "ok", "database": "ok"}
        with stopped(process_of(dashboard)):
            assert feed.health(0.05) == {"process": "down"}
        assert feed.stats().taken == 0
    assert feed.health() == {"process": "down"}
