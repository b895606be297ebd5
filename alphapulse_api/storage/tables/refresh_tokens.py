"""Refresh tokens: stored as hashes, used once, and grouped in families.

A family is all tokens of one login, including access tokens. It ends as a whole.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.deeds import Actor, Deed
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.columns import PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.tables.audit import note
from alphapulse_api.storage.tables.callers import USERS, User
from alphapulse_api.storage.tables.directory import end_tokens
from alphapulse_api.storage.tables.login_addresses import remember_address

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
        "successor": PLAIN,  # hashes, separated by spaces, the newest last
    },
)

BY_PASSWORD: Final = Actor(None, "password")
BY_TOKEN: Final = Actor(None, "refresh_token")

# Valid successors of one token: pages that share a token may renew it at the same time.
MAX_SUCCESSORS: Final = 4


class Renewal(NamedTuple):
    """The result of using a token.

    Attributes:
        user: the user of the token; None if the token is not valid.
        family: the token's.
        ended: whether the use ended its family.
    """

    user: User | None
    family: str | None
    ended: bool = False


_INVALID: Final = Renewal(None, None)


class RefreshTokenDataAccessor:
    """Reads and writes refresh tokens.

    Args:
        engine: the database.
        grace: how long a used token may be used again, if no successor was used.
        access: how long an issued access token may be valid.
    """

    def __init__(self, engine: Engine, *, grace: timedelta, access: timedelta) -> None:
        self._engine = engine
        self._grace = grace
        self._access = access

    async def add(
        self,
        token_hash: str,
        family: str,
        username: str,
        generation: int,
        expires_at: datetime,
        address: str | None = None,
        *,
        actor: Actor = BY_PASSWORD,
    ) -> None:
        """Store the first token of a login, and where the login comes from, if it is known.

        Forgets the tokens that have expired.

        Args:
            address: under which logins are limited.
            actor: who has logged in.
        """
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
            if address is not None:
                await remember_address(transaction, username, address)
            await note(transaction, Deed(actor, "user.login", username))

        await self._engine.write(work)

    # Anybody can send an invented token, which must not cost the writer anything. So a read first
    # decides whether using or revoking the token would change anything.

    async def is_known(self, token_hash: str) -> bool:
        """Whether the token exists and was not ended."""
        rows = await self._engine.fetch(
            "SELECT 1 FROM refresh_tokens WHERE token_hash = $1 AND revoked_at IS NULL", token_hash
        )
        return bool(rows)

    async def is_of_a_live_family(self, token_hash: str) -> bool:
        """Whether the token exists and any token of its family was not ended."""
        rows = await self._engine.fetch(
            "SELECT 1 FROM refresh_tokens AS token WHERE token_hash = $1 AND EXISTS ("
            "SELECT 1 FROM refresh_tokens AS other "
            "WHERE other.family = token.family AND other.revoked_at IS NULL)",
            token_hash,
        )
        return bool(rows)

    async def rotate(
        self,
        token_hash: str,
        successor_hash: str,
        expires_at: datetime,
        *,
        actor: Actor = BY_TOKEN,
    ) -> Renewal:
        """Use a token and store its successor.

        Using a token again ends its whole family (RFC 9700, section 4.14.2), because either the
        caller or its first user has stolen it. The exception is a use within the grace and before
        any successor is used: then the first answer may have been lost, or two pages that share the
        token renew at once. Earlier successors stay valid, because in the second case a page still
        holds each of them; the oldest of more than `MAX_SUCCESSORS` ends. A token that ended unused
        is refused without ending its family.
        """

        async def work(transaction: Transaction) -> Renewal:
            token = await self._locked(transaction, token_hash)
            if token is None or token["revoked_at"] is not None:
                return _INVALID
            instant = now()
            spent = token["used_at"] is not None
            if spent and not await self._may_repeat(transaction, token, instant):
                deed = Deed(actor, "user.reuse_token", token["username"])
                return Renewal(None, token["family"], await self._end(transaction, token, deed))
            users = await transaction.fetch(
                f"SELECT {USERS.select} FROM users "
                "WHERE username = $1 AND generation = $2 AND NOT disabled",
                token["username"],
                token["generation"],
            )
            if token["expires_at"] <= instant or not users:
                return _INVALID
            successors = [*(token["successor"] or "").split(), successor_hash]
            for ended in successors[:-MAX_SUCCESSORS]:
                await transaction.execute(
                    "UPDATE refresh_tokens SET revoked_at = $2 WHERE token_hash = $1",
                    ended,
                    to_micros(instant),
                )
            await transaction.execute(
                "UPDATE refresh_tokens SET used_at = coalesce(used_at, $2), successor = $3 "
                "WHERE token_hash = $1",
                token_hash,
                to_micros(instant),
                " ".join(successors[-MAX_SUCCESSORS:]),
            )
            successor = {
                **token,
                "token_hash": successor_hash,
                "expires_at": expires_at,
                "used_at": None,
                "successor": None,
            }
            await transaction.execute(REFRESH_TOKENS.insert, *REFRESH_TOKENS.store(successor))
            return Renewal(User.of(users[0]), token["family"])

        return await self._engine.write(work)

    async def revoke(self, token_hash: str, *, actor: Actor = BY_TOKEN) -> bool:
        """End the whole family of a token; return whether that changed anything."""

        async def work(transaction: Transaction) -> bool:
            token = await self._locked(transaction, token_hash)
            if token is None:
                return False
            username = token["username"]
            deed = Deed(actor._replace(name=username), "user.logout", username)
            return await self._end(transaction, token, deed)

        return await self._engine.write(work)

    async def _locked(self, transaction: Transaction, token_hash: str) -> dict[str, Any] | None:
        """Lock the user of a token, and return the token if it exists.

        The user is locked instead of the token, so that a family that ends gets no successor.
        """
        owner = "SELECT username FROM refresh_tokens WHERE token_hash = $1"
        await transaction.fetch(
            f"SELECT 1 FROM users WHERE username = ({owner}) {self._engine.locked}", token_hash
        )
        rows = await transaction.fetch(
            f"SELECT {REFRESH_TOKENS.select} FROM refresh_tokens WHERE token_hash = $1", token_hash
        )
        return REFRESH_TOKENS.read(rows[0]) if rows else None

    async def _may_repeat(
        self, transaction: Transaction, token: dict[str, Any], instant: datetime
    ) -> bool:
        """Return whether a used token may be used again: within the grace, no successor used."""
        # A use in the future is not recent either: the clock was set back since.
        if abs(instant - token["used_at"]) >= self._grace:
            return False
        for successor in token["successor"].split():
            unused = await transaction.fetch(
                "SELECT 1 FROM refresh_tokens "
                "WHERE token_hash = $1 AND used_at IS NULL AND revoked_at IS NULL",
                successor,
            )
            if not unused:
                return False
        return True

    async def _end(self, transaction: Transaction, token: dict[str, Any], deed: Deed) -> bool:
        """End the family of a token with its access tokens; return whether it was still valid.

        Args:
            deed: that ends it.
        """
        instant = now()
        ended = await transaction.execute(
            "UPDATE refresh_tokens SET revoked_at = $2 WHERE family = $1 AND revoked_at IS NULL",
            token["family"],
            to_micros(instant),
        )
        if ended:
            await end_tokens(transaction, token["family"], instant + self._access)
            await note(transaction, deed)
        return bool(ended)
