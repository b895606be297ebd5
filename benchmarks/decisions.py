"""Entry `decisions`: batches stored, what led to a trade, and listings as they grow."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.log import MemoryEventLog
from alphapulse_api.projections.pnl.accessor import PnlDataAccessor
from alphapulse_api.projections.pnl.folding import fold_all
from alphapulse_api.record.feed import Feed
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from tests.engines import relay_of
from tests.postgres import server

from .portfolio import ENGINES, analyze, opened_new
from .report import print_environment, print_table

SIZES: Final = (10**4, 10**5, 10**6)
BATCH: Final = 1000
ABREAST: Final = 4  # batches: one is validated while another is stored
CALLS: Final = 200
AGENTS: Final = 50
SYMBOLS: Final = 500
TRADED: Final = 100  # of so many decisions, one comes with a trade
START: Final = datetime(2020, 1, 1, tzinfo=UTC)
REASONING: Final = "Momentum and value agree, and risk allows a small position. " * 9
Measures = dict[str, list[float]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--quick", action="store_true", help="up to 10^5 decisions")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print_environment("asyncpg")
    asyncio.run(_run(SIZES[:2] if arguments.quick else SIZES))


async def _run(sizes: tuple[int, ...]) -> None:
    figures: dict[tuple[int, str], list[str]] = {}
    with tempfile.TemporaryDirectory() as folder, server("") as postgres:
        for name in ENGINES:
            async with opened_new(name, Path(folder) / "decisions.db", postgres) as (engine, url):
                accessors = Accessors(engine, 300, {})
                relay = relay_of(accessors, MemoryCache(10**6), MemoryEventLog())
                feed = Feed(accessors, relay)
                stored = 0
                for size in sizes:
                    rate = await _fill(feed, stored, size)
                    stored = size
                    await fold_all(engine)
                    await analyze(url)
                    figures.setdefault((size, "stored a second"), []).append(f"{rate:,.0f}")
                    for label, times in (await _ask(engine, accessors, size)).items():
                        quantiles = statistics.quantiles(times, n=20)
                        text = f"{quantiles[9]:.1f} / {quantiles[18]:.1f}"
                        figures.setdefault((size, label), []).append(text)
    print(f"\nBatches of {BATCH}, {ABREAST} at a time; calls of the accessors, p50 / p95 ms\n")
    rows = [[f"{size:,} decisions, {label}", *texts] for (size, label), texts in figures.items()]
    print_table(("", *ENGINES), rows)


def _decision(number: int) -> dict[str, Any]:
    decision = {
        "id": f"d{number}",
        "made_at": START + timedelta(seconds=number),
        "agent_id": f"manager-{number % AGENTS}",
        "cycle_id": f"c{number // 10}",
        "reasoning": REASONING[:500],
        "signal_ids": [f"s{number}-{n}" for n in range(3)],
        "votes": [{"agent_id": f"a{n}", "weight": 0.3, "conviction": 0.1 * n} for n in range(3)],
        "targets": [
            {"symbol": f"S{(number + n) % SYMBOLS}", "weight_target": 0.02, "quantity": "10"}
            for n in range(2)
        ],
        "constraints": [
            {
                "name": f"max_{n}", "symbol": f"S{number % SYMBOLS}", "before": "0.05",
                "after": "0.02", "reason": "no position above 2 %",
            }
            for n in range(2)
        ],
    }  # fmt: skip
    if number % TRADED == 0:
        trade = {"symbol": "S0", "side": "buy", "quantity": "1", "price": "187.20"}
        decision["trades"] = [{"id": f"t{number}", **trade}]
        signal = {"symbol": "S0", "direction": "buy", "thesis": REASONING}
        ids = decision.pop("signal_ids")
        decision["signals"] = [{"id": id_, **signal} for id_ in ids]
    return decision


async def _fill(feed: Feed, begin: int, end: int) -> float:
    """Store decisions; returns how many a second, without the time to make them."""
    seconds = 0.0
    for first in range(begin, end, ABREAST * BATCH):
        starts = range(first, min(first + ABREAST * BATCH, end), BATCH)
        batches = [[_decision(start + number) for number in range(BATCH)] for start in starts]
        before = time.perf_counter()
        results = await asyncio.gather(*map(feed.record_decisions_batch, batches))
        seconds += time.perf_counter() - before
        assert all(result["accepted"] == BATCH for result in results)
    return (end - begin) / seconds


async def _ask(engine: Engine, accessors: Accessors, size: int) -> Measures:
    random = Random(size)
    store, profit = accessors.decisions, PnlDataAccessor(engine, accessors.metrics)

    async def why() -> None:
        chain = await store.explain_trade(f"t{TRADED * random.randrange(size // TRADED)}")
        assert len(chain["signals"]) == 3
        await profit.get_trade_profit(chain["trade"])

    def page(**query: Any) -> Callable[[], Awaitable[None]]:
        async def ask() -> None:
            end = START + timedelta(seconds=random.randrange(size // 2, size))
            assert len(await store.get_decisions(**query, end_time=end)) == 100

        return ask

    asked = {
        "why of a trade": why,
        "a page": page(),
        "a page of an agent": page(agent_id="manager-7"),
    }
    if size > SIZES[0]:
        asked["a page of a symbol"] = page(symbol="S7")
    measured: Measures = {}
    for label, ask in asked.items():
        await ask()
        times = []
        for _ in range(CALLS):
            before = time.perf_counter()
            await ask()
            times.append(1000 * (time.perf_counter() - before))
        measured[label] = times
    return measured
