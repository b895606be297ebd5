"""The relay of the outbox: once, and each record's states in order, whichever processes die."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import pytest

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.log import Event
from alphapulse_api.record.log_writer import IMMEDIATE_EVENTS
from alphapulse_api.storage import outbox
from alphapulse_api.storage.engine import Engine
from tests.engines import at, connected
from tests.event_logs import LogFollower
from tests.postgres import Postgres
from tests.record.conftest import FailingLog, Relaying
from tests.socket_client import alert, portfolio, trade
from tests.waiting import SECONDS


async def test_what_is_relayed_is_removed(relaying: Relaying) -> None:
    await relaying.feed.record_trades([trade(id=str(n)) for n in range(1000)])
    await relaying.feed.raise_alert(alert(id="a"))
    await relaying.feed.acknowledge_alert("a", "ann")
    await relaying.feed.update_portfolio(portfolio(as_of=at(0)))
    await relaying.feed.update_agent("m", {"state": "active"})
    assert {row.channel for row in await relaying.rows()} == {"trades", "alerts", "portfolio", None}
    await relaying.relay.close()
    assert await relaying.rows() == []


async def test_many_portfolios_at_once_are_published(relaying: Relaying) -> None:
    follower = LogFollower(relaying.log)
    snapshots = [portfolio(as_of=at(n)) for n in range(300)]
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(relaying.feed.update_portfolio(snapshot) for snapshot in snapshots))
        await relaying.relay.flush()
    # One that is overtaken by a newer one belongs to the history, and has no event.
    published = [item.data["as_of"] for item in follower.items if isinstance(item, Event)]
    assert published == sorted(published)
    assert published[-1] == at(299)
    assert len(published) > IMMEDIATE_EVENTS


async def test_a_portfolio_of_many_positions_is_published(relaying: Relaying) -> None:
    follower = LogFollower(relaying.log)
    position = {"symbol": "A", "quantity": 1, "entry_price": 1, "current_price": 1}
    positions = [{**position, "symbol": f"A{n}"} for n in range(300)]
    async with asyncio.timeout(SECONDS):
        await relaying.feed.update_portfolio(portfolio(as_of=at(0), positions=positions))
    assert len(follower.cursors("portfolio")) == 1


async def test_a_unit_of_work_that_fails_publishes_nothing(relaying: Relaying) -> None:
    follower = LogFollower(relaying.log)
    await relaying.feed.record_trade(trade(id="t"))
    calls = [relaying.feed.record_trade(trade(id=str(n))) for n in range(10)]
    bad = relaying.feed.record_trades([trade(id="new"), trade(id="t", price=2)])
    await asyncio.gather(*calls[:5], bad, *calls[5:], return_exceptions=True)
    assert sorted(follower.received()) == sorted(["t", *map(str, range(10))])
    assert "new" not in {body for row in await relaying.rows() for body in row.bodies}


async def test_while_the_log_is_away_rows_wait_in_their_order(relaying: Relaying) -> None:
    log = relaying.log
    assert isinstance(log, FailingLog)
    follower = LogFollower(log)
    log.away = True
    for n in range(600):
        await relaying.feed.record_trade(trade(id=str(n)))
    await relaying.feed.raise_alert(alert(id="a"))
    await relaying.feed.acknowledge_alert("a", "ann")
    assert (follower.items, relaying.relay.waiting) == ([], 602)
    await relaying.relay.relay_left()
    log.away = False
    await relaying.relay.relay_left()
    assert follower.received() == [str(n) for n in range(600)]
    assert [e.data["status"] for e in follower.items if e.channel.name == "alerts"] == [  # type: ignore[union-attr]
        "active", "acknowledged",
    ]  # fmt: skip
    assert (await relaying.rows(), relaying.relay.waiting) == ([], 0)
    await relaying.feed.record_trade(trade(id="after"))
    assert follower.received()[-1] == "after"


@pytest.mark.parametrize("bound", ["size", "age"])
async def test_what_waits_beyond_the_bounds_becomes_one_resync(
    engine: Engine, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"size": {"size": 100}, "age": {"ttl": 0.01}}[bound]
    log = FailingLog(**limits)  # type: ignore[arg-type]
    follower, relaying = LogFollower(log), Relaying(engine, log)
    log.away = True
    for n in range(150 if bound == "size" else 3):
        await relaying.feed.record_trade(trade(id=str(n)))
    await relaying.feed.record_trades([trade(id=f"b{n}") for n in range(2)])
    if bound == "size":
        await relaying.feed.raise_alert(alert(id="a"))
    await asyncio.sleep(0.02)
    log.away = False
    await relaying.relay.relay_left()
    assert follower.received() == ["gap"]
    assert await relaying.rows() == []
    if bound == "size":
        assert follower.received("alerts") == ["a"]
        await relaying.feed.record_trade(trade(id="after"))
        assert follower.received() == ["gap", "after"]


async def test_an_exception_of_the_log_loses_nothing(
    relaying: Relaying, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    follower = LogFollower(relaying.log)
    with monkeypatch.context() as broken:

        async def fails(rows: Sequence[OutboxRow]) -> None:
            raise LookupError("nobody thought of it")

        broken.setattr(relaying.log, "relay", fails)
        await relaying.feed.record_trade(trade(id="1"))
        assert "could not be relayed" in caplog.text
    await relaying.feed.record_trade(trade(id="2"))
    await relaying.relay.relay_left()
    assert follower.received() == ["1", "2"]


async def test_a_removal_that_fails_is_tried_again(
    relaying: Relaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    await relaying.feed.record_trade(trade(id="1"))
    with monkeypatch.context() as away:

        async def fails(engine: Engine, ids: Sequence[str]) -> None:
            raise Unavailable("The database is unavailable.")

        away.setattr(outbox, "remove", fails)
        with pytest.raises(Unavailable):
            await relaying.relay.relay_left()
    await relaying.relay.relay_left()
    assert await relaying.rows() == []


@pytest.mark.parametrize("conforming", ["on", "off"])
async def test_any_text_comes_back_out_of_the_outbox(postgres: Postgres, conforming: str) -> None:
    url = await postgres.copied()
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
        relaying, follower = Relaying(engine, log), LogFollower(log)
        log.away = True
        for text in texts:
            await relaying.feed.raise_alert(alert(title=text, metadata={text: text}))
        log.away = False
        await relaying.relay.relay_left()
        assert [e.data["title"] for e in follower.items] == texts  # type: ignore[union-attr]
        assert [e.data["metadata"] for e in follower.items] == [{text: text} for text in texts]  # type: ignore[union-attr]


async def test_a_resync_that_cannot_be_written_is_owed_until_the_database_is_back(
    relaying: Relaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that breaks off because the database is away has stored records without events."""
    follower = LogFollower(relaying.log)
    relay = relaying.relay
    with monkeypatch.context() as away:

        async def write(_: object) -> None:
            raise Unavailable("away")

        away.setattr(relaying.store.engine, "write", write)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await relay.resync("trades")
        with pytest.raises(Unavailable):
            await relay.relay_left()
    assert follower.received() == []
    for _ in range(2):
        await relay.relay_left()
    assert follower.received() == ["gap"]
