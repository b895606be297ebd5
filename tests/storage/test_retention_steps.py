"""The steps of retention: how large they are."""

from __future__ import annotations

from random import Random

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.retention.records import PAGE, RECORD_BYTES
from alphapulse_api.storage.retention.series import ROW_BYTES
from alphapulse_api.storage.steps import LEAST_BYTES, STEP_SECONDS, Steps
from tests.engines import at
from tests.records import alert, trade
from tests.retention import DAY, KEPT, Watched, fill, left


@pytest.mark.parametrize(
    ("seconds", "factor"),
    [(STEP_SECONDS, 1), (2 * STEP_SECONDS, 0.5), (STEP_SECONDS / 2, 2), (STEP_SECONDS / 10, 2)],
)
async def test_the_next_step_is_sized_by_the_time_of_the_last(
    engine: Engine, seconds: float, factor: float
) -> None:
    steps = Steps(engine)
    size = steps.size
    steps.adapt(size, seconds)
    assert steps.size == size * factor


async def test_steps_stay_within_their_bounds(engine: Engine) -> None:
    steps = Steps(engine, 100_000)
    for seconds in [0.0, STEP_SECONDS / 1000] * 10:
        steps.adapt(steps.size, seconds)
        assert steps.size <= 100_000
    assert steps.size == 100_000
    for _ in range(20):
        steps.adapt(steps.size, 60.0)
    assert steps.size == LEAST_BYTES


async def test_a_step_is_timed_without_its_wait_for_other_writes(engine: Engine) -> None:
    times = iter([10.0, 10.0 + 2 * STEP_SECONDS])
    steps = Steps(engine, clock=lambda: next(times))
    size = steps.size

    async def work(transaction: Transaction) -> str:
        return "done"

    assert await steps.run(work, size) == "done"
    assert steps.size == size / 2


async def test_no_step_deletes_more_bytes_than_its_bound(engine: Engine, store: Accessors) -> None:
    text = "é" * 500  # 1000 bytes
    await fill(store, 20, metadata={"note": text})
    watched = Watched(engine)
    await forget(watched, KEPT, at(DAY * 3), Steps(watched, 5000))  # type: ignore[arg-type]
    for counted in watched.deleted:
        assert counted["metric_points"] + counted["metric_rollups"] <= 5000 // ROW_BYTES
        for table in ("trades", "alerts", "signals"):
            assert counted[table] <= 5000 // (RECORD_BYTES + 1000)
        for table in ("portfolio_snapshots", "system_samples"):
            assert counted[table] <= 5000 // RECORD_BYTES
    assert watched.total["trades"] == 20


async def test_a_record_larger_than_the_bound_is_a_step_of_its_own(
    engine: Engine, store: Accessors
) -> None:
    text = Random(1).randbytes(2000).hex()  # PostgreSQL cannot compress it
    await store.trades.add_trades([trade(f"t{n}", n, metadata={"note": text}) for n in range(3)])
    watched = Watched(engine)
    kept = RetentionConfig(trades=60.0)
    await forget(watched, kept, at(DAY), Steps(watched, 1000))  # type: ignore[arg-type]
    # The last step returns the space.
    assert [counted["trades"] for counted in watched.deleted if counted] == [1, 1, 1]


async def test_more_than_a_page_is_read_on_where_the_page_ended(
    engine: Engine, store: Accessors
) -> None:
    count = 2 * PAGE + 3
    # Many with the same time, so that a page ends among them.
    await store.trades.add_trades([trade(f"t{n:04}", n // 150) for n in range(count)])
    await store.alerts.add_alert(alert("a"))
    assert await forget(engine, RetentionConfig(trades=60.0), at(DAY)) == {"trades": count}
    assert await left(engine, "trades") == 0
