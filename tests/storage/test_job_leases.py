"""Who does the work that one process does at a time, on both engines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from alphapulse_api.storage import job_leases
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.job_leases import LEASE_SECONDS, JobLease, LeaseLost
from tests.engines import connected
from tests.waiting import until


async def sql(engine: Engine, text: str) -> None:
    """Run one statement, as the database's owner could."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute(text)

    await engine.write(work)


async def expire(engine: Engine) -> None:
    """Let the time of all leases be over."""
    await sql(engine, f"UPDATE job_leases SET expires_at = {engine.clock}")


async def effect(engine: Engine, lease: JobLease, epoch: int) -> None:
    """Store something that only the owner of the lease may store."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute(
            "INSERT INTO price_marks (symbol, from_at, until_at) VALUES ('AAPL', $1, $1)", 0
        )
        await lease.check(transaction, epoch)

    await engine.write(work)


async def effects(engine: Engine) -> int:
    ((count,),) = await engine.fetch("SELECT count(*) FROM price_marks")
    return int(count)


class Jobs:
    """Notes who works, with which epoch."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int]] = []
        self.ended: list[str] = []

    def work(self, owner: str) -> Callable[[int], Awaitable[None]]:
        """Work that goes on until it is cancelled."""

        async def run(epoch: int) -> None:
            self.begun.append((owner, epoch))
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.append(owner)

        return run


@asynccontextmanager
async def running(lease: JobLease, work: Callable[[int], Awaitable[None]]) -> AsyncIterator[None]:
    """Have the lease and its work run meanwhile."""
    task = asyncio.create_task(lease.run_forever(work))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that soon end."""
    monkeypatch.setattr(job_leases, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(job_leases, "RENEW_SECONDS", 0.05)


def test_another_process_has_taken_over_five_seconds_after_a_death() -> None:
    assert LEASE_SECONDS + job_leases.RENEW_SECONDS <= 5


async def test_one_of_two_owners_has_the_lease_until_it_ends(engine: Engine) -> None:
    one, two = JobLease(engine, "a"), JobLease(engine, "a")
    assert await one.acquire() == 1
    assert await two.acquire() is None
    assert await one.acquire() is None
    assert await one.renew(1)
    await expire(engine)
    assert await two.acquire() == 2
    assert not await one.renew(1)
    await one.release(1)
    assert await one.acquire() is None
    await two.release(2)
    assert await one.acquire() == 3


async def test_jobs_of_other_names_are_not_touched(engine: Engine) -> None:
    assert await JobLease(engine, "a").acquire() == 1
    assert await JobLease(engine, "b").acquire() == 1


async def test_only_the_owner_of_a_lease_that_lasts_has_an_effect(engine: Engine) -> None:
    one, two = JobLease(engine, "a"), JobLease(engine, "a")
    assert await one.acquire() == 1
    await effect(engine, one, 1)
    assert await effects(engine) == 1
    await expire(engine)
    await sql(engine, "DELETE FROM price_marks")
    with pytest.raises(LeaseLost):  # it stalled, and does not know that its time is over
        await effect(engine, one, 1)
    assert await two.acquire() == 2
    with pytest.raises(LeaseLost):
        await effect(engine, one, 1)
    assert await effects(engine) == 0
    await effect(engine, two, 2)
    assert await effects(engine) == 1


async def test_an_epoch_that_a_restored_database_issues_again_is_not_that_of_before(
    engine: Engine,
) -> None:
    one, two = JobLease(engine, "a"), JobLease(engine, "a")
    assert await one.acquire() == 1
    await sql(engine, "DELETE FROM job_leases")
    assert await two.acquire() == 1
    assert not await one.renew(1)
    with pytest.raises(LeaseLost):
        await effect(engine, one, 1)


async def test_the_clock_is_that_of_the_database(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 0.0)
        assert await JobLease(engine, "a").acquire() == 1
    ((left, clock),) = await engine.fetch(
        f"SELECT expires_at, {engine.clock} FROM job_leases WHERE name = 'a'"
    )
    assert 0 < left - clock <= LEASE_SECONDS * 1e6
    assert abs(clock - time.time() * 1e6) < 60e6


@pytest.mark.usefixtures("_short")
async def test_another_takes_over_from_an_owner_that_died(engine: Engine) -> None:
    jobs = Jobs()
    assert await JobLease(engine, "a").acquire() == 1
    async with running(JobLease(engine, "a"), jobs.work("two")):
        await until(lambda: jobs.begun)
    assert jobs.begun == [("two", 2)]


async def test_an_owner_that_ends_hands_over_at_once(engine: Engine) -> None:
    jobs = Jobs()
    async with running(JobLease(engine, "a"), jobs.work("one")):
        await until(lambda: jobs.begun)
    assert jobs.ended == ["one"]
    assert await JobLease(engine, "a").acquire() == 2


async def test_an_owner_whose_work_fails_releases_the_lease(engine: Engine) -> None:
    async def fail(epoch: int) -> None:
        raise ZeroDivisionError(epoch)

    with pytest.raises(ZeroDivisionError):
        await JobLease(engine, "a").run_forever(fail)
    assert await JobLease(engine, "a").acquire() == 2


@pytest.mark.usefixtures("_short")
async def test_work_ends_when_the_lease_is_lost_and_begins_again_when_it_is_free(
    engine: Engine,
) -> None:
    jobs = Jobs()
    async with running(JobLease(engine, "a"), jobs.work("one")):
        await until(lambda: jobs.begun)
        await sql(engine, "UPDATE job_leases SET epoch = 7, owner = 'two'")
        await until(lambda: jobs.ended)
        await until(lambda: len(jobs.begun) == 2)
    assert jobs.begun == [("one", 1), ("one", 8)]


async def test_work_that_finds_the_lease_lost_begins_again(engine: Engine) -> None:
    begun: list[int] = []
    lease = JobLease(engine, "a")

    async def work(epoch: int) -> None:
        begun.append(epoch)
        if len(begun) == 1:
            await effect(engine, lease, epoch + 1)
        await asyncio.Event().wait()

    async with running(lease, work):
        await until(lambda: len(begun) == 2)
    assert begun == [1, 2]


async def test_the_only_server_of_a_file_takes_the_lease_at_once_and_keeps_it(
    engine: Engine,
) -> None:
    one, two = JobLease(engine, "a", alone=True), JobLease(engine, "a", alone=True)
    jobs = Jobs()
    assert await one.acquire() == 1  # and is killed
    async with running(two, jobs.work("two")):
        await until(lambda: jobs.begun)
        ((end,),) = await engine.fetch("SELECT expires_at FROM job_leases")
        assert end is None
        with pytest.raises(LeaseLost):
            await effect(engine, one, 1)
        await effect(engine, two, 2)
    assert jobs.begun == [("two", 2)]


async def test_a_server_that_drains_leaves_the_work_to_the_next_one(engine: Engine) -> None:
    lease = JobLease(engine, "a", alone=True)

    async def work(epoch: int) -> None:
        assert await JobLease(engine, "a", alone=True).acquire() == epoch + 1
        await effect(engine, lease, epoch)

    await lease.run_forever(work)
    assert await effects(engine) == 0


@pytest.mark.usefixtures("_short")
async def test_work_ends_in_time_when_the_database_hangs(postgres_url: str) -> None:
    jobs = Jobs()
    async with connected(postgres_url) as engine:
        holder = await asyncpg.connect(postgres_url)
        async with running(JobLease(engine, "a"), jobs.work("one")):
            await until(lambda: jobs.begun)
            async with holder.transaction():
                await holder.execute("SELECT * FROM job_leases FOR UPDATE")
                await until(lambda: jobs.ended)
        await holder.close()


@pytest.mark.usefixtures("_short")
async def test_nobody_takes_over_before_an_effect_is_committed(postgres_url: str) -> None:
    checked, proceed, jobs = asyncio.Event(), asyncio.Event(), Jobs()
    async with connected(postgres_url) as engine, connected(postgres_url) as other:
        one = JobLease(engine, "a")
        assert await one.acquire() == 1

        async def work(transaction: Transaction) -> None:
            await one.check(transaction, 1)
            checked.set()
            await proceed.wait()

        async def waits() -> bool:
            rows = await engine.fetch(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                "AND datname = current_database()"
            )
            return bool(rows)

        storing = asyncio.create_task(engine.write(work))
        await checked.wait()
        async with running(JobLease(other, "a"), jobs.work("two")):
            await until(waits)
            assert not jobs.begun
            proceed.set()
            await storing
            await until(lambda: jobs.begun)
    assert jobs.begun == [("two", 2)]
