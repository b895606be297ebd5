"""The relay of the outbox: once, and each record's states in order, whichever processes die."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.log import Event
from alphapulse_api.log.base import LogAway
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.record.feed import Feed
from alphapulse_api.record.log_writer import IMMEDIATE_EVENTS
from alphapulse_api.record.relay import Relay
from alphapulse_api.storage import outbox
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from tests.engines import at, connected, opened, relay_of
from tests.event_logs import LogFollower
from tests.postgres import Postgres
from tests.socket_client import alert, portfolio, trade
from tests.waiting import SECONDS


class FailingLog(MemoryEventLog):
    """One that is unavailable on demand."""

    away = False

    async def relay(self, rows: Sequence[OutboxRow]) -> None:
        if self.away:
            raise LogAway
        await super().relay(rows)


class Process:
    """What one process has; all of a test share the log."""

    def __init__(self, engine: Engine, log: FailingLog, *, alone: bool = False) -> None:
        self.log = log
        self.store = Accessors(engine, 300, {})
        self.relay: Relay = relay_of(self.store, MemoryCache(10**6), log, alone=alone)
        self.feed = Feed(self.store, self.relay)

    async def rows(self) -> list[OutboxRow]:
        ids = list(await outbox.oldest(self.store.engine, 10_000))
        return await outbox.read(self.store.engine, ids)

    def dies_after_its_commits(self) -> None:
        """Nothing that it commits from now on is relayed by it."""
        self.store.engine.on_commit(lambda rows: None)

    def lives(self) -> None:
        self.relay.attach()


@asynccontextmanager
async def processes(
    path: Path, count: int, *, first_alone: bool = False
) -> AsyncIterator[tuple[list[Process], LogFollower]]:
    log = FailingLog()
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(opened(path)) for _ in range(count)]
        relays_alone = [first_alone, *[False] * (count - 1)]
        yield (
            [
                Process(engine, log, alone=alone)
                for engine, alone in zip(engines, relays_alone, strict=True)
            ],
            LogFollower(log),
        )


@pytest.fixture
async def one(engine: Engine) -> Process:
    return Process(engine, FailingLog())


async def test_what_is_relayed_is_removed(one: Process) -> None:
    await one.feed.record_trades([trade(id=str(n)) for n in range(1000)])
    await one.feed.raise_alert(alert(id="a"))
    await one.feed.acknowledge_alert("a", "ann")
    await one.feed.update_portfolio(portfolio(as_of=at(0)))
    await one.feed.update_agent("m", {"state": "active"})
    assert {row.channel for row in await one.rows()} == {"trades", "alerts", "portfolio", None}
    await one.relay.close()
    assert await one.rows() == []


async def test_many_portfolios_at_once_are_published(one: Process) -> None:
    follower = LogFollower(one.log)
    snapshots = [portfolio(as_of=at(n)) for n in range(300)]
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(one.feed.update_portfolio(snapshot) for snapshot in snapshots))
        await one.relay.flush()
    # One that is overtaken by a newer one belongs to the history, and has no event.
    published = [item.data["as_of"] for item in follower.items if isinstance(item, Event)]
    assert published == sorted(published)
    assert published[-1] == at(299)
    assert len(published) > IMMEDIATE_EVENTS


async def test_a_portfolio_of_many_positions_is_published(one: Process) -> None:
    follower = LogFollower(one.log)
    position = {"symbol": "A", "quantity": 1, "entry_price": 1, "current_price": 1}
    positions = [{**position, "symbol": f"A{n}"} for n in range(300)]
    async with asyncio.timeout(SECONDS):
        await one.feed.update_portfolio(portfolio(as_of=at(0), positions=positions))
    assert len(follower.cursors("portfolio")) == 1


async def test_a_unit_of_work_that_fails_publishes_nothing(one: Process) -> None:
    follower = LogFollower(one.log)
    await one.feed.record_trade(trade(id="t"))
    calls = [one.feed.record_trade(trade(id=str(n))) for n in range(10)]
    bad = one.feed.record_trades([trade(id="new"), trade(id="t", price=2)])
    await asyncio.gather(*calls[:5], bad, *calls[5:], return_exceptions=True)
    assert sorted(follower.received()) == sorted(["t", *map(str, range(10))])
    assert "new" not in {body for row in await one.rows() for body in row.bodies}


async def test_while_the_log_is_away_rows_wait_in_their_order(one: Process) -> None:
    log = one.log
    assert isinstance(log, FailingLog)
    follower = LogFollower(log)
    log.away = True
    for n in range(600):
        await one.feed.record_trade(trade(id=str(n)))
    await one.feed.raise_alert(alert(id="a"))
    await one.feed.acknowledge_alert("a", "ann")
    assert (follower.items, one.relay.waiting) == ([], 602)
    await one.relay.relay_left()
    log.away = False
    await one.relay.relay_left()
    assert follower.received() == [str(n) for n in range(600)]
    assert [e.data["status"] for e in follower.items if e.channel.name == "alerts"] == [  # type: ignore[union-attr]
        "active", "acknowledged",
    ]  # fmt: skip
    assert (await one.rows(), one.relay.waiting) == ([], 0)
    await one.feed.record_trade(trade(id="after"))
    assert follower.received()[-1] == "after"


@pytest.mark.parametrize("bound", ["size", "age"])
async def test_what_waits_beyond_the_bounds_becomes_one_resync(
    engine: Engine, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"size": {"size": 100}, "age": {"ttl": 0.01}}[bound]
    log = FailingLog(**limits)  # type: ignore[arg-type]
    follower, one = LogFollower(log), Process(engine, log)
    log.away = True
    for n in range(150 if bound == "size" else 3):
        await one.feed.record_trade(trade(id=str(n)))
    await one.feed.record_trades([trade(id=f"b{n}") for n in range(2)])
    if bound == "size":
        await one.feed.raise_alert(alert(id="a"))
    await asyncio.sleep(0.02)
    log.away = False
    await one.relay.relay_left()
    assert follower.received() == ["gap"]
    assert await one.rows() == []
    if bound == "size":
        assert follower.received("alerts") == ["a"]
        await one.feed.record_trade(trade(id="after"))
        assert follower.received() == ["gap", "after"]


async def test_a_later_change_relays_what_a_dead_process_left_of_the_record(
    tmp_path: Path,
) -> None:
    async with processes(tmp_path / "store.db", 2) as ((dead, living), follower):
        dead.dies_after_its_commits()
        await dead.feed.raise_alert(alert(id="a"))
        await dead.feed.raise_alert(alert(id="b"))
        await living.feed.resolve_alert("a")
        assert follower.received("alerts") == ["a", "a"]
        for _ in range(2):
            await living.relay.relay_left()
        assert follower.received("alerts") == ["a", "a", "b"]
        assert await living.rows() == []


async def test_states_keep_their_order_where_a_clock_is_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with processes(tmp_path / "store.db", 2) as ((ahead, other), follower):
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
    async with processes(tmp_path / "store.db", 2) as ((ahead, other), follower):
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
            url = await request.getfixturevalue("postgres").new()
            engine = await stack.enter_async_context(connected(url))
        one = Process(engine, MemoryEventLog())
        one.dies_after_its_commits()
        monkeypatch.setattr(outbox, "new_id", lambda: "ffffffff-ffff-7000-8000-000000000000")
        await one.feed.update_portfolio(portfolio(as_of=at(0).isoformat()))
        monkeypatch.undo()
        await asyncio.gather(
            *(one.feed.update_portfolio(portfolio(as_of=at(n).isoformat())) for n in range(1, 20))
        )
        ids = [row.id for row in await one.rows()]
        assert len(ids) == 20
        assert [row.revision for row in await one.rows()] == list(range(1, 21))


async def test_a_row_of_another_process_waits_for_an_own_one_that_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with processes(tmp_path / "store.db", 2, first_alone=True) as (
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
    async with processes(path, 3) as (all_of_them, follower):
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


async def test_an_exception_of_the_log_loses_nothing(
    one: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    follower = LogFollower(one.log)
    with monkeypatch.context() as broken:

        async def fails(rows: Sequence[OutboxRow]) -> None:
            raise LookupError("nobody thought of it")

        broken.setattr(one.log, "relay", fails)
        await one.feed.record_trade(trade(id="1"))
        assert "could not be relayed" in caplog.text
    await one.feed.record_trade(trade(id="2"))
    await one.relay.relay_left()
    assert follower.received() == ["1", "2"]


async def test_a_removal_that_fails_is_tried_again(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await one.feed.record_trade(trade(id="1"))
    with monkeypatch.context() as away:

        async def fails(engine: Engine, ids: Sequence[str]) -> None:
            raise Unavailable("The database is unavailable.")

        away.setattr(outbox, "remove", fails)
        with pytest.raises(Unavailable):
            await one.relay.relay_left()
    await one.relay.relay_left()
    assert await one.rows() == []


@pytest.mark.parametrize("conforming", ["on", "off"])
async def test_any_text_comes_back_out_of_the_outbox(postgres: Postgres, conforming: str) -> None:
    url = await postgres.new()
    name = re.findall(r"ap_\w+", url)[-1]
    await postgres.run(f"ALTER DATABASE {name} SET standard_conforming_strings = {conforming}")
    texts = [
        "'",
        "''",
        "\\",
        "\\'",
        "'); DROP TABLE trades; --",
        "\\n\n\t",
        "é😀",
        "$1 $$ %s",
        "\x7f",
    ]
    async with connected(url) as engine:
        log = FailingLog()
        one, follower = Process(engine, log), LogFollower(log)
        log.away = True
        for text in texts:
            await one.feed.raise_alert(alert(title=text, metadata={text: text}))
        log.away = False
        await one.relay.relay_left()
        assert [e.data["title"] for e in follower.items] == texts  # type: ignore[union-attr]
        assert [e.data["metadata"] for e in follower.items] == [{text: text} for text in texts]  # type: ignore[union-attr]
