"""The relay of the outbox keeps the order of states, whatever the clocks say and whoever dies."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.storage import outbox
from alphapulse_api.storage.engine import Engine, Transaction
from tests.engines import at, connected, opened
from tests.event_logs import LogFollower
from tests.record.conftest import FailingLog, Relaying
from tests.socket_client import alert, portfolio, trade
from tests.waiting import SECONDS, until


@asynccontextmanager
async def relaying_processes(
    path: Path, count: int, *, first_alone: bool = False
) -> AsyncIterator[tuple[list[Relaying], LogFollower]]:
    log = FailingLog()
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(opened(path)) for _ in range(count)]
        relays_alone = [first_alone, *[False] * (count - 1)]
        yield (
            [
                Relaying(engine, log, alone=alone)
                for engine, alone in zip(engines, relays_alone, strict=True)
            ],
            LogFollower(log),
        )


async def test_a_later_change_relays_what_a_dead_process_left_of_the_record(
    tmp_path: Path,
) -> None:
    async with relaying_processes(tmp_path / "store.db", 2) as ((dead, living), follower):
        dead.dies_after_its_commits()
        await dead.feed.raise_alert(alert(id="a"))
        await dead.feed.raise_alert(alert(id="b"))
        await living.feed.resolve_alert("a")
        assert follower.received("alerts") == ["a", "a"]
        for _ in range(2):
            await living.relay.relay_left()
        assert follower.received("alerts") == ["a", "a", "b"]
        assert await living.rows() == []


async def test_a_change_relays_the_row_that_new_records_of_a_commit_share(tmp_path: Path) -> None:
    async with relaying_processes(tmp_path / "store.db", 2) as ((dead, living), follower):
        dead.dies_after_its_commits()
        engine, began, go_on = dead.store.engine, threading.Event(), threading.Event()

        async def hold(transaction: Transaction) -> None:
            began.set()
            go_on.wait(SECONDS)

        holding = asyncio.create_task(engine.write(hold))
        await until(began.is_set)
        calls = asyncio.gather(*(dead.feed.raise_alert(alert(id=id_)) for id_ in "abc"))
        await until(lambda: engine.waiting == 4)
        go_on.set()
        await asyncio.gather(holding, calls)
        assert [len(row.bodies) for row in await living.rows()] == [3]
        await living.feed.resolve_alert("b")
        for _ in range(2):
            await living.relay.relay_left()
        assert follower.received("alerts") == ["a", "b", "c", "b"]
        assert await living.rows() == []


async def test_states_keep_their_order_where_a_clock_is_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying_processes(tmp_path / "store.db", 2) as ((ahead, other), follower):
        ahead.dies_after_its_commits()
        monkeypatch.setattr(outbox, "new_id", lambda: "ffffffff-ffff-7000-8000-000000000000")
        await ahead.feed.raise_alert(alert(id="a"))
        monkeypatch.undo()
        other.dies_after_its_commits()
        await other.feed.acknowledge_alert("a", "ann")
        await other.feed.resolve_alert("a")
        other.lives()
        for _ in range(2):
            await other.relay.relay_left()
        states = [(e.data["status"], e.data["acknowledged"]) for e in follower.items]  # type: ignore[union-attr]
        assert states == [("active", False), ("acknowledged", True), ("resolved", True)]


async def test_an_orders_states_in_one_commit_follow_one_left_by_a_clock_that_is_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying_processes(tmp_path / "store.db", 2) as ((ahead, other), follower):
        ahead.dies_after_its_commits()
        monkeypatch.setattr(outbox, "new_id", lambda: "ffffffff-ffff-7000-8000-000000000000")
        await ahead.feed.record_trade(trade(id="o", status="pending"))
        monkeypatch.undo()
        states = ("open", "partially_filled", "filled")
        await other.feed.record_trades([trade(id="o", status=status) for status in states])
        assert [e.data["status"] for e in follower.items] == ["pending", *states]  # type: ignore[union-attr]


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_portfolios_in_one_commit_follow_one_left_by_a_clock_that_is_ahead(
    store: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        if store == "sqlite":
            engine: Engine = await stack.enter_async_context(opened(tmp_path / "store.db"))
        else:
            url = await request.getfixturevalue("postgres").copied()
            engine = await stack.enter_async_context(connected(url))
        relaying = Relaying(engine, MemoryEventLog())
        relaying.dies_after_its_commits()
        # The first portfolio invalidates the books, too.
        ids = map("ffffffff-ffff-7000-8000-{:012}".format, count())
        monkeypatch.setattr(outbox, "new_id", lambda: next(ids))
        await relaying.feed.update_portfolio(portfolio(as_of=at(0).isoformat()))
        monkeypatch.undo()
        await asyncio.gather(
            *(
                relaying.feed.update_portfolio(portfolio(as_of=at(n).isoformat()))
                for n in range(1, 20)
            )
        )
        rows = [row for row in await relaying.rows() if row.channel is not None]
        assert [row.revision for row in rows] == list(range(1, 21))


async def test_a_portfolio_that_takes_long_to_validate_is_not_overtaken(tmp_path: Path) -> None:
    async with relaying_processes(tmp_path / "store.db", 1) as ((process,), follower):
        held = [{"symbol": f"S{n}", "quantity": 1, "current_price": 1} for n in range(2000)]
        await asyncio.gather(
            process.feed.update_portfolio(portfolio(as_of=at(0).isoformat(), positions=held)),
            process.feed.update_portfolio(portfolio(as_of=at(1).isoformat())),
        )
        # Stored second, it would be late, and would have no event.
        assert [len(e.data["positions"]) for e in follower.items][:1] == [2000]  # type: ignore[union-attr]
        assert len(follower.items) == 2


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_a_commit_publishes_each_row_that_was_left_once(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """However many updates share the commit, or a burst would cost the square of its size."""
    async with AsyncExitStack() as stack:
        if store == "sqlite":
            engine: Engine = await stack.enter_async_context(opened(tmp_path / "store.db"))
        else:
            url = await request.getfixturevalue("postgres").copied()
            engine = await stack.enter_async_context(connected(url))
        relaying = Relaying(engine, MemoryEventLog())
        relaying.dies_after_its_commits()
        await relaying.feed.update_portfolio(portfolio(as_of=at(0).isoformat()))
        commits: list[list[str]] = []
        engine.on_commit(lambda rows: commits.append([row.id for row in rows]))
        updates = (portfolio(as_of=at(n).isoformat()) for n in range(1, 20))
        await asyncio.gather(*map(relaying.feed.update_portfolio, updates))
        assert max(map(len, commits)) > 2
        assert all(len(ids) == len(set(ids)) for ids in commits)


async def test_a_row_of_another_process_waits_for_an_own_one_that_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying_processes(tmp_path / "store.db", 2, first_alone=True) as (
        (server, feeder),
        follower,
    ):
        feeder.dies_after_its_commits()
        append, begun, goes_on = server.log.relay, asyncio.Event(), asyncio.Event()

        async def held(rows: Sequence[OutboxRow]) -> None:
            if not begun.is_set():
                begun.set()
                await goes_on.wait()
            await append(rows)

        monkeypatch.setattr(server.log, "relay", held)
        position = {"symbol": "S", "side": "long", "quantity": "1"}
        long = portfolio("1", positions=[{**position, "symbol": f"S{n}"} for n in range(201)])
        first = asyncio.create_task(server.feed.update_portfolio(long))
        async with asyncio.timeout(SECONDS):
            await begun.wait()
        await feeder.feed.update_portfolio(portfolio("2"))
        look = asyncio.create_task(server.relay.relay_left())
        await asyncio.wait({look}, timeout=0.2)  # as far as it comes meanwhile
        goes_on.set()
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(first, look)
        assert [str(e.data["total_value"]) for e in follower.items] == ["1", "2"]  # type: ignore[union-attr]


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["raise", "acknowledge", "resolve", "trade", "portfolio", "look"]),
        st.integers(0, 2),  # which process
        st.integers(0, 3),  # which record
        st.booleans(),  # whether the process dies between its commit and its append
    ),
    max_size=25,
)


@given(operations=OPERATIONS)
@settings(max_examples=40)
async def test_every_committed_state_is_published_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int, int, bool]]
) -> None:
    committed: dict[str, list[Any]] = {}
    path = tmp_path_factory.mktemp("db") / "store.db"
    async with relaying_processes(path, 3) as (all_of_them, follower):
        for number, (name, which, record, dies) in enumerate(operations):
            process, id_ = all_of_them[which], f"r{record}"
            if dies:
                process.dies_after_its_commits()
            if name == "look":
                await process.relay.relay_left()
            elif name == "trade":
                stored = await process.feed.record_trade(trade(id=id_, executed_at=at(0)))
                committed[f"trades {id_}"] = [stored["id"]]
            elif name == "portfolio":
                await process.feed.update_portfolio(portfolio(str(number), as_of=at(number)))
                committed.setdefault("portfolio", []).append(at(number))
            elif name == "raise":
                await process.feed.raise_alert(alert(id=id_, created_at=at(0)))
                committed.setdefault(f"alerts {id_}", [("active", False)])
            elif states := committed.get(f"alerts {id_}"):
                verb = process.store.alerts.try_to_acknowledge
                args = ("ann",)
                if name == "resolve":
                    verb, args = process.store.alerts.try_to_resolve, ()
                changed, did = await verb(id_, *args)
                await process.relay.flush()
                if did:
                    states.append((changed["status"], changed["acknowledged"]))
            process.lives()
        for _ in range(2):
            await all_of_them[0].relay.relay_left()
        await all_of_them[0].relay.close()
        published: dict[str, list[Any]] = {}
        for event in follower.items:
            channel, data = event.channel.name, event.data  # type: ignore[union-attr]
            if channel == "trades":
                published.setdefault(f"trades {data['id']}", []).append(data["id"])
            elif channel == "alerts":
                state = (data["status"], data["acknowledged"])
                published.setdefault(f"alerts {data['id']}", []).append(state)
            else:
                as_of = data["as_of"]
                published.setdefault("portfolio", []).append(as_of)
        assert published == committed
