"""Logins: tokens for a password, their renewal and their end."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import NamedTuple

from alphapulse_api.auth.authenticator import Authenticator
from alphapulse_api.auth.passwords import Match, Passwords
from alphapulse_api.auth.tokens import TokenError, TokenExpired, Tokens
from alphapulse_api.domain.deeds import Actor
from alphapulse_api.domain.times import now
from alphapulse_api.storage.tables.callers import User
from alphapulse_api.storage.tables.directory import AccountDataAccessor
from alphapulse_api.storage.tables.refresh_tokens import (
    BY_PASSWORD,
    BY_TOKEN,
    RefreshTokenDataAccessor,
)


class TokenPair(NamedTuple):
    """The result of a login or a refresh; `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    role: str


class Logins:
    """Logins of users; the arguments are those of `Accounts`."""

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

    async def login(
        self,
        username: str,
        password: str,
        address: str | None = None,
        *,
        actor: Actor = BY_PASSWORD,
    ) -> TokenPair | None:
        """Tokens for a user; None if the user or the password is wrong.

        A wrong user takes as long as a wrong password, so that the time does not reveal users.

        Args:
            username: in any spelling and case.
            password: as typed.
            address: where the user logs in from; it is remembered for the limit on logins.
            actor: who tries, for the audit log.
        """
        user = await self._store.find_user(username)
        stored = user.password_hash if user is not None and not user.disabled else None
        match = await self._passwords.match(stored, password)
        if stored is None or user is None or match is Match.NONE:
            name = None if user is None else user.username
            await self._store.note_failed_login(actor, name, _reason(user))
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
            actor=actor._replace(name=user.username, role=user.role),
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

    async def refresh(self, refresh_token: str, *, actor: Actor = BY_TOKEN) -> TokenPair | None:
        """New tokens for a refresh token, which is consumed; None if it is not valid.

        Args:
            refresh_token: as it was presented.
            actor: who presents it, for the audit log.
        """
        token_hash = _hash(refresh_token)
        if not await self._refresh_tokens.is_known(token_hash):
            return None
        successor = self._tokens.make_refresh()
        user, family, ended = await self._refresh_tokens.rotate(
            token_hash, _hash(successor), now() + self._refresh_lifetime, actor=actor
        )
        if ended:
            await self._authenticator.refresh()
        return None if user is None else self._pair(user, family, successor)

    async def revoke(self, token: str, *, actor: Actor = BY_TOKEN) -> bool:
        """Revoke a refresh token with all tokens of its login, or one access token.

        Args:
            token: as it was presented.
            actor: who presents it, for the audit log.

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
                name = self._authenticator.known(claims.username)
                owner = actor._replace(name=name, auth="jwt")
                await self._store.revoke_access_token(claims.jti, until, actor=owner)
                await self._authenticator.refresh()
            return True
        token_hash = _hash(token)
        if not await self._refresh_tokens.is_of_a_live_family(token_hash):
            return False
        if await self._refresh_tokens.revoke(token_hash, actor=actor):
            await self._authenticator.refresh()
        return True

    def _pair(self, user: User, family: str | None, refresh_token: str) -> TokenPair:
        return TokenPair(
            self._tokens.make(user.username, user.generation, family),
            refresh_token,
            self._tokens.lifetime,
            user.role,
        )


def _reason(user: User | None) -> str:
    """Why a user could not log in, for the audit log; the caller is not told."""
    if user is None:
        return "unknown_user"
    return "disabled_user" if user.disabled else "wrong_password"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
