"""Management of users, API keys and logins, for the command line and the token endpoints."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from alphapulse_api.auth.api_keys import API_KEY, WEBHOOK_TOKEN, make_key
from alphapulse_api.auth.authenticator import Authenticator
from alphapulse_api.auth.grants import AccountError, granted_books, granted_scopes, limited_admin
from alphapulse_api.auth.passwords import Match, Passwords, check_new_password
from alphapulse_api.auth.permissions import DEFAULT_KEY_SCOPES, ROLES, WEBHOOK
from alphapulse_api.auth.tokens import TokenError, TokenExpired, Tokens
from alphapulse_api.domain.names import new_name
from alphapulse_api.domain.times import now
from alphapulse_api.storage.tables.callers import ApiKey, LimitedAdmin, User
from alphapulse_api.storage.tables.directory import AccountDataAccessor
from alphapulse_api.storage.tables.refresh_tokens import RefreshTokenDataAccessor

ADMIN: Final = "admin"
ADMIN_PASSWORD_VARIABLE: Final = "AP_ADMIN_PASSWORD"  # noqa: S105
_KEY_NAME = re.compile(r"[^\s:/\x00-\x1f\x7f\ud800-\udfff]{1,64}")


class TokenPair(NamedTuple):
    """The result of a login or a refresh; `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    role: str


class Accounts:
    """Users, keys and logins.

    Args:
        store: stores users and keys.
        refresh_tokens: stores refresh tokens.
        authenticator: reloads after every change made here, so that it holds at once.
        tokens: creates access tokens.
        refresh_lifetime: lifetime of a refresh token, in seconds.
    """

    def __init__(
        self,
        store: AccountDataAccessor,
        refresh_tokens: RefreshTokenDataAccessor,
        authenticator: Authenticator,
        tokens: Tokens,
        refresh_lifetime: int,
    ) -> None:
        self._store = store
        self._refresh_tokens = refresh_tokens
        self._authenticator = authenticator
        self._tokens = tokens
        self._refresh_lifetime = timedelta(seconds=refresh_lifetime)
        self._passwords = Passwords()

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
        self, username: str, role: str, password: str, books: Collection[str] | None = None
    ) -> None:
        """Create a user, or replace its role and password; its existing tokens are revoked.

        A name that differs only in spelling or case (RFC 8265) is the same user, whose name stays.

        Args:
            username: the name.
            role: the role.
            password: the password.
            books: that it is limited to; None: a new user is not limited, an existing one keeps
                its limit.

        Raises:
            AccountError: for a name, role, password or book that is not acceptable.
        """
        limit = granted_books(books)
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
            await self._store.put_user(username, role, password_hash, limit)
        except LimitedAdmin:
            raise limited_admin(username) from None
        await self._authenticator.refresh()

    async def set_books(self, username: str, books: Collection[str] | None) -> None:
        """Limit a user to books, or end its limit (None); its existing tokens are revoked.

        Raises:
            AccountError: for an unknown user, an admin, or a book that is not acceptable.
        """
        limit = granted_books(books)
        try:
            found = await self._store.limit_user(username, limit)
        except LimitedAdmin:
            raise limited_admin(username) from None
        await self._changed(username, found)

    async def set_password(self, username: str, password: str) -> None:
        """Change a password; existing tokens are revoked.

        Raises:
            AccountError: for an unknown user or a password that is not acceptable.
        """
        _check_password(password)
        await self._change(username, "password_hash = $2", await self._passwords.hash(password))

    async def disable_user(self, username: str) -> None:
        """Disable a user: its tokens are revoked and its sockets closed.

        Raises:
            AccountError: for an unknown user.
        """
        await self._change(username, "disabled = $2", 1)

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
    ) -> tuple[ApiKey, str]:
        """Create a key; returns the stored record, and the key itself, which is not stored.

        Args:
            name: of the owner.
            scopes: the permissions it has; `view` stands for every view_*. `webhook` alone
                makes a webhook token.
            expires_at: when it expires; None: never.
            books: that it is limited to; None: not limited.

        Raises:
            AccountError: for a name, scope or book that is not acceptable.
        """
        if not _KEY_NAME.fullmatch(name):
            raise AccountError("a key's name has 1 to 64 characters, no white space, : or /")
        granted, limit = granted_scopes(scopes), granted_books(books)
        text, parsed = make_key(WEBHOOK_TOKEN if WEBHOOK in granted else API_KEY)
        key = ApiKey(
            parsed.id, name, parsed.secret_hash, sorted(granted), now(), expires_at, None, limit
        )
        await self._store.add_api_key(key)
        await self._authenticator.refresh()
        return key, text

    async def list_api_keys(self) -> list[ApiKey]:
        """Every key, oldest first, revoked ones too."""
        return await self._store.list_api_keys()

    async def revoke_api_key(self, key_id: str) -> None:
        """Revoke a key; its sockets are closed.

        Raises:
            AccountError: if there is no such key, or it is already revoked.
        """
        if not key_id.isascii() or not await self._store.revoke_api_key(key_id):
            raise AccountError(f"there is no live API key {key_id!r}")
        await self._authenticator.refresh()

    async def login(
        self, username: str, password: str, address: str | None = None
    ) -> TokenPair | None:
        """Tokens for a user; None if the user or the password is wrong.

        A wrong user takes as long as a wrong password, so that the time does not reveal users.

        Args:
            username: in any spelling and case.
            password: as typed.
            address: where the user logs in from; it is remembered for the limit on logins.
        """
        user = await self._store.find_user(username)
        stored = user.password_hash if user is not None and not user.disabled else None
        match = await self._passwords.match(stored, password)
        if stored is None or user is None or match is Match.NONE:
            return None
        if match is Match.OLD_FORM:
            again = await self._passwords.hash(password)
            await self._store.replace_hash(user.username, stored, again)
        refresh_token, family = self._tokens.make_refresh(), secrets.token_hex(16)
        await self._refresh_tokens.add(
            _hash(refresh_token),
            family,
            user.username,
            user.generation,
            now() + self._refresh_lifetime,
            address,
        )
        return self._pair(user, family, refresh_token)

    async def has_logged_in(self, username: str, address: str) -> bool:
        """Whether the user has logged in from that address recently."""
        return await self._store.has_logged_in(username, address)

    def guessed_by(self, token: str, address: str) -> str:
        """The subject under which a token is counted as a guess: the address, or the token itself.

        A token that this server created is not a guess. It is counted separately from other tokens
        of the same address, so that neither uses up the limit of the other.
        """
        return _hash(token) if self._tokens.made(token) else address

    async def refresh(self, refresh_token: str) -> TokenPair | None:
        """New tokens for a refresh token, which is consumed; None if it is not valid."""
        token_hash = _hash(refresh_token)
        if not await self._refresh_tokens.is_known(token_hash):
            return None
        successor = self._tokens.make_refresh()
        user, family, ended = await self._refresh_tokens.rotate(
            token_hash, _hash(successor), now() + self._refresh_lifetime
        )
        if ended:
            await self._authenticator.refresh()
        return None if user is None else self._pair(user, family, successor)

    async def revoke(self, token: str) -> bool:
        """Revoke a refresh token with all tokens of its login, or one access token.

        Returns:
            Whether the token is genuine. An unknown one is no error (RFC 7009).
        """
        try:
            claims = self._tokens.check(token)
        except TokenExpired:
            return True
        except TokenError:
            pass
        else:
            if not self._authenticator.has_ended(claims.jti):
                until = claims.expires_at + self._tokens.leeway
                await self._store.revoke_access_token(claims.jti, until)
                await self._authenticator.refresh()
            return True
        token_hash = _hash(token)
        if not await self._refresh_tokens.is_of_a_live_family(token_hash):
            return False
        if await self._refresh_tokens.revoke(token_hash):
            await self._authenticator.refresh()
        return True

    def _pair(self, user: User, family: str | None, refresh_token: str) -> TokenPair:
        return TokenPair(
            self._tokens.make(user.username, user.generation, family),
            refresh_token,
            self._tokens.lifetime,
            user.role,
        )

    async def _change(self, username: str, change: str, *args: object) -> None:
        await self._changed(username, await self._store.change_user(username, change, *args))

    async def _changed(self, username: str, found: bool) -> None:
        if not found:
            raise AccountError(f"there is no user {username!r}")
        await self._authenticator.refresh()


def _check_password(password: str, place: str | None = None) -> None:
    try:
        check_new_password(password)
    except ValueError as error:
        raise AccountError(f"{place}: {error}" if place else str(error)) from None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
