"""Refresh tokens, of which only hashes are kept: used once, and in families."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from alphapulse_api.data.accounts import USERS, User
from alphapulse_api.data.columns import PLAIN, TIME, Columns
from alphapulse_api.data.engine import Engine, Transaction
from alphapulse_api.times import now, to_micros

REFRESH_TOKENS = Columns(
    "refresh_tokens",
    {
        "token_hash": PLAIN,
        "family": PLAIN,
        "username": PLAIN,
        "generation": PLAIN,
        "expires_at": TIME,
        "used_at": TIME,
        "revoked_at": TIME,
    },
)


class RefreshTokenDataAccessor:
    """Reads and writes the tokens that logins can be renewed with."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(
        self, token_hash: str, family: str, username: str, generation: int, expires_at: datetime
    ) -> None:
        """Store a new token; forgets those that have expired."""
        record = {
            "token_hash": token_hash,
            "family": family,
            "username": username,
            "generation": generation,
            "expires_at": expires_at,
        }

        async def work(transaction: Transaction) -> None:
            await transaction.execute(
                "DELETE FROM refresh_tokens WHERE expires_at <= $1", to_micros(now())
            )
            await transaction.execute(REFRESH_TOKENS.insert, *REFRESH_TOKENS.store(record))

        await self._engine.write(work)

    async def rotate(
        self, token_hash: str, successor_hash: str, expires_at: datetime
    ) -> User | None:
        """Use a token up and put its successor in its place; returns the user, if it was valid.

        One that was used before ends its whole family (RFC 9700, section 4.14.2): either the
        caller or the one who used it first has stolen it.
        """

        async def work(transaction: Transaction) -> User | None:
            token = await self._locked(transaction, token_hash)
            if token is None:
                return None
            if token["used_at"] is not None:
                await _end_family(transaction, token["family"])
                return None
            users = await transaction.fetch(
                f"SELECT {USERS.select} FROM users "
                "WHERE username = $1 AND generation = $2 AND NOT disabled",
                token["username"],
                token["generation"],
            )
            instant = now()
            if token["revoked_at"] is not None or token["expires_at"] <= instant or not users:
                return None
            await transaction.execute(
                "UPDATE refresh_tokens SET used_at = $2 WHERE token_hash = $1",
                token_hash,
                to_micros(instant),
            )
            # As the one before: of the same family, and neither used nor revoked.
            successor = {**token, "token_hash": successor_hash, "expires_at": expires_at}
            await transaction.execute(REFRESH_TOKENS.insert, *REFRESH_TOKENS.store(successor))
            return User(**USERS.read(users[0]))

        return await self._engine.write(work)

    async def revoke(self, token_hash: str) -> bool:
        """End a token's whole family; returns whether there was one."""

        async def work(transaction: Transaction) -> bool:
            token = await self._locked(transaction, token_hash)
            if token is not None:
                await _end_family(transaction, token["family"])
            return token is not None

        return await self._engine.write(work)

    async def _locked(self, transaction: Transaction, token_hash: str) -> dict[str, Any] | None:
        """A token, if there is one, while no other of its user's is used or revoked.

        The user is locked and not the token: a family that ends must not get a successor meanwhile.
        """
        owner = "SELECT username FROM refresh_tokens WHERE token_hash = $1"
        await transaction.fetch(
            f"SELECT 1 FROM users WHERE username = ({owner}) {self._engine.locked}", token_hash
        )
        rows = await transaction.fetch(
            f"SELECT {REFRESH_TOKENS.select} FROM refresh_tokens WHERE token_hash = $1", token_hash
        )
        return REFRESH_TOKENS.read(rows[0]) if rows else None


async def _end_family(transaction: Transaction, family: str) -> None:
    await transaction.execute(
        "UPDATE refresh_tokens SET revoked_at = $2 WHERE family = $1 AND revoked_at IS NULL",
        family,
        to_micros(now()),
    )
