"""Several processes that write to one PostgreSQL at once: two engines, each with its own writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.times import now
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.retention.series import ROW_BYTES
from alphapulse_api.storage.steps import Steps
from alphapulse_api.storage.tables.directory import AccountDataAccessor, ApiKey
from alphapulse_api.storage.tables.refresh_tokens import RefreshTokenDataAccessor
from tests.engines import at, connected, point
from tests.postgres import Postgres
from tests.records import alert, signal, snapshot, trade


class Writer(NamedTuple):
    """What one process has."""

    engine: Engine
    store: Accessors
    accounts: AccountDataAccessor
    refresh_tokens: RefreshTokenDataAccessor


def _tokens(engine: Engine, grace: float = 0) -> RefreshTokenDataAccessor:
    lasting = timedelta(seconds=grace)
    return RefreshTokenDataAccessor(engine, grace=lasting, access=timedelta(hours=1))


@pytest.fixture
async def two(postgres: Postgres) -> AsyncIterator[tuple[Writer, Writer]]:
    url = await postgres.emptied()
    async with connected(url) as one, connected(url) as other:
        yield tuple(
            Writer(e, Accessors(e, 300, {}), AccountDataAccessor(e), _tokens(e))
            for e in (one, other)
        )


Two = tuple[Writer, Writer]


async def test_an_alert_is_acknowledged_by_one(two: Two) -> None:
    for n in range(20):
        await two[0].store.alerts.add_alert(alert(f"a{n}"))
        calls = [w.store.alerts.try_to_acknowledge(f"a{n}", f"u{i}") for i, w in enumerate(two * 3)]
        answers = await asyncio.gather(*calls)
        assert all(answer == answers[0][0] for answer, _ in answers)
        # And one reports it.
        (by,) = [f"u{i}" for i, (_, changed) in enumerate(answers) if changed]
        assert answers[0][0]["acknowledged_by"] == by
        resolved = await asyncio.gather(*(w.store.alerts.try_to_resolve(f"a{n}") for w in two * 2))
        assert all(answer == resolved[0][0] for answer, _ in resolved)
        assert [changed for _, changed in resolved].count(True) == 1
        assert resolved[0][0]["acknowledged_by"] == by


async def test_an_id_is_stored_once_and_other_content_is_a_conflict(two: Two) -> None:
    for n in range(20):
        calls = [w.store.trades.add_trades([trade(f"t{n}", price=Decimal(i))], one=True)
                 for i, w in enumerate(two, 1)]  # fmt: skip
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert sorted(type(answer) for answer in answers if not isinstance(answer, list)) == [
            Conflict
        ]
        same = await asyncio.gather(
            *(w.store.agents.add_signal(signal(f"s{n}", agent_id=f"m{n}")) for w in two * 2)
        )
        assert [new for _, new in same].count(True) == 1


async def test_batches_in_opposite_orders_end_well(two: Two) -> None:
    """Each waits for rows of the other: PostgreSQL ends one transaction, and it is run again."""
    names = [f"x{n:03}" for n in range(300)]
    for round_ in range(4):
        batch = [trade(f"{round_}{name}") for name in names]
        points = [point(name, round_, 1.0) for name in names]
        stored = await asyncio.gather(
            two[0].store.trades.add_trades(batch),
            two[1].store.trades.add_trades(batch[::-1]),
            two[0].store.metrics.add_points(points),
            two[1].store.metrics.add_points(points[::-1]),
        )
        new = [sum(fresh for _, fresh in answer) for answer in stored[:2]]
        assert sum(new) == len(names)
    assert len(await two[0].store.metrics.list_series()) == len(names)
    rows = await two[1].store.metrics.get_metrics("risk", at(0), at(9), limit=10_000)
    assert len(rows) == 4 * len(names)


async def test_a_deadlock_ends_in_both_writes_stored(two: Two) -> None:
    for name in "ab":
        await two[0].store.agents.set_agent(name, {})
    met = asyncio.Barrier(2)
    runs = 0

    async def work(transaction: Transaction, first: str, second: str) -> None:
        nonlocal runs
        runs += 1
        update = "UPDATE agents SET state = 'error' WHERE agent_id = $1"
        await transaction.execute(update, first)
        if runs <= 2:
            await met.wait()  # each holds its first row now
        await transaction.execute(update, second)

    await asyncio.gather(
        two[0].engine.write(lambda t: work(t, "a", "b")),
        two[1].engine.write(lambda t: work(t, "b", "a")),
    )
    assert runs == 3
    assert {agent["state"] for agent in await two[0].store.agents.get_agents()} == {"error"}


async def test_two_updates_of_an_agent_lose_nothing(two: Two) -> None:
    for n in range(20):
        updates = ({"agent_type": "grid"}, {"state": "error"}, {"metrics": {"a": 1.0}})
        await asyncio.gather(
            *(
                w.store.agents.set_agent(f"m{n}", u)
                for w, u in zip((*two, two[0]), updates, strict=True)
            )
        )
        agent = (await two[0].store.agents.get_agents())[-1]
        changed = {name: agent[name] for name in ("agent_type", "state", "metrics")}
        assert changed == {"agent_type": "grid", "state": "error", "metrics": {"a": 1.0}}
        for w in two:
            await w.engine.write(lambda t: t.execute("DELETE FROM agents"))


async def test_the_newest_portfolio_is_current_for_all(two: Two) -> None:
    for n in range(0, 40, 2):
        calls = [w.store.portfolio.set_portfolio(snapshot(n + i, n + i)) for i, w in enumerate(two)]
        answers = await asyncio.gather(*calls)
        assert answers[1][1] is not None
        for writer in two:
            assert (await writer.store.portfolio.get_portfolio())["total_value"] == n + 1


async def test_there_is_one_first_user(two: Two) -> None:
    calls = [
        w.accounts.add_first_user("admin", "admin", f"hash {i}") for i, w in enumerate(two * 4)
    ]
    assert (await asyncio.gather(*calls)).count(True) == 1
    assert len(await two[0].accounts.list_users()) == 1


async def test_every_change_of_the_accounts_moves_the_version(two: Two) -> None:
    before = await two[0].accounts.version()
    key = ApiKey("k", "bot", "hash", [], now(), None, None)
    await two[0].accounts.add_api_key(key)
    changes = [
        *(w.accounts.put_user(f"u{n}", "viewer", "hash") for w in two for n in range(5)),
        *(
            w.accounts.add_api_key(replace(key, id=f"k{n}{i}"))
            for i, w in enumerate(two)
            for n in "ab"
        ),
        *(w.accounts.revoke_access_token("jti", now() + timedelta(hours=1)) for w in two),
    ]
    await asyncio.gather(*changes)
    revoked = await asyncio.gather(*(w.accounts.revoke_api_key("k") for w in two))
    assert sorted(revoked) == [False, True]
    after = await two[1].accounts.version()
    assert after.number == before.number + 1 + len(changes) + 2
    assert after.change != before.change
    directories = [await w.accounts.directory() for w in two]
    assert directories[0] == directories[1]
    assert {user.generation for user in directories[0].users.values()} == {2}


async def test_a_refresh_token_is_used_once_and_twice_ends_its_family(two: Two) -> None:
    await two[0].accounts.put_user("ann", "viewer", "hash")
    later = now() + timedelta(days=1)
    for n in range(20):
        await two[0].refresh_tokens.add(f"t{n}", f"f{n}", "ann", 1, later)
        calls = [w.refresh_tokens.rotate(f"t{n}", f"t{n}-{i}", later) for i, w in enumerate(two)]
        renewals = await asyncio.gather(*calls)
        assert sorted(renewal.ended for renewal in renewals) == [False, True]
        assert [renewal.user is not None for renewal in renewals].count(True) == 1
        # Whoever was second has ended the family: no successor is worth anything.
        for i in range(2):
            assert (await two[1].refresh_tokens.rotate(f"t{n}-{i}", "x", later)).user is None
        assert f"f{n}" in (await two[1].accounts.directory()).ended


async def test_of_two_that_renew_at_once_within_the_grace_both_go_on(two: Two) -> None:
    await two[0].accounts.put_user("ann", "viewer", "hash")
    later = now() + timedelta(days=1)
    graceful = [_tokens(w.engine, grace=10) for w in two]
    for n in range(20):
        await graceful[0].add(f"t{n}", f"f{n}", "ann", 1, later)
        calls = [tokens.rotate(f"t{n}", f"t{n}-{i}", later) for i, tokens in enumerate(graceful)]
        assert all(renewal.user is not None for renewal in await asyncio.gather(*calls))
        live = [await graceful[0].rotate(f"t{n}-{i}", f"x{n}{i}", later) for i in range(2)]
        assert [renewal.user is not None for renewal in live] == [True, True]


async def test_a_family_that_ends_gets_no_successor_meanwhile(two: Two) -> None:
    await two[0].accounts.put_user("ann", "viewer", "hash")
    later = now() + timedelta(days=1)
    for n in range(20):
        await two[0].refresh_tokens.add(f"t{n}", f"f{n}", "ann", 1, later)
        await asyncio.gather(
            two[0].refresh_tokens.rotate(f"t{n}", f"s{n}", later),
            two[1].refresh_tokens.revoke(f"t{n}"),
        )
        assert (await two[0].refresh_tokens.rotate(f"s{n}", f"x{n}", later)).user is None


async def test_two_that_forget_at_once_forget_once(two: Two) -> None:
    for n in range(30):
        await two[0].store.metrics.add_points([point(m, 60 * n, 1.0) for m in ("var", "beta")])
    kept = RetentionConfig(metrics=60.0)
    gone = await asyncio.gather(
        *(forget(w.engine, kept, at(60 + 60 * 28), Steps(w.engine, 7 * ROW_BYTES)) for w in two)
    )
    await forget(two[0].engine, kept, at(60 + 60 * 28))
    assert sum(part["metrics"] for part in gone) <= 56
    assert len(await two[0].store.metrics.get_metrics("risk", at(0), at(3600))) == 4
    assert {s["count"] for s in await two[0].store.metrics.list_series()} == {30}
