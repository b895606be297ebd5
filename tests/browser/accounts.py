"""Users, put into a database before anybody serves from it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from alphapulse_api import Config
from alphapulse_api.auth.opening import open_accounts
from alphapulse_api.storage.engines import engine_from


def add_users(config: Config, roles: Mapping[str, str], password: str) -> None:
    """Add users of one password.

    Args:
        roles: by name of the user.
    """

    async def work() -> None:
        engine = engine_from(config.database)
        await engine.open()
        try:
            accounts, _ = await open_accounts(engine, config)
            for name, role in roles.items():
                await accounts.set_user(name, role, password)
        finally:
            await engine.close()

    asyncio.run(work())
