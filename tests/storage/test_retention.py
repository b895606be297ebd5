"""Retention: what it deletes, and what a step leaves to others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.retention.records import RECORD_BYTES, TABLES
from alphapulse_api.storage.steps import Steps
from tests.engines import at, point
from tests.records import alert, sample, signal, snapshot, trade
from tests.retention import DAY, KEPT, Watched, fill, left

# -- what goes, and what stays --------------------------------------------------------------------


async def test_the_old_go_in_batches_and_what_still_matters_stays(
    engine: Engine, store: Accessors
) -> None:
    for n in range(10):
        await store.metrics.add_points([point(m, -60 * n, 1.0) for m in ("var", "beta")])
        await store.trades.add_trades([trade(f"t{n}", n)])
        await store.alerts.add_alert(alert(f"a{n}", n))
        await store.agents.add_signal(signal(f"s{n}", n))
        await store.system.add_sample(sample("db", n))
        await store.portfolio.set_portfolio(snapshot(n))
    await store.alerts.resolve_alert("a1")
    await store.alerts.resolve_alert("a9")
    kept = RetentionConfig(*[60.0] * 7)
    gone = await forget(engine, kept, at(60 + 8))
    assert gone == {
        "metrics": 18, "rollups": 0, "series": 0, "trades": 8, "alerts": 1, "portfolio": 8,
        "signals": 8, "system": 8,
    }  # fmt: skip
    assert len(await store.metrics.get_metrics("risk", at(-999), at(9))) == 2
    assert [t["id"] for t in await store.trades.get_trades()] == ["t9", "t8"]
    assert len(await store.alerts.get_alerts()) == 9
    gone = await forget(engine, kept, at(100_000))
    assert gone["metrics"] == 2
    # Of each series ten minutes, twice two, and a day; and the sketches of two hours and a day.
    assert gone["rollups"] == 36
    assert gone["alerts"] == 1
    assert gone["portfolio"] == 1
    assert (await store.portfolio.get_portfolio(True))["history"][0]["timestamp"] == at(9)
    assert await store.metrics.list_series() == []
    assert await store.metrics.get_latest_metrics() == []
    # A forgotten series comes back under the id that is remembered of it.
    await store.metrics.add_points([point("var", 0, 1.0)])
    assert len(await store.metrics.list_series()) == 1


async def test_what_has_no_retention_stays_for_ever(engine: Engine, store: Accessors) -> None:
    await store.trades.add_trades([trade("t1")])
    await store.system.add_sample(sample("db"))
    assert await forget(engine, RetentionConfig(system=1.0), at(10**9)) == {"system": 1}
    assert len(await store.trades.get_trades()) == 1


async def test_the_states_of_a_trade_go_with_it(engine: Engine, store: Accessors) -> None:
    for status in ("open", "filled"):
        await store.trades.add_trades(
            [trade("old", 0, status=status), trade("new", 90, status=status)]
        )
    assert await left(engine, "trade_states") == 4
    await forget(engine, RetentionConfig(trades=60.0), at(100))
    rows = await engine.fetch("SELECT DISTINCT trade_id FROM trade_states")
    assert [row[0] for row in rows] == ["new"]


async def test_an_alert_that_is_opened_again_meanwhile_stays(
    engine: Engine, store: Accessors
) -> None:
    await store.alerts.add_alert(alert("a"))
    await store.alerts.resolve_alert("a")

    async def open_again(_: int) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.execute("UPDATE alerts SET status = 'active' WHERE id = 'a'")

        await engine.write(work)

    watched = Watched(engine, open_again)
    gone = await forget(watched, RetentionConfig(alerts=60.0), at(DAY))  # type: ignore[arg-type]
    assert gone == {"alerts": 0}
    assert await left(engine, "alerts") == 1


async def test_an_interrupted_deletion_is_continued_and_counts_each_row_once(
    engine: Engine, store: Accessors
) -> None:
    await fill(store, 10)
    whole = {
        "metric_points": 20, "trades": 10, "alerts": 10, "portfolio_snapshots": 9, "signals": 10,
        "system_samples": 10, "series_spans": 2, "series": 2,
    }  # fmt: skip
    deleted: Counter[str] = Counter()
    runs = 0
    while True:
        runs += 1

        async def interrupt(number: int) -> None:
            if number == 3:
                raise Unavailable("The database is away.")

        watched = Watched(engine, interrupt)
        steps = Steps(watched, 3 * RECORD_BYTES)  # type: ignore[arg-type]
        try:
            await forget(watched, KEPT, at(3 * DAY), steps)  # type: ignore[arg-type]
            break
        except Unavailable:
            pass
        finally:
            deleted += watched.total
    assert runs > 5
    for parts in ("metric_rollups", "metric_sketches", "trade_states"):
        del deleted[parts]
    assert deleted == whole
    for table, count in whole.items():
        assert await left(engine, table) == (1 if table == "portfolio_snapshots" else 0), count
    assert await left(engine, "metric_rollups") == 0


async def test_what_two_delete_at_once_is_deleted_once(engine: Engine, store: Accessors) -> None:
    await fill(store, 10)
    both = [Watched(engine), Watched(engine)]
    await asyncio.gather(
        *(forget(one, KEPT, at(3 * DAY), Steps(one, 3 * RECORD_BYTES)) for one in both)  # type: ignore[arg-type]
    )
    total = both[0].total + both[1].total
    assert (total["trades"], total["signals"], total["metric_points"]) == (10, 10, 20)
    assert await left(engine, "trades") == 0


# -- what a step leaves to others -----------------------------------------------------------------


@pytest.mark.parametrize("resource", ["metrics", *TABLES])
async def test_a_write_that_comes_during_a_step_is_stored_before_the_next_step(
    engine: Engine, store: Accessors, resource: str
) -> None:
    await fill(store, 10)
    writes: list[asyncio.Task[Any]] = []
    stored: list[int] = []

    class Looking(Watched):
        async def write(self, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
            async def looking(transaction: Transaction) -> Any:
                ((count,),) = await transaction.fetch(
                    "SELECT count(*) FROM trades WHERE status = 'open'"
                )
                stored.append(int(count))
                return await work(transaction)

            step = asyncio.ensure_future(super().write(looking))
            await asyncio.sleep(0)  # the step is queued
            new = trade(f"w{len(writes)}", 2 * DAY, status="open")
            writes.append(asyncio.ensure_future(store.trades.add_trades([new])))
            return await step

    looking = Looking(engine)
    kept = RetentionConfig(**{resource: float(DAY)})
    steps = Steps(looking, 2 * RECORD_BYTES)  # type: ignore[arg-type]
    await forget(looking, kept, at(2 * DAY), steps)  # type: ignore[arg-type]
    await asyncio.gather(*writes)
    assert len(stored) >= 3
    # Each step finds the writes of all steps before.
    assert stored == list(range(len(stored)))


async def test_cached_answers_that_held_the_rows_are_invalidated(
    engine: Engine, store: Accessors
) -> None:
    await fill(store, 3)
    await store.trades.add_trades([trade("eth", symbol="ETH", agent_id="m7")])
    tags: list[str] = []

    def committed(rows: Sequence[OutboxRow]) -> None:
        tags.extend(tag for row in rows for tag in row.tags)

    engine.on_commit(committed)
    await forget(engine, KEPT, at(3 * DAY))
    assert set(tags) == {
        "metrics", "metrics:risk", "trades", "trades:book=main",
        "trades:book=main;symbol=BTC", "trades:book=main;symbol=ETH",
        "trades:book=main;agent_id=m7", "alerts", "alerts:book=main",
        "portfolio", "portfolio:book=main", "agents", "agents:agent_id=m1", "agents:book=main",
        "agents:book=main;agent_id=m1", "system",
    }  # fmt: skip
    tags.clear()
    await forget(engine, KEPT, at(3 * DAY))
    assert tags == []
