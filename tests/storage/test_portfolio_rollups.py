"""The history of a portfolio out of rollups is the one that all of its snapshots give."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.portfolio import rollups
from alphapulse_api.storage.portfolio.history import widths
from alphapulse_api.storage.portfolio.summaries import Summary, folded, summary_of
from alphapulse_api.storage.retention.snapshots import delete_snapshots
from alphapulse_api.storage.steps import Steps
from tests.engines import Fresh, at
from tests.records import snapshot

DAY = 86_400
Rows = Sequence[tuple[int, Decimal]]

VALUES = [Decimal(text) for text in ("0", "0.0", "1", "2.50", "2.5", "7", "-3", "-0.01", "100")]


def instant(random: Random) -> int:
    """Close together and far apart, so that buckets of every width have one snapshot or several."""
    minute = random.choice([random.randrange(12), random.randrange(1440)])
    return DAY * random.randrange(30) + 60 * minute + random.choice([0, 1, 30, 59])


def curve(random: Random) -> dict[int, Decimal]:
    values = VALUES[: random.choice([5, 9])]
    return {instant(random): random.choice(values) for _ in range(random.randint(1, 60))}


def falls(rows: Rows, part: Any) -> tuple[int, int] | None:
    """The instants of the trough and the peak of the largest fall."""
    best: tuple[Fraction, int, Fraction, int] | None = None
    for j, (trough_at, trough) in enumerate(rows):
        for peak_at, peak in rows[:j]:
            if peak > trough:
                key = part(Fraction(peak), Fraction(trough)), -trough_at, Fraction(peak), -peak_at
                best = key if best is None else max(best, key)
    return None if best is None else (-best[1], -best[3])


def expected(rows: Rows, max_points: int) -> list[int]:
    """The instants of a thinned history, by looking at every snapshot and every pair of them."""
    if len(rows) <= max_points:
        return [instant for instant, _ in rows]
    whole = [rows[0][0], rows[-1][0]]
    by_part = None
    if min(value for _, value in rows) >= 0:
        by_part = falls(rows, lambda peak, trough: (peak - trough) / peak)
    by_money = falls(rows, lambda peak, trough: peak - trough)
    both = [*(by_part or ()), *(by_money or ())]
    extremes = [_first(rows, pick) for pick in (min, max)]
    whole += [*both[:2], *extremes, *both[2:]]
    kept = set(list(dict.fromkeys(whole))[:max_points])
    width, cell = widths(rows[0][0], rows[-1][0], max_points)
    if width is not None:
        unit, stretch = cell or 1, width
        for _, part in groupby(rows, lambda row: (row[0] - row[0] % unit) // stretch):
            some = list(part)
            kept |= {some[0][0], some[-1][0], *(_first(some, pick) for pick in (min, max))}
    return sorted(kept)


def _first(rows: Rows, pick: Any) -> int:
    wanted = pick(value for _, value in rows)
    return next(instant for instant, value in rows if value == wanted)


class Portfolio:
    """A store, and its snapshots as they should be."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.store = Accessors(engine, 300, {}).portfolio
        self.rows: dict[int, Decimal] = {}
        self.current: int | None = None

    async def live(self, curve: dict[int, Decimal]) -> None:
        await asyncio.gather(
            *(
                self.store.set_portfolio(snapshot(second, total_value=value))
                for second, value in curve.items()
            )
        )
        self.rows.update(curve)
        self.current = max(self.current if self.current is not None else -1, *curve)

    async def import_(self, curve: dict[int, Decimal]) -> None:
        records = [
            {**snapshot(second, total_value=value), "positions_value": Decimal(0)}
            for second, value in sorted(curve.items())
        ]
        await self.store.add_history(records, last=False)
        self.rows = {**curve, **self.rows}

    async def forget(self, before: int) -> None:
        await delete_snapshots(self.engine, Steps(self.engine, 5000), to_micros(at(before)))
        if self.current is not None:
            self.rows = {
                second: value
                for second, value in self.rows.items()
                if second >= before or second == self.current
            }

    async def check(self, start: int | None, end: int | None, max_points: int) -> None:
        """Compare a history with what all snapshots of the range give."""
        shown = await self.store.get_portfolio(
            True,
            start_time=None if start is None else at(start),
            end_time=None if end is None else at(end),
            max_points=max_points,
        )
        rows = self.between(start, end)
        points = {to_micros(p["timestamp"]): p["total_value"] for p in shown["history"]}
        assert list(points) == expected(rows, max_points)
        assert points.items() <= dict(rows).items()

    def between(self, start: int | None, end: int | None) -> list[tuple[int, Decimal]]:
        return [
            (to_micros(at(second)), value)
            for second, value in sorted(self.rows.items())
            if (start is None or second >= start) and (end is None or second < end)
        ]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=True))
async def test_it_is_so_whatever_is_stored_imported_and_deleted(
    fresh: Fresh, random: Random
) -> None:
    async with fresh() as engine:
        portfolio = Portfolio(engine)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(rollups, "AT_ONCE", random.choice([1, 10, 500]))
            await portfolio.live({0: Decimal(1)})
            for name in random.choices(["live", "import_", "forget"], [2, 1, 1], k=4):
                argument = instant(random) if name == "forget" else curve(random)
                await getattr(portfolio, name)(argument)
            start, end = sorted((instant(random), instant(random)))
            for span in ((None, None), (start, end + 1), (start, None), (None, end + 1)):
                for max_points in (random.randint(2, 12), random.randint(12, 60)):
                    await portfolio.check(*span, max_points)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.sampled_from(VALUES), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 11)),
)
def test_a_summary_does_not_depend_on_where_it_was_divided(
    rows: list[Decimal], cuts: set[int]
) -> None:
    numbered = [(number, str(value)) for number, value in enumerate(rows)]
    edges = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    parts = [summary_of(numbered[a:b]) for a, b in pairwise(edges)]
    whole = summary_of(numbered)
    assert whole is not None
    assert folded([part for part in parts if part is not None]).row == whole.row
    assert Summary.stored(whole.row).row == whole.row


async def test_snapshots_of_an_older_release_are_rolled_up_in_the_background(
    engine: Engine,
) -> None:
    portfolio = Portfolio(engine)
    await portfolio.live({60 * n: Decimal(n % 7) for n in range(100)})

    async def forgotten(transaction: Any) -> None:
        await transaction.execute("DELETE FROM portfolio_rollups")
        await transaction.execute("UPDATE portfolio_current SET rolled_up = $1", to_micros(at(0)))

    await engine.write(forgotten)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rollups, "AT_ONCE", 30)
        rounds = 0
        while await rollups.roll_up(engine):
            rounds += 1
            await portfolio.check(None, None, 20)
    assert rounds == 4
    ((count,),) = await engine.fetch(
        "SELECT count(*) FROM portfolio_rollups WHERE width = $1", rollups.WIDTHS[0]
    )
    assert count == 99
