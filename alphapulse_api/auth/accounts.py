"""Management of users, API keys and logins, for the command line and the token endpoints."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Final

from alphapulse_api.auth.api_keys import API_KEY, WEBHOOK_TOKEN, make_key
from alphapulse_api.auth.authenticator import Authenticator
from alphapulse_api.auth.grants import (
    AccountError,
    check_webhook,
    granted_agents,
    granted_books,
    granted_scopes,
    limited_admin,
)
from alphapulse_api.auth.logins import Logins
from alphapulse_api.auth.passwords import check_new_password
from alphapulse_api.auth.permissions import DEFAULT_KEY_SCOPES, ROLES, WEBHOOK
from alphapulse_api.auth.tokens import Tokens
from alphapulse_api.domain.deeds import HOST, Actor
from alphapulse_api.domain.names import new_name
from alphapulse_api.domain.times import now
from alphapulse_api.storage.tables.callers import ApiKey, LimitedAdmin, User
from alphapulse_api.storage.tables.directory import AccountDataAccessor
from alphapulse_api.storage.tables.known_books import KnownBooks
from alphapulse_api.storage.tables.refresh_tokens import RefreshTokenDataAccessor

ADMIN: Final = "admin"
ADMIN_PASSWORD_VARIABLE: Final = "AP_ADMIN_PASSWORD"  # noqa: S105
_KEY_NAME = re.compile(r"[^\s:/\x00-\x1f\x7f\ud800-\udfff]{1,64}")


class Accounts(Logins):
    """Users, keys and logins.

    Args:
        store: stores users and keys.
        refresh_tokens: stores refresh tokens.
        authenticator: reloads after every change made here, so that it holds at once.
        tokens: creates access tokens.
        refresh_lifetime: lifetime of a refresh token, in seconds.
        books: those that callers can be limited to.
    """

    def __init__(
        self,
        store: AccountDataAccessor,
        refresh_tokens: RefreshTokenDataAccessor,
        authenticator: Authenticator,
        tokens: Tokens,
        refresh_lifetime: int,
        books: KnownBooks,
    ) -> None:
        super().__init__(store, refresh_tokens, authenticator, tokens, refresh_lifetime)
        self._books = books

    async def ensure_admin(self) -> str | None:
        """Create `admin` if there are no users; returns the password that was generated, if any.

        Raises:
            AccountError: if AP_ADMIN_PASSWORD is not acceptable.
        """
        if await self._store.list_users():
            return None
        given = os.environ.get(ADMIN_PASSWORD_VARIABLE)
        password = given or secrets.token_urlsafe(16)
        _check_password(password, ADMIN_PASSWORD_VARIABLE)
        made = await self._store.add_first_user(ADMIN, ADMIN, await self._passwords.hash(password))
        await self._authenticator.refresh()
        return password if made and not given else None

    async def set_user(
        self,
        username: str,
        role: str,
        password: str,
        books: Collection[str] | None = None,
        *,
        actor: Actor = HOST,
    ) -> None:
        """Create a user, or replace its role and password; its existing tokens are revoked.

        A name that differs only in spelling or case (RFC 8265) is the same user, whose name stays.

        Args:
            username: the name.
            role: the role.
            password: the password.
            books: that it is limited to; None: a new user is not limited, an existing one keeps
                its limit.
            actor: who does it, for the audit log.

        Raises:
            AccountError: for a name, role, password or book that is not acceptable.
        """
        limit = await granted_books(books, self._books)
        if await self.find_user(username) is None:
            try:
                username = new_name(username)
            except ValueError as error:
                raise AccountError(str(error)) from None
        if role not in ROLES:
            raise AccountError(f"there is no role {role!r}: choose from {', '.join(ROLES)}")
        _check_password(password)
        password_hash = await self._passwords.hash(password)
        try:
            await self._store.put_user(username, role, password_hash, limit, actor=actor)
        except LimitedAdmin:
            raise limited_admin(username) from None
        await self._authenticator.refresh()

    async def set_books(
        self, username: str, books: Collection[str] | None, *, actor: Actor = HOST
    ) -> None:
        """Limit a user to books, or end its limit (None); its existing tokens are revoked.

        Raises:
            AccountError: for an unknown user, an admin, or a book that is not acceptable.
        """
        limit = await granted_books(books, self._books)
        try:
            found = await self._store.limit_user(username, limit, actor=actor)
        except LimitedAdmin:
            raise limited_admin(username) from None
        await self._changed(username, found)

    async def set_password(self, username: str, password: str, *, actor: Actor = HOST) -> None:
        """Change a password; existing tokens are revoked.

        Raises:
            AccountError: for an unknown user or a password that is not acceptable.
        """
        _check_password(password)
        password_hash = await self._passwords.hash(password)
        await self._change(username, "password_hash = $2", password_hash, actor)

    async def disable_user(self, username: str, *, actor: Actor = HOST) -> None:
        """Disable a user: its tokens are revoked and its sockets closed.

        Raises:
            AccountError: for an unknown user.
        """
        await self._change(username, "disabled = $2", 1, actor)

    async def find_user(self, username: str) -> User | None:
        """The user of that name, in any spelling and case."""
        return await self._store.find_user(username)

    async def list_users(self) -> list[User]:
        """Every user, by name."""
        return await self._store.list_users()

    async def create_api_key(
        self,
        name: str,
        scopes: Collection[str] = DEFAULT_KEY_SCOPES,
        expires_at: datetime | None = None,
        books: Collection[str] | None = None,
        *,
        agents: Collection[str] = (),
        actor: Actor = HOST,
    ) -> tuple[ApiKey, str]:
        """Create a key; returns the stored record, and the key itself, which is not stored.

        Args:
            name: of the owner.
            scopes: the permissions it has; `view` stands for every view_*. `webhook` alone
                makes a webhook token.
            expires_at: when it expires; None: never.
            books: that it is limited to; None: not limited.
            agents: whose commands it takes, for the scope `execute`.
            actor: who does it, for the audit log.

        Raises:
            AccountError: for a name, scope or book that is not acceptable.
        """
        if not _KEY_NAME.fullmatch(name):
            raise AccountError("a key's name has 1 to 64 characters, no white space, : or /")
        granted, limit = granted_scopes(scopes), await granted_books(books, self._books)
        check_webhook(granted, limit)
        served = granted_agents(agents, granted, limit)
        text, parsed = make_key(WEBHOOK_TOKEN if WEBHOOK in granted else API_KEY)
        key = ApiKey(
            parsed.id,
            name,
            parsed.secret_hash,
            sorted(granted),
            now(),
            expires_at,
            None,
            limit,
            served,
        )
        await self._store.add_api_key(key, actor=actor)
        await self._authenticator.refresh()
        return key, text

    async def list_api_keys(self) -> list[ApiKey]:
        """Every key, oldest first, revoked ones too."""
        return await self._store.list_api_keys()

    async def revoke_api_key(self, key_id: str, *, actor: Actor = HOST) -> None:
        """Revoke a key; its sockets are closed.

        Raises:
            AccountError: if there is no such key, or it is already revoked.
        """
        if not key_id.isascii() or not await self._store.revoke_api_key(key_id, actor=actor):
            raise AccountError(f"there is no live API key {key_id!r}")
        await self._authenticator.refresh()

    async def _change(self, username: str, change: str, value: object, actor: Actor) -> None:
        found = await self._store.change_user(username, change, value, actor=actor)
        await self._changed(username, found)

    async def _changed(self, username: str, found: bool) -> None:
        if not found:
            raise AccountError(f"there is no user {username!r}")
        await self._authenticator.refresh()


def _check_password(password: str, place: str | None = None) -> None:
    try:
        check_new_password(password)
    except ValueError as error:
        raise AccountError(f"{place}: {error}" if place else str(error)) from None
