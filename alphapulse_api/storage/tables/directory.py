"""Users, API keys and revoked tokens.

Every change increments `auth_version`, and leaves an entry in the audit log about its actor.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, NamedTuple

from alphapulse_api.domain.deeds import HOST, Actor, Deed
from alphapulse_api.domain.names import name_key
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.tables.audit import note
from alphapulse_api.storage.tables.callers import API_KEYS, USERS, ApiKey, User
from alphapulse_api.storage.tables.failed_logins import note_failed_login
from alphapulse_api.storage.tables.login_addresses import ADDRESS_REMEMBERED
from alphapulse_api.storage.tables.user_changes import (
    add_user,
    change_user,
    limit_of,
    new_user,
)


class Version(NamedTuple):
    """The version of users, keys and tokens. Versions are comparable for equality only.

    Attributes:
        number: incremented by every change.
        change: random text of the newest change. A number can repeat, with another state,
            where a database was set back: by a fail-over, or a restore.
    """

    number: int
    change: str


class Directory(NamedTuple):
    """All users, keys and revoked tokens at one version.

    Attributes:
        ended: the jti of each access token that was revoked, and each family that ended.
    """

    version: Version
    users: dict[str, User]
    keys: dict[str, ApiKey]
    ended: frozenset[str]


class AccountDataAccessor:
    """Reads and writes users, API keys and revoked tokens."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def version(self) -> Version:
        """The current version."""
        ((number, change),) = await self._engine.fetch("SELECT version, change FROM auth_version")
        return Version(number, change)

    async def directory(self) -> Directory:
        """All users, keys and revoked tokens."""
        # The version is read first, so that a change in between is read again with the next one.
        version = await self.version()
        users = await self.list_users()
        keys = await self.list_api_keys()
        ended = await self._engine.fetch(
            "SELECT jti FROM revoked_tokens WHERE expires_at > $1", to_micros(now())
        )
        return Directory(
            version,
            {user.username: user for user in users},
            {key.id: key for key in keys},
            frozenset(row[0] for row in ended),
        )

    async def list_users(self) -> list[User]:
        """Every user, by name."""
        rows = await self._engine.fetch(f"SELECT {USERS.select} FROM users ORDER BY username")
        return [User.of(row) for row in rows]

    async def find_user(self, username: str) -> User | None:
        """The user with that name, in any spelling and case."""
        rows = await self._engine.fetch(
            f"SELECT {USERS.select} FROM users WHERE name_key = $1", name_key(username)
        )
        return User.of(rows[0]) if rows else None

    async def list_api_keys(self) -> list[ApiKey]:
        """Every key, including revoked ones, oldest first."""
        rows = await self._engine.fetch(
            f"SELECT {API_KEYS.select} FROM api_keys ORDER BY created_at, id"
        )
        return [ApiKey.of(row) for row in rows]

    async def put_user(
        self,
        username: str,
        role: str,
        password_hash: str,
        books: tuple[str, ...] | None = None,
        *,
        actor: Actor = HOST,
    ) -> None:
        """Create a user, or set the role and password of an existing one and end its tokens.

        Args:
            username: in any spelling and case.
            role: the user's role.
            password_hash: of the user's password.
            books: that the user is limited to; None: those of an existing user stay.
            actor: who does it.

        Raises:
            LimitedAdmin: if an admin would be limited.
        """
        user = new_user(username, role, password_hash, books)

        async def change(transaction: Transaction) -> bool:
            return await change_user(
                transaction,
                self._engine.locked,
                username,
                actor,
                "role = $2, password_hash = $3, disabled = $4, books = coalesce($5, books)",
                role,
                password_hash,
                0,
                limit_of(books),
            )

        async def work(transaction: Transaction) -> None:
            found = await change(transaction)
            # Serialised, because another process may create the same user.
            await _invalidate(transaction)
            if not found and not await change(transaction):
                await add_user(transaction, user, actor)

        await self._engine.write(work)

    async def add_first_user(
        self, username: str, role: str, password_hash: str, *, actor: Actor = HOST
    ) -> bool:
        """Create a user if there are no users; return whether it did."""
        anyone = "SELECT 1 FROM users LIMIT 1"

        async def work(transaction: Transaction) -> bool:
            if await transaction.fetch(anyone):
                return False
            # Serialised, because another process may start at the same time.
            await _invalidate(transaction)
            if await transaction.fetch(anyone):
                return False
            await add_user(transaction, new_user(username, role, password_hash), actor)
            return True

        return await self._engine.write(work)

    async def change_user(
        self, username: str, change: str, *args: Any, actor: Actor = HOST
    ) -> bool:
        """Set columns of a user (`change` has marks from $2 on) and end its tokens.

        Returns:
            Whether the user exists.

        Raises:
            LimitedAdmin: if an admin would be limited.
        """

        async def work(transaction: Transaction) -> bool:
            locked = self._engine.locked
            found = await change_user(transaction, locked, username, actor, change, *args)
            if found:
                await _invalidate(transaction)
            return found

        return await self._engine.write(work)

    async def limit_user(
        self, username: str, books: tuple[str, ...] | None, *, actor: Actor = HOST
    ) -> bool:
        """Limit a user to books (None: to none) and end its tokens; as `change_user`."""
        return await self.change_user(username, "books = $2", limit_of(books), actor=actor)

    async def replace_hash(self, username: str, old: str, new: str) -> None:
        """Store another hash of the same password, unless it was changed; tokens stay valid."""

        async def work(transaction: Transaction) -> None:
            await transaction.execute(
                "UPDATE users SET password_hash = $3 WHERE username = $1 AND password_hash = $2",
                username,
                old,
                new,
            )

        await self._engine.write(work)

    async def add_api_key(self, key: ApiKey, *, actor: Actor = HOST) -> None:
        """Store a new key."""
        record = {name: getattr(key, name) for name in API_KEYS.names}
        record["agents"] = list(key.agents) or None

        async def work(transaction: Transaction) -> None:
            await transaction.execute(API_KEYS.insert, *API_KEYS.store(record))
            after = {name: record[name] for name in ("name", "scopes", "books", "expires_at")}
            if key.agents:
                after["agents"] = key.agents
            await note(transaction, Deed(actor, "api_key.create", key.id, after=after))
            await _invalidate(transaction)

        await self._engine.write(work)

    async def revoke_api_key(self, key_id: str, *, actor: Actor = HOST) -> bool:
        """Revoke a key; return whether there was one that was not revoked."""

        async def work(transaction: Transaction) -> bool:
            at = now()
            found = await transaction.fetch(
                "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL "
                "RETURNING name",
                key_id,
                to_micros(at),
            )
            for (name,) in found:
                before, after = ({"name": name, "revoked_at": value} for value in (None, at))
                await note(transaction, Deed(actor, "api_key.revoke", key_id, None, before, after))
            await _invalidate(transaction)
            return bool(found)

        return await self._engine.write(work)

    async def note_failed_login(self, actor: Actor, username: str | None, reason: str) -> None:
        """Store an entry about a failed login; the arguments are those of the function."""

        async def work(transaction: Transaction) -> None:
            await note_failed_login(transaction, actor, username, reason)

        await self._engine.write(work)

    async def has_logged_in(self, username: str, address: str) -> bool:
        """Whether the user has recently logged in from that address."""
        rows = await self._engine.fetch(
            "SELECT 1 FROM login_addresses AS login JOIN users ON users.username = login.username "
            "WHERE users.name_key = $1 AND login.address = $2 AND login.seen_at > $3",
            name_key(username),
            address,
            to_micros(now() - ADDRESS_REMEMBERED),
        )
        return bool(rows)

    async def revoke_access_token(
        self, jti: str, expires_at: datetime, *, actor: Actor = HOST
    ) -> None:
        """Keep a token, which the actor has presented, revoked until it expires."""

        async def work(transaction: Transaction) -> None:
            if await end_tokens(transaction, jti, expires_at):
                await note(transaction, Deed(actor, "user.logout", actor.name))

        await self._engine.write(work)


async def end_tokens(transaction: Transaction, name: str, until: datetime) -> bool:
    """Refuse the access tokens with this jti, or of this family, until that time.

    Both are random ids and share one table, because they are looked up together.

    Returns:
        Whether they were accepted before.
    """
    await transaction.execute("DELETE FROM revoked_tokens WHERE expires_at <= $1", to_micros(now()))
    ended = await transaction.execute(
        "INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING",
        name,
        to_micros(until),
    )
    await _invalidate(transaction)
    return bool(ended)


async def _invalidate(transaction: Transaction) -> None:
    await transaction.execute(
        "UPDATE auth_version SET version = version + 1, change = $1", secrets.token_hex(8)
    )
