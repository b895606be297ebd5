"""Users and API keys. Every change of who may call moves `auth_version` on."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from alphapulse_api.domain.names import name_key
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.columns import BOOLEAN, JSON, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.tables.login_addresses import ADDRESS_REMEMBERED

USERS = Columns(
    "users",
    {
        "username": PLAIN,
        "role": PLAIN,
        "password_hash": PLAIN,
        "disabled": BOOLEAN,
        "generation": PLAIN,
        "created_at": TIME,
        "name_key": PLAIN,
    },
)
API_KEYS = Columns(
    "api_keys",
    {
        "id": PLAIN,
        "name": PLAIN,
        "secret_hash": PLAIN,
        "scopes": JSON,
        "created_at": TIME,
        "expires_at": TIME,
        "revoked_at": TIME,
    },
)


@dataclass(frozen=True, slots=True)
class User:
    """One row. `generation` grows whenever the tokens made so far must end.

    `name_key` is what the user is found by, whatever spelling and case the name is typed in.
    """

    username: str
    role: str
    password_hash: str
    disabled: bool
    generation: int
    created_at: datetime
    name_key: str | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One row; the secret is there only as a hash."""

    id: str
    name: str
    secret_hash: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class Version(NamedTuple):
    """A state of who may call. Versions can be compared for equality only.

    Attributes:
        number: grows with every change.
        change: random text of the newest change. A number alone comes again, for another state,
            where a database was set back: by a fail-over, or a restore.
    """

    number: int
    change: str


class Directory(NamedTuple):
    """All that decides who may call, at one version.

    Attributes:
        ended: the jti of each access token that was revoked, and each family that ended.
    """

    version: Version
    users: dict[str, User]
    keys: dict[str, ApiKey]
    ended: frozenset[str]


class AccountDataAccessor:
    """Reads and writes who may call."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def version(self) -> Version:
        """Another one after every change."""
        ((number, change),) = await self._engine.fetch("SELECT version, change FROM auth_version")
        return Version(number, change)

    async def directory(self) -> Directory:
        """Everyone who may call, as of now."""
        # The version is read first: what changes in between is read again for the next version.
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
        return [User(**USERS.read(row)) for row in rows]

    async def find_user(self, username: str) -> User | None:
        """The user of that name, in any spelling and case."""
        rows = await self._engine.fetch(
            f"SELECT {USERS.select} FROM users WHERE name_key = $1", name_key(username)
        )
        return User(**USERS.read(rows[0])) if rows else None

    async def list_api_keys(self) -> list[ApiKey]:
        """Every key, oldest first, revoked ones too."""
        rows = await self._engine.fetch(
            f"SELECT {API_KEYS.select} FROM api_keys ORDER BY created_at, id"
        )
        return [ApiKey(**API_KEYS.read(row)) for row in rows]

    async def put_user(self, username: str, role: str, password_hash: str) -> None:
        """Make a user, or give an existing one this role and password; its tokens end."""
        user = _new_user(username, role, password_hash)

        async def change(transaction: Transaction) -> int:
            return await transaction.execute(
                "UPDATE users SET role = $2, password_hash = $3, disabled = $4, "
                "generation = generation + 1 WHERE name_key = $1",
                user["name_key"],
                role,
                password_hash,
                0,
            )

        async def work(transaction: Transaction) -> None:
            found = await change(transaction)
            # One at a time from here on: another process may be making the same user.
            await _invalidate(transaction)
            if not found and not await change(transaction):
                await transaction.execute(USERS.insert, *USERS.store(user))

        await self._engine.write(work)

    async def add_first_user(self, username: str, role: str, password_hash: str) -> bool:
        """Make a user if there is none at all; returns whether it did."""
        anyone = "SELECT 1 FROM users LIMIT 1"

        async def work(transaction: Transaction) -> bool:
            if await transaction.fetch(anyone):
                return False
            # One at a time from here on: another process may be starting too.
            await _invalidate(transaction)
            if await transaction.fetch(anyone):
                return False
            user = _new_user(username, role, password_hash)
            await transaction.execute(USERS.insert, *USERS.store(user))
            return True

        return await self._engine.write(work)

    async def change_user(self, username: str, change: str, *args: Any) -> bool:
        """Set columns of a user (`change` with marks from $2 on); its tokens end.

        Returns:
            Whether there is such a user.
        """

        async def work(transaction: Transaction) -> bool:
            found = await transaction.execute(
                f"UPDATE users SET {change}, generation = generation + 1 WHERE name_key = $1",
                name_key(username),
                *args,
            )
            if found:
                await _invalidate(transaction)
            return bool(found)

        return await self._engine.write(work)

    async def replace_hash(self, username: str, old: str, new: str) -> None:
        """Store the same password by another hash, unless it was changed; no token ends."""

        async def work(transaction: Transaction) -> None:
            await transaction.execute(
                "UPDATE users SET password_hash = $3 WHERE username = $1 AND password_hash = $2",
                username,
                old,
                new,
            )

        await self._engine.write(work)

    async def add_api_key(self, key: ApiKey) -> None:
        """Store a new key."""
        record = {name: getattr(key, name) for name in API_KEYS.names}

        async def work(transaction: Transaction) -> None:
            await transaction.execute(API_KEYS.insert, *API_KEYS.store(record))
            await _invalidate(transaction)

        await self._engine.write(work)

    async def revoke_api_key(self, key_id: str) -> bool:
        """End a key; returns whether there was one that had not ended."""

        async def work(transaction: Transaction) -> bool:
            found = await transaction.execute(
                "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
                key_id,
                to_micros(now()),
            )
            await _invalidate(transaction)
            return bool(found)

        return await self._engine.write(work)

    async def has_logged_in(self, username: str, address: str) -> bool:
        """Whether the user of that name has logged in from that address of late."""
        rows = await self._engine.fetch(
            "SELECT 1 FROM login_addresses AS login JOIN users ON users.username = login.username "
            "WHERE users.name_key = $1 AND login.address = $2 AND login.seen_at > $3",
            name_key(username),
            address,
            to_micros(now() - ADDRESS_REMEMBERED),
        )
        return bool(rows)

    async def revoke_access_token(self, jti: str, expires_at: datetime) -> None:
        """Remember a token as ended until it would have expired."""

        async def work(transaction: Transaction) -> None:
            await end_tokens(transaction, jti, expires_at)

        await self._engine.write(work)


async def end_tokens(transaction: Transaction, name: str, until: datetime) -> None:
    """Refuse the access tokens that have this jti, or are of this family, until that time.

    Random names of both kinds share the table, since both are looked up alike.
    """
    await transaction.execute("DELETE FROM revoked_tokens WHERE expires_at <= $1", to_micros(now()))
    await transaction.execute(
        "INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING",
        name,
        to_micros(until),
    )
    await _invalidate(transaction)


def _new_user(username: str, role: str, password_hash: str) -> dict[str, Any]:
    return {
        "username": username,
        "role": role,
        "password_hash": password_hash,
        "disabled": False,
        "generation": 1,
        "created_at": now(),
        "name_key": name_key(username),
    }


async def _invalidate(transaction: Transaction) -> None:
    await transaction.execute(
        "UPDATE auth_version SET version = version + 1, change = $1", secrets.token_hex(8)
    )
