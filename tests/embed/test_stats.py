"""A host's feed counts the same in every way of embedding: every call, and every refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig
from alphapulse_api.domain.errors import Problem
from alphapulse_api.record.stats import FeedStats
from tests.asking import TRADE
from tests.embedding import CALLS, until

COUNTS = {"record_metrics of many": 3, "record_metrics_batch": 3}
EXTRA = {"acknowledge_alert": 1, "resolve_alert": 1}  # the alert that is raised first
WRONG = {**TRADE, "side": "up"}
POINT = {"metric_type": "risk", "name": "var", "value": 0.02}
NAMELESS = {**POINT, "name": ""}
TIMES = ["2024-01-02T15:00:00Z", "2024-01-02T15:01:00Z"]
HISTORY = [{**TRADE, "executed_at": time} for time in TIMES]

ENDLESS: dict[str, Any] = {}
ENDLESS["again"] = ENDLESS


class Failing(float):
    """A number whose conversion fails."""

    def __float__(self) -> float:
        raise RuntimeError("no number")


# A call that is refused; how many records are taken, stored and refused; the method of the refusal.
REFUSED: dict[str, tuple[Callable[[Any], Any], tuple[int, int, int], str]] = {
    "one trade": (lambda feed: feed.record_trade(WRONG), (1, 0, 1), "record_trade"),
    "all of a list": (
        lambda feed: feed.record_trades(iter([TRADE, WRONG])), (2, 0, 2), "record_trades",
    ),
    "one of a batch": (
        lambda feed: feed.record_trades_batch([TRADE, WRONG], on_error="continue"),
        (2, 1, 1),
        "record_trades_batch",
    ),
    "a point": (lambda feed: feed.record_metrics(NAMELESS), (1, 0, 1), "record_metrics"),
    "a list of points": (
        lambda feed: feed.record_metrics([POINT, NAMELESS]), (2, 0, 2), "record_metrics",
    ),
    "an alert": (lambda feed: feed.raise_alert({}), (1, 0, 1), "raise_alert"),
    "an alert that is not there": (
        lambda feed: feed.acknowledge_alert("none", "ann"), (1, 0, 1), "acknowledge_alert",
    ),
    "a portfolio": (lambda feed: feed.update_portfolio({}), (1, 0, 1), "update_portfolio"),
    "an agent": (lambda feed: feed.update_agent("m", {"state": "x"}), (1, 0, 1), "update_agent"),
    "a signal": (lambda feed: feed.record_signal("m", {}), (1, 0, 1), "record_signal"),
    "a sample": (lambda feed: feed.report_system({}), (1, 0, 1), "report_system"),
    "a history": (
        lambda feed: feed.import_history(trades=[*HISTORY, WRONG]), (3, 0, 3), "import_trades",
    ),
    "a record that contains itself": (
        lambda feed: feed.record_trade({**TRADE, "metadata": ENDLESS}), (1, 0, 1), "record_trade",
    ),
    "a value that fails": (
        lambda feed: feed.record_metrics([POINT, {**POINT, "value": Failing(1)}]),
        (2, 0, 2),
        "record_metrics",
    ),
    "a list that is none": (lambda feed: feed.record_trades(5), (0, 0, 0), ""),
    "a list that is too long": (lambda feed: feed.record_trades([TRADE] * 10_001), (0, 0, 0), ""),
}  # fmt: skip


class Awaiting:
    """The feed of a dashboard in the host's loop, whose calls are awaited."""

    def __init__(self, runner: asyncio.Runner, feed: Any) -> None:
        self._runner = runner
        self._feed = feed

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **how: self._runner.run(getattr(self._feed, name)(*args, **how))

    def stats(self) -> FeedStats:
        stats: FeedStats = self._feed.stats()
        return stats


@contextmanager
def in_the_loop(config: Config) -> Iterator[Awaiting]:
    with asyncio.Runner() as runner:
        dashboard = Dashboard(config, serve=False)
        runner.run(dashboard.__aenter__())
        try:
            yield Awaiting(runner, dashboard.feed)
        finally:
            runner.run(dashboard.__aexit__())


WAYS: dict[str, Callable[[Config], Any]] = {
    "in_process": lambda config: Dashboard.in_process(config, serve=False),
    "in_thread": lambda config: Dashboard.in_thread(config, serve=False),
    "in_the_loop": in_the_loop,
}


@pytest.fixture(scope="module", params=list(WAYS))
def feed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("stats") / "test.db"
    with WAYS[request.param](
        Config(port=0, database=DatabaseConfig(url=f"sqlite:///{path}"))
    ) as feed:
        yield feed


def change(before: FeedStats, after: FeedStats) -> tuple[int, int, int]:
    """Records taken, stored and refused meanwhile."""
    assert (after.dropped, after.depth, after.state) == (0, 0, "running")
    return (
        after.taken - before.taken, after.stored - before.stored, after.refused - before.refused,
    )  # fmt: skip


@pytest.mark.parametrize("name", list(CALLS))
def test_every_call_counts_its_records(feed: Any, name: str) -> None:
    before = feed.stats()
    CALLS[name](feed)
    count = COUNTS.get(name, 1) + EXTRA.get(name, 0)
    assert change(before, feed.stats()) == (count, count, 0)


def test_imported_records_count(feed: Any) -> None:
    before = feed.stats()
    feed.import_history(equity=dict.fromkeys(TIMES, 100.0), trades=HISTORY)
    assert change(before, feed.stats()) == (4, 4, 0)
    feed.import_history(trades=HISTORY)  # a repeat is stored, as one of a single record is
    assert change(before, feed.stats()) == (6, 6, 0)


@pytest.mark.parametrize("name", list(REFUSED))
def test_refused_records_count_with_their_reasons(feed: Any, name: str) -> None:
    call, expected, method = REFUSED[name]
    before = feed.stats()
    with nullcontext() if expected[1] else pytest.raises(Problem):
        call(feed)
    after = feed.stats()
    assert change(before, after) == expected
    if expected[2]:
        assert after.last_refusals[-1].method == method
        assert after.last_refusals[-1].reason


def test_points_handed_over_count_beside_them(feed: Any) -> None:
    before = feed.stats()
    feed.record_metrics([POINT, NAMELESS], wait=False)
    feed.record_metrics(POINT)
    until(lambda: feed.record_trade(TRADE) and not feed.stats().depth)
    after = feed.stats()
    assert after.refused - before.refused == 1
    assert after.taken - before.taken == after.stored - before.stored + 1 >= 4
    assert after.last_refusals[-1].method == "record_metrics"
