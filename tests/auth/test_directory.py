"""What a running server knows of its callers, while the database changes beneath it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from alphapulse_api.auth.accounts import Accounts
from alphapulse_api.auth.opening import open_accounts
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engines import engine_from
from alphapulse_api.storage.tables.directory import AccountDataAccessor
from tests.asking import ask
from tests.conftest import Server
from tests.socket_client import connect
from tests.waiting import until


async def set_back(transaction: Transaction) -> None:
    """As after a fail-over to a standby that had not got the newest change."""
    await transaction.execute("UPDATE auth_version SET version = version - 1, change = 'older'")


@asynccontextmanager
async def another_process(server: Server) -> AsyncIterator[tuple[Engine, Accounts]]:
    """What another process has that uses the server's database and remembers nothing of it."""
    config = server.backend.config
    engine = engine_from(config.database)
    await engine.open()
    try:
        accounts, _ = await open_accounts(engine, config)
        yield engine, accounts
    finally:
        await engine.close()


async def until_refused(server: Server, caller: dict[str, str]) -> None:
    async def refused() -> bool:
        return (await ask(server, "GET", "/api/me", caller)).status == 401

    await until(refused)


@pytest.mark.stalls
async def test_a_revocation_of_another_process_takes_hold_within_five_seconds(
    either: Server,
) -> None:
    caller = await either.key()
    async with another_process(either) as (_, accounts):
        (key,) = await accounts.list_api_keys()
        await accounts.revoke_api_key(key.id)
        async with asyncio.timeout(5):
            await until_refused(either, caller)


async def test_a_key_that_is_revoked_after_the_database_was_set_back_is_refused(
    either: Server,
) -> None:
    caller = await either.key()
    async with another_process(either) as (engine, accounts):
        (key,) = await accounts.list_api_keys()
        store = AccountDataAccessor(engine)
        before = await store.version()
        await engine.write(set_back)
        await accounts.revoke_api_key(key.id)
        assert (await store.version()).number == before.number
    async with connect(either) as client:
        await until_refused(either, caller)
        refused = await client.ask(type="auth", api_key=caller["X-API-Key"])
        assert refused["code"] == "auth_failed"


async def test_a_socket_ends_when_its_user_is_disabled_after_the_database_was_set_back(
    either: Server,
) -> None:
    caller = await either.login("viewer")
    async with another_process(either) as (engine, accounts), connect(either, caller) as client:
        await engine.write(set_back)
        await accounts.disable_user("viewer")
        assert (await client.until_closed())[:2] == (1008, "revoked")
    await until_refused(either, caller)
