"""What a host hands over without waiting, by either way: bounded, in order, accounted for."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig
from alphapulse_api.domain.errors import Conflict, ValidationProblem
from alphapulse_api.domain.times import to_micros
from alphapulse_api.embed.feed import HostFeed
from tests.asking import TRADE
from tests.embedding import CALLS, settled

WAYS = {"process": Dashboard.in_process, "thread": Dashboard.in_thread}


@pytest.fixture(scope="module", params=list(WAYS))
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def path(way: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(way) / "test.db"


@pytest.fixture(scope="module")
def running(way: str, path: Path) -> Iterator[HostFeed]:
    config = Config(port=0, database=DatabaseConfig(url=f"sqlite:///{path}"))
    with WAYS[way](config, serve=False) as feed:
        yield feed


@pytest.fixture
def feed(running: HostFeed) -> HostFeed:
    settled(running)
    return running


@pytest.mark.parametrize("name", list(CALLS))
def test_every_call_may_go_without_waiting(feed: HostFeed, name: str) -> None:
    before = feed.stats()
    taken = CALLS[name](feed, wait=False)
    settled(feed)
    after = feed.stats()
    extra = 1 if name in ("acknowledge_alert", "resolve_alert") else 0
    assert taken == after.taken - before.taken - extra > 0
    assert after.stored - before.stored == taken + extra


def test_counts_after_a_call_include_those_before_it(feed: HostFeed) -> None:
    before = feed.stats()
    point = {"metric_type": "risk", "name": "var", "value": 0.02}
    for _ in range(10):
        feed.record_metrics(point, wait=False)
        feed.record_trade(TRADE, wait=False)
        feed.record_metrics(point)
        feed.record_trade(TRADE)
        after = feed.stats()
        assert after.taken == after.stored
    assert after.stored - before.stored == 40


def test_a_batch_says_what_became_of_each(feed: HostFeed) -> None:
    before = feed.stats()
    trades = [{**TRADE, "id": f"each-{n}", "side": "up" if n == 70 else "buy"} for n in range(200)]
    result = feed.record_trades_batch(trades, on_error="continue")
    assert (result["accepted"], result["refused"]) == (199, 1)
    assert [r["status"] for r in result["results"]] == [201] * 70 + [422] + [201] * 129
    after = feed.stats()
    assert (after.stored - before.stored, after.refused - before.refused) == (199, 1)
    assert len(feed.record_trades(trades[:70])) == 70


def test_a_book_is_opened_before_its_records(feed: HostFeed) -> None:
    with pytest.raises(ValidationProblem, match=r"feed\.open_book"):
        feed.record_trade({**TRADE, "book": "beta"})
    assert feed.open_book("beta", mode="paper", title="New filter")["title"] == "New filter"
    assert feed.record_trade({**TRADE, "book": "beta"})["book"] == "beta"
    stored = feed.import_history(equity=[(0, 1)], trades=[TRADE | {"executed_at": 0}], book="beta")
    assert stored == (1, 1)
    assert feed.open_book("beta", closed=True)["closed_at"] is not None
    with pytest.raises(Conflict, match="is closed"):
        feed.record_trade({**TRADE, "book": "beta"})


def test_batches_of_every_kind_say_what_became_of_each(feed: HostFeed) -> None:
    signal = {"symbol": "AAPL", "direction": "buy"}
    sample = {"component": "c", "status": "healthy"}
    for result in (
        feed.raise_alerts_batch([{"title": "a"}, {}], on_error="continue"),
        feed.record_signals_batch("m", [signal, {}], on_error="continue"),
        feed.report_system_batch([sample, {}], on_error="continue"),
    ):
        assert [r["status"] for r in result["results"]] == [201, 422]
    report = {"id": "r", "title": "t", "created_at": datetime.now(UTC)}
    (firing,) = feed.report_alerts([report])
    (ended,) = feed.report_alerts([{**report, "resolved_at": datetime.now(UTC)}])
    assert (firing["status"], ended["status"]) == ("active", "resolved")


class Opaque:
    """A value of a class of the host's."""


def nested() -> dict[str, Any]:
    record: dict[str, Any] = {}
    record["metadata"] = record
    return record


def doubled(levels: int) -> list[Any]:
    """A list of two lists that are one, and so on: a kilobyte that stands for 2^levels values."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value, value]
    return value


def chained(value: Any, levels: int) -> dict[str, Any]:
    for _ in range(levels):
        value = {"a": value}
    return {"a": value}


WRONG: dict[str, Any] = {
    "a class of the host's": {**TRADE, "quantity": Opaque()},
    "a circle": {**TRADE, **nested()},
    "no record at all": "BTC",
    "a signalling NaN": {**TRADE, "quantity": Decimal("sNaN")},
    "shared lists": {**TRADE, "metadata": {"a": doubled(64)}},
    "shared lists far down": {**TRADE, "metadata": chained(doubled(64), 70)},
    "a naive time": {**TRADE, "executed_at": datetime(2026, 1, 1)},  # noqa: DTZ001
}


@pytest.mark.parametrize("name", list(WRONG))
def test_one_wrong_record_costs_no_other(feed: HostFeed, name: str) -> None:
    before = feed.stats()
    with pytest.raises(ValidationProblem):
        feed.record_trade(WRONG[name])
    for number in range(7):
        assert feed.record_trade(WRONG[name] if number == 3 else TRADE, wait=False) == 1
    settled(feed)
    after = feed.stats()
    assert after.stored - before.stored == 6
    last = after.last_refusals[-1]
    assert last.method == "record_trade"
    assert last.reason


def test_records_are_stored_in_their_order(feed: HostFeed) -> None:
    order = {**TRADE, "id": "advancing", "status": "open"}
    for number in range(200):
        feed.record_trade({**TRADE, "id": f"before-{number}"}, wait=False)
        if number == 50:
            feed.record_trade(order, wait=False)
        if number == 150:
            feed.record_trade({**order, "status": "filled"}, wait=False)
    assert feed.record_trade({**order, "status": "filled"})["status"] == "filled"


def test_the_callers_dict_is_its_own_again_after_the_call(feed: HostFeed, path: Path) -> None:
    named = {"metric_type": "risk", "name": "reused", "value": 1}
    before = datetime.now(UTC)
    feed.record_metrics(named, wait=False)
    after = datetime.now(UTC)
    named["value"] = 2
    settled(feed)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        ((at, value),) = connection.execute(
            "SELECT timestamp, value FROM metric_points JOIN series ON id = series_id "
            "WHERE name = 'reused'"
        )
    assert value == 1
    # It is of the call, though it was stored later.
    assert to_micros(before) <= at <= to_micros(after)


def test_the_end_waits_for_what_was_handed_over(config: Config, way: str) -> None:
    with WAYS[way](config, serve=False) as feed:
        for _ in range(1000):
            feed.record_trade(TRADE, wait=False)
        with pytest.raises(RuntimeError, match="does not serve"):
            _ = feed.url
    stats = feed.stats()
    assert (stats.taken, stats.stored, stats.depth) == (1000, 1000, 0)


@dataclass
class Fill:
    """A trade as a host has it."""

    symbol: str
    side: str
    quantity: Fraction
    price: float
    venue: str


@pytest.mark.parametrize("wait", [True, False])
def test_a_hosts_own_objects_are_records(feed: HostFeed, wait: bool) -> None:
    fill = Fill("BTC", "BUY", Fraction(1, 4), 67123.5, "kraken")
    before = feed.stats()
    stored = feed.record_trade(fill, extras="metadata", wait=wait)
    if wait:
        assert stored["metadata"] == {"venue": "kraken"}
        assert stored["quantity"] == Decimal("0.25")
    feed.record_trades(iter([fill, fill]), extras="metadata", wait=wait)
    feed.record_trade({**TRADE, "venue": "refused"}, wait=False)
    settled(feed)
    after = feed.stats()
    assert (after.stored - before.stored, after.refused - before.refused) == (3, 1)
    assert "venue" in after.last_refusals[-1].reason


def test_records_of_many_threads_are_all_counted_and_stored(feed: HostFeed) -> None:
    before = feed.stats()
    seen = []

    def hand_over(number: int) -> None:
        for _ in range(500):
            feed.record_metrics(
                {"metric_type": "risk", "name": f"t{number}", "value": 1}, wait=False
            )
            feed.record_trade(TRADE, wait=False)
        seen.append(feed.stats())

    threads = [threading.Thread(target=hand_over, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for stats in seen:
        assert stats.taken == stats.stored + stats.refused + stats.depth
        assert stats.depth >= 0
    settled(feed)
    after = feed.stats()
    assert after.taken - before.taken == after.stored - before.stored == 4000
