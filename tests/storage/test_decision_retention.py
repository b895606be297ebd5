"""Retention of decisions: what goes with them, and what their links say afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.times import rfc3339
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.record.feed import Feed
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.retention import forget
from tests.asking import SIGNAL, TRADE
from tests.engines import at, relay_of

TABLES = (
    "decisions", "decision_texts", "decision_symbols", "decision_signals", "decision_trades",
    "signals", "signal_texts", "trades",
)  # fmt: skip


@pytest.fixture
def feed(store: Accessors) -> Feed:
    return Feed(store, relay_of(store, MemoryCache(10**6), MemoryEventLog()))


async def _rows(engine: Engine) -> dict[str, int]:
    found = {}
    for table in TABLES:
        ((found[table],),) = await engine.fetch(f"SELECT count(*) FROM {table}")
    return found


async def _record(feed: Feed, number: int, **fields: Any) -> None:
    """A decision of second `number`, with a signal and a trade of its own."""
    await feed.record_decision({
        "id": f"d{number}", "made_at": rfc3339(at(number)), "agent_id": "m", "reasoning": "r",
        "signal_ids": ["shared"], "targets": [{"symbol": "A"}, {"symbol": "B"}],
        "signals": [{**SIGNAL, "id": f"s{number}", "thesis": "t"}],
        "trades": [{**TRADE, "id": f"t{number}"}],
        **fields,
    })  # fmt: skip


async def test_a_decision_goes_with_its_signals_and_texts(
    engine: Engine, store: Accessors, feed: Feed
) -> None:
    await feed.record_signal("m", {**SIGNAL, "id": "shared", "timestamp": rfc3339(at(0))})
    await feed.record_signal("m", {**SIGNAL, "id": "alone", "timestamp": rfc3339(at(0))})
    for number in (1, 2):
        await _record(feed, number)
    tags: set[str] = set()
    engine.on_commit(lambda rows: tags.update(tag for row in rows for tag in row.tags))
    gone = await forget(engine, RetentionConfig(decisions=60.0), at(62))
    assert {tag for tag in tags if tag.startswith("decisions:book=main;")} == {
        "decisions:book=main;agent_id=m", "decisions:book=main;symbol=A",
        "decisions:book=main;symbol=B", "decisions:book=main;symbol=AAPL",
    }  # fmt: skip
    assert gone == {"decisions": 1, "usage": 0}
    left = await _rows(engine)
    assert left == {
        "decisions": 1, "decision_texts": 1, "decision_symbols": 3, "decision_signals": 2,
        "decision_trades": 2, "signals": 3, "signal_texts": 1, "trades": 2,
    }  # fmt: skip
    why = await store.decisions.explain_trade("t1")
    assert (why["decision"], why["missing"]) == (None, ["decision d1: expired"])
    assert (await store.decisions.explain_trade("t2"))["missing"] == []
    await forget(engine, RetentionConfig(decisions=60.0, trades=60.0), at(99))
    assert {name for name, count in (await _rows(engine)).items() if count} == {"signals"}
    (alone,) = await store.agents.get_signals("m")
    assert alone["id"] == "alone"


async def test_signals_of_a_decision_are_kept_as_long_as_it(
    engine: Engine, store: Accessors, feed: Feed
) -> None:
    await feed.record_signal("m", {**SIGNAL, "id": "alone", "timestamp": rfc3339(at(1))})
    await _record(feed, 1)
    gone = await forget(engine, RetentionConfig(signals=60.0, trades=60.0), at(62))
    assert (gone["signals"], gone["trades"]) == (1, 1)
    expanded = await store.decisions.get_decision("d1", ["signals", "trades"])
    assert [signal["id"] for signal in expanded["signals"]] == ["s1"]
    assert expanded["missing"] == ["signal shared", "trade t1: expired"]


async def test_a_link_to_a_decision_that_never_came_goes_with_its_trade(
    engine: Engine, feed: Feed
) -> None:
    old = {**TRADE, "id": "t1", "decision_id": "d9", "executed_at": rfc3339(at(1))}
    await feed.record_trade(old)
    assert (await _rows(engine))["decision_trades"] == 1
    await forget(engine, RetentionConfig(trades=60.0), at(62))
    assert (await _rows(engine))["decision_trades"] == 0
