"""Profit by group: equal to all round trips of all trades on either engine, and read by indexes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from alphapulse_api.domain.books import ALL, Books
from alphapulse_api.domain.errors import Unavailable, ValidationProblem
from alphapulse_api.domain.lots import RoundTrip
from alphapulse_api.domain.profit_sums import ProfitSum
from alphapulse_api.domain.times import from_micros
from alphapulse_api.projections import deadline
from alphapulse_api.projections.pnl import planning, summing
from alphapulse_api.projections.pnl.accessor import PnlDataAccessor
from alphapulse_api.projections.pnl.folding import fold_all
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.tables.books import BookDataAccessor
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.engines import Fresh, at
from tests.plans import FEW, Recorder, nodes
from tests.projections.test_pnl import Trade, expected, order

MODES = {"main": ("live", "USD"), "beta": ("live", "USD"), "euro": ("live", "EUR")}
MODES |= {"paper": ("paper", "USD"), "new": ("live", None), "newer": ("live", None)}
NEW_YORK = ZoneInfo("America/New_York")


class Closed(NamedTuple):
    """A round trip that should be there."""

    book: str
    symbol: str
    trip: RoundTrip

    @property
    def at(self) -> datetime:
        return from_micros(self.trip.closed[0])


def pnl_of(engine: Any, books: Books = ALL) -> PnlDataAccessor:
    return PnlDataAccessor(engine, MetricsDataAccessor(engine), books)


async def open_all(engine: Engine) -> None:
    for book, (mode, currency) in MODES.items():
        if book != "main":
            await BookDataAccessor(engine).set_book(book, {"mode": mode, "currency": currency})
    await BookDataAccessor(engine).set_book("main", {"currency": "USD"})


def sequence(generator: random.Random, book: str, symbol: str) -> list[Trade]:
    """Trades in the order in which they are sent: late ones, corrections, sales of nothing held."""
    trades = []
    for number in range(generator.randint(2, 40)):
        late = generator.random() < 0.2
        id_ = f"{symbol}-{number}"
        trade = order(
            id_,
            43_210 * (generator.randint(0, number) if late else number),  # about half a day
            generator.choice(["buy", "sell"]),
            str(generator.randint(1, 12)),
            str(generator.randint(90, 110)),
            symbol=symbol,
            book=book,
            agent_id=generator.choice(["ann", "bob", None]),
            strategy=generator.choice(["trend", None]),
            fee=Decimal(generator.randint(0, 5)) / 7,
            fee_currency=generator.choice(["USD", "BNB", None]),
        )
        if number > 3 and generator.random() < 0.1:
            trade["corrects"] = f"{symbol}-{generator.randrange(number)}"
        trades.append(trade)
    return trades


def _month(day: date) -> date:
    return day.replace(day=1)


def _week(day: date) -> date:
    return day - timedelta(days=day.weekday())


def grouped(
    closed: Iterable[Closed], field: str, group: Callable[[Closed], str | None]
) -> list[dict[str, Any]]:
    """The answer, made of all round trips at once."""
    sums: dict[tuple[str, str, str, str], ProfitSum] = {}
    for one in closed:
        mode, currency = MODES[one.book]
        key = group(one) or "", mode, currency or "", "" if currency else one.book
        total = sums.setdefault(key, ProfitSum())
        total.books.add(one.book)
        total.add(one.trip.profit, one.trip.opening_fees, one.trip.closing_fees)
    return [
        {
            field: key[0] or None,
            "mode": key[1],
            "currency": key[2] or None,
            "book": next(iter(total.books)) if len(total.books) == 1 else None,
            **total.figures(key[2] or None),
        }
        for key, total in sorted(sums.items())
    ]


async def test_dozens_of_sequences_equal_all_trades_folded_at_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "STEP", 9)
    monkeypatch.setattr(summing, "AT_ONCE", 37)
    await open_all(engine)
    generator = random.Random(11)
    names = [(generator.choice([*MODES]), f"S{number % 20:02}-{number}") for number in range(36)]
    sequences = [sequence(generator, *name) for name in names]
    closed = [
        Closed(book, symbol, trip)
        for (book, symbol), trades in zip(names, sequences, strict=True)
        for trip in expected(trades, symbol)[1]
    ]
    left = [list(reversed(trades)) for trades in sequences]
    store = TradeDataAccessor(engine, ALL)
    while left := [trades for trades in left if trades]:
        await store.add_trades([trades.pop() for trades in left])
        if generator.random() < 0.3:
            await fold_all(engine, generator.randint(1, 9))
    pnl = pnl_of(engine)

    async def check(chosen: Iterable[Closed], **query: Any) -> None:
        chosen = list(chosen)
        for group_by, field, group in (
            ("symbol", "symbol", lambda one: one.symbol),
            ("agent", "agent_id", lambda one: one.trip.agent_id),
            ("strategy", "strategy", lambda one: one.trip.strategy),
            ("day", "day", lambda one: str(one.at.date())),
            ("week", "week", lambda one: str(_week(one.at.date()))),
            ("month", "month", lambda one: str(_month(one.at.date()))),
        ):
            found = list(await pnl.get_pnl(group_by, limit=10_000, **query))
            assert found == grouped(chosen, field, group), (group_by, query)

    assert len(closed) > 300
    await check(closed)
    middle = sorted(one.at for one in closed)[len(closed) // 3]
    await check((one for one in closed if one.at < middle), end_time=middle)
    await check((one for one in closed if one.at >= middle), start_time=middle)
    await check((one for one in closed if one.symbol == names[0][1]), symbol=names[0][1])
    await check((one for one in closed if one.trip.agent_id == "ann"), agent_id="ann")
    await check((one for one in closed if one.trip.strategy == "trend"), strategy="trend")
    by_day = await pnl.get_pnl("day", timezone="America/New_York", limit=10_000)
    local = grouped(closed, "day", lambda one: str(one.at.astimezone(NEW_YORK).date()))
    assert list(by_day) == local


async def test_pages_are_one_listing(engine: Engine) -> None:
    await open_all(engine)
    for book in MODES:
        store = TradeDataAccessor(engine, Books((book,)))
        for symbol in ("A", "B"):
            sides = enumerate(("buy", "sell"))
            trades = [order(f"{symbol}{n}", n, side, "1", "5", symbol=symbol) for n, side in sides]
            await store.add_trades(trades)
    pnl = pnl_of(engine)
    whole = list(await pnl.get_pnl())
    # Two books are added up; those of another mode or currency, or of an unknown one, are not.
    assert [(row["currency"], row["mode"], row["book"]) for row in whole[:5]] == [
        (None, "live", "new"), (None, "live", "newer"), ("EUR", "live", "euro"),
        ("USD", "live", None), ("USD", "paper", "paper"),
    ]  # fmt: skip
    found: list[Any] = []
    cursor = None
    while True:
        page = await pnl.get_pnl(limit=3, cursor=cursor)
        found += page
        if (cursor := page.next_cursor) is None:
            break
    assert found == whole
    assert len(whole) == 10


async def test_what_was_just_stored_is_counted_or_the_answer_is_that_it_takes_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "STEP", 2)
    store, pnl = TradeDataAccessor(engine), pnl_of(engine, Books(("main",)))
    sides = ["buy", "sell"] * 10
    await store.add_trades([order(f"t{n:02}", n, side, "1", "5") for n, side in enumerate(sides)])
    monkeypatch.setattr(deadline, "SECONDS", 0.0)
    with pytest.raises(Unavailable):
        await pnl.get_pnl()
    monkeypatch.undo()
    (row,) = await pnl.get_pnl()
    assert row["round_trips"] == 10


async def test_too_many_round_trips_are_refused_with_what_to_narrow(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, pnl = TradeDataAccessor(engine), pnl_of(engine)
    sides = ["buy", "sell"] * 3
    await store.add_trades([order(f"t{n}", n, side, "1", "5") for n, side in enumerate(sides)])
    monkeypatch.setattr(summing, "MOST_TRIPS", 2)
    with pytest.raises(ValidationProblem, match="symbol"):
        await pnl.get_pnl()
    assert len(await pnl.get_pnl(start_time=at(2))) == 1


async def test_times_at_the_ends_of_the_calendar_have_a_day(engine: Engine) -> None:
    last = datetime.max.replace(tzinfo=UTC)
    trades = [order("a", 0, "buy", "1", "5"), order("b", 0, "sell", "1", "5", executed_at=last)]
    await TradeDataAccessor(engine).add_trades(trades)
    (row,) = await pnl_of(engine).get_pnl("day", timezone="Asia/Tokyo")
    assert row["day"] == "9999-12-31"


HOUR = {"start_time": at(4000), "end_time": at(4003)}
QUESTIONS: list[dict[str, Any]] = [
    HOUR, {**HOUR, "symbol": "BTC"}, {**HOUR, "agent_id": "usual"}, {**HOUR, "strategy": "usual"},
    {"symbol": "RARE"}, {"agent_id": "rare"}, {"strategy": "rare"}, {"symbol": "NONE"},
]  # fmt: skip


async def test_a_question_reads_the_round_trips_that_it_sums(fresh: Fresh) -> None:
    async with fresh() as engine:
        await TradeDataAccessor(engine).add_trades([
            order(
                f"t{n:04}", n, "buy" if n % 2 else "sell", "1", "5",
                symbol="RARE" if n % 1000 < 2 else "BTC",
                agent_id="rare" if n % 1000 < 2 else "usual",
                strategy="rare" if n % 1000 < 2 else "usual",
            )
            for n in range(8000)
        ])  # fmt: skip
        await fold_all(engine)
        if engine.takes_arrays:
            await engine.write(lambda transaction: transaction.fetch("ANALYZE"))
        recorder = Recorder(engine)
        for question in QUESTIONS:
            recorder.asked.clear()
            await pnl_of(recorder, Books(("main",))).get_pnl(**question)
            asked = [each for each in recorder.asked if "FROM round_trips" in each[0]]
            assert len(asked) == 2, question
            for sql, args in asked:
                await _check_plan(engine, sql, args, question)


async def _check_plan(engine: Engine, sql: str, args: Any, question: Any) -> None:
    if engine.takes_arrays:
        ((plan,),) = await engine.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *args)
        for node in nodes(json.loads(plan)[0]["Plan"]):
            assert node["Node Type"] != "Seq Scan", (question, plan)
            assert node["Actual Rows"] <= 10, (question, plan)
            assert node.get("Rows Removed by Filter", 0) <= FEW, (question, plan)
        return
    steps = [row[3] for row in await engine.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
    (step,) = (step for step in steps if "round_trips" in step)
    assert step.startswith("SEARCH"), (question, steps)
    narrow = "closed_at>?" in step or not HOUR.keys() <= question.keys()
    assert narrow, (question, steps)
    for name in ("symbol", "agent_id", "strategy"):
        assert f"{name}=?" in step or name not in question, (question, steps)
    assert not any("TEMP B-TREE" in step for step in steps), (question, steps)
