"""The positions of snapshots: stored as changes, read back exactly, and deleted with the last."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.portfolio import frames
from alphapulse_api.storage.portfolio.accessor import PortfolioDataAccessor
from alphapulse_api.storage.retention.snapshots import delete_snapshots
from alphapulse_api.storage.steps import Steps
from tests.engines import T0, at
from tests.records import snapshot

Positions = list[dict[str, Any]]


def holding(number: int, price: Any = 1, **fields: Any) -> dict[str, Any]:
    return {
        "symbol": f"SYM{number}",
        "side": "long",
        "quantity": Decimal("10.50"),
        "entry_price": Decimal("101.250"),
        "current_price": Decimal(price),
        "value": Decimal(price) * Decimal("10.50"),
        "unrealized_pnl": None,
        "unrealized_pnl_pct": None,
        "realized_pnl": None,
        "opened_at": T0,
        "weight": 0.25,
        **fields,
    }


def shown(portfolio: dict[str, Any]) -> Any:
    """What must be read back, with every digit and the order."""
    return repr((portfolio["positions"], portfolio["performance"], portfolio["total_value"]))


async def stored(engine: Engine) -> int:
    """Bytes of the stored positions."""
    ((size,),) = await engine.fetch(
        "SELECT sum(length(CAST(body AS text)) + length(CAST(performance AS text))) "
        "FROM portfolio_frames"
    )
    return int(size or 0)


def moved(random: Random, positions: Positions) -> Positions:
    """The positions after a random update: some sold, bought, priced anew or sorted anew."""
    after = [dict(position) for position in positions]
    for position in random.sample(after, min(len(after), random.choice([0, 1, 5]))):
        position["current_price"] += Decimal("0.10")
    for _ in range(random.choice([0, 0, 1, 3])):
        if after:
            after.pop(random.randrange(len(after)))
    for _ in range(random.choice([0, 0, 1, 3])):
        after.insert(random.randint(0, len(after)), holding(random.randrange(60)))
    if not random.randrange(4):
        random.shuffle(after)
    if not random.randrange(15):
        after.clear()
    return after


async def test_every_snapshot_is_read_as_it_was_written(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "LEAST_BYTES", 1000)
    monkeypatch.setattr(frames, "MOST_CHANGES", 7)
    random = Random(3)
    # Two processes write by turns, and a third one reads.
    writers = [Accessors(engine, 300, {}).portfolio for _ in range(2)]
    reader = PortfolioDataAccessor(engine)
    held: dict[int, str] = {}
    positions = [holding(n) for n in range(30)]
    newest = 0
    for step in range(150):
        positions = moved(random, positions)
        late = not random.randrange(5)
        second = random.randrange(newest + 1) if late else newest + random.choice([0, 1, 1, 1])
        newest = max(newest, second)
        given = snapshot(second, step, positions=positions, performance={"sharpe": step % 3})
        writer = writers[random.randrange(10) == 0]
        for _ in range(random.choice([1, 1, 2])):
            await writer.set_portfolio(given)
        held[second] = shown(given)
        if not step % 10:
            assert shown(await reader.get_portfolio()) == held[newest]
            assert shown(await writer.get_portfolio()) == held[newest]
        if not step % 40:
            before = newest // 2
            await delete_snapshots(engine, Steps(engine, 3000), to_micros(at(before)))
            held = {s: value for s, value in held.items() if s >= before}
    for second, value in held.items():
        assert shown(await reader.get_portfolio(as_of=at(second))) == value
    ((changes,),) = await engine.fetch(
        "SELECT count(*) FROM portfolio_frames WHERE frame_number > 0"
    )
    assert changes > 20


async def test_an_update_of_ten_of_2000_positions_takes_a_tenth_of_the_bytes(
    engine: Engine,
) -> None:
    portfolio = PortfolioDataAccessor(engine)
    positions = [holding(n, weight=None, value=Decimal(n)) for n in range(2000)]
    whole = None
    for update in range(24):
        for number in range(10):
            positions[(37 * update + number) % 2000]["current_price"] += Decimal("0.01")
        await portfolio.set_portfolio(
            # Every weight changes with the total.
            snapshot(update, positions=positions, total_value=Decimal(10**6 + update))
        )
        whole = whole or await stored(engine)
    assert await stored(engine) < 24 * whole * 0.1


async def test_a_weight_follows_from_the_total_of_its_own_snapshot(engine: Engine) -> None:
    portfolio = PortfolioDataAccessor(engine)
    for second, total in ((0, 100), (1, 200)):
        weighted = [{**holding(0, 10), "weight": float(Decimal(105) / total)}, holding(1)]
        await portfolio.set_portfolio(snapshot(second, total, positions=weighted))
    for second, weight in ((0, 1.05), (1, 0.525)):
        past = await PortfolioDataAccessor(engine).get_portfolio(as_of=at(second))
        assert [p["weight"] for p in past["positions"]] == [weight, 0.25]


async def test_a_repeat_is_no_change_whatever_came_between(engine: Engine) -> None:
    portfolio = PortfolioDataAccessor(engine)
    one, other = ([holding(0, price)] for price in (1, 2))
    assert (await portfolio.set_portfolio(snapshot(10, 1, positions=one)))[1] == 1
    assert (await portfolio.set_portfolio(snapshot(5, 1, positions=other)))[1] is None
    assert (await portfolio.set_portfolio(snapshot(10, 1, positions=one)))[1] == 1
    assert (await portfolio.set_portfolio(snapshot(10, 1, positions=other)))[1] == 2
    assert (await portfolio.set_portfolio(snapshot(10, 1, positions=[])))[1] == 3
    assert (await portfolio.get_portfolio())["positions"] == []


async def test_concurrent_updates_are_stored_in_the_order_of_their_calls(engine: Engine) -> None:
    portfolio = PortfolioDataAccessor(engine)
    held = [[holding(n, price) for n in range(3)] for price in range(1, 7)]
    # Repeats, and replacements of one instant: some of them have to be done again.
    updates = [
        (second, total, held[(second + total) % 6] if total % 3 else [])
        for second in range(10)
        for total in range(1, 4)
    ]
    for _ in range(3):
        await asyncio.gather(
            *(
                portfolio.set_portfolio(snapshot(second, total, positions=positions))
                for second, total, positions in updates
            )
        )
        history = await portfolio.get_portfolio(include_history=True, start_time=at(0))
        assert [point["total_value"] for point in history["history"]] == [3] * 10
        assert (history["as_of"], history["positions"]) == (at(9), [])


async def test_deleted_and_replaced_snapshots_leave_no_positions_behind(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "LEAST_BYTES", 0)
    monkeypatch.setattr(frames, "MOST_CHANGES", 3)
    portfolio = PortfolioDataAccessor(engine)
    positions = [holding(n) for n in range(20)]
    for update in range(40):
        positions[0]["current_price"] = Decimal(update)
        # Every fourth replaces the one before.
        await portfolio.set_portfolio(snapshot(update - (update % 4 == 3), positions=positions))
    ((before,),) = await engine.fetch("SELECT count(*) FROM portfolio_frames")
    assert before == 40
    await delete_snapshots(engine, Steps(engine), to_micros(at(1000)))
    assert shown(await portfolio.get_portfolio()) == shown(snapshot(38, positions=positions))
    ((after,),) = await engine.fetch("SELECT count(*) FROM portfolio_frames")
    assert after <= 4
    # And what follows is built upon what is left.
    await portfolio.set_portfolio(snapshot(50, positions=[]))
    await delete_snapshots(engine, Steps(engine), to_micros(at(1000)))
    assert await engine.fetch("SELECT 1 FROM portfolio_frames") == []
    positions[3]["current_price"] = Decimal(7)
    await portfolio.set_portfolio(snapshot(51, positions=positions))
    read = await PortfolioDataAccessor(engine).get_portfolio()
    assert shown(read) == shown(snapshot(51, positions=positions))
