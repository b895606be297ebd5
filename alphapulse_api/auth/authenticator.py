"""From credentials to a caller, from memory: the directory is read again when it has changed."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Final

from alphapulse_api.auth.api_keys import parse_key
from alphapulse_api.auth.caller import Caller
from alphapulse_api.auth.permissions import KEY_SCOPES, ROLES
from alphapulse_api.auth.tokens import TokenError, TokenExpired, Tokens, expired
from alphapulse_api.data.accounts import AccountDataAccessor, ApiKey, Directory
from alphapulse_api.errors import Unavailable
from alphapulse_api.times import now

POLL_SECONDS: Final = 1.0  # the contract allows 5 for a revocation to take hold everywhere
REMEMBERED_TOKENS: Final = 10_000


class BadCredentials(Exception):
    """The credentials are not valid; the text may be shown to whoever presented them."""


class ExpiredCredentials(BadCredentials):
    """They were valid, once."""


class Authenticator:
    """Knows every caller.

    Args:
        accounts: where users and keys are stored.
        tokens: checks access tokens.
        api_keys_enabled: whether keys are taken at all.
    """

    def __init__(
        self, accounts: AccountDataAccessor, tokens: Tokens, *, api_keys_enabled: bool
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._api_keys_enabled = api_keys_enabled
        self._directory = Directory(0, {}, {}, frozenset())
        # A signature is verified once; expiry and the directory are looked at on every use.
        self._remembered: dict[str, Caller] = {}
        self._watchers: list[Callable[[], None]] = []
        self._refreshing = asyncio.Lock()

    def on_change(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` whenever who may call has changed."""
        self._watchers.append(watcher)

    async def refresh(self) -> None:
        """Read the directory again if it has changed."""
        async with self._refreshing:
            if await self._accounts.version() == self._directory.version:
                return
            self._directory = await self._accounts.directory()
            self._remembered.clear()
        for watcher in tuple(self._watchers):
            watcher()

    async def watch_forever(self, heard: Callable[[str | None], None]) -> None:
        """Follow changes made by other processes, until cancelled.

        Args:
            heard: told each second whether the database answered: None, or why it did not. Callers
                are then known from memory only.
        """
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.refresh()
            except Unavailable as error:
                heard(error.detail)
            else:
                heard(None)

    async def bearer(self, token: str) -> Caller:
        """The caller of an access token.

        Raises:
            BadCredentials: if it is not valid (any more).
        """
        caller = self._remembered.get(token)
        if caller is None:
            caller = await self._verified(token)
            if len(self._remembered) >= REMEMBERED_TOKENS:
                self._remembered.clear()
            self._remembered[token] = caller
        self.check(caller)
        return caller

    async def api_key(self, key: str) -> Caller:
        """The caller of an API key.

        Raises:
            BadCredentials: if it is not valid (any more).
        """
        parsed = parse_key(key)
        if parsed is None or not self._api_keys_enabled:
            raise BadCredentials("The API key is not valid.")
        if parsed.id not in self._directory.keys:
            # Made a moment ago by another process, perhaps.
            await self.refresh()
        stored = self._directory.keys.get(parsed.id)
        if stored is None or not hmac.compare_digest(stored.secret_hash, parsed.secret_hash):
            raise BadCredentials("The API key is not valid.")
        caller = _key_caller(stored)
        self.check(caller)
        return caller

    def check(self, caller: Caller) -> None:
        """Whether a caller known before may still call, with the same permissions.

        Raises:
            ExpiredCredentials: if the credentials have ended by time.
            BadCredentials: if they were taken back.
        """
        if caller.ends_at is not None and caller.ends_at <= (instant := now()):
            raise ExpiredCredentials(expired(caller.expires_at or caller.ends_at, instant))
        if caller.auth == "jwt":
            user = self._directory.users.get(caller.username)
            current = (
                user is not None
                and not user.disabled
                and user.generation == caller.generation
                and user.role == caller.role
                and caller.credential not in self._directory.revoked_tokens
            )
        else:
            key = self._directory.keys.get(caller.credential)
            current = key is not None and key.revoked_at is None
        if not current:
            raise BadCredentials("The credentials were revoked.")

    async def _verified(self, token: str) -> Caller:
        try:
            claims = self._tokens.check(token)
        except TokenExpired as refusal:
            raise ExpiredCredentials(str(refusal)) from None
        except TokenError as refusal:
            raise BadCredentials(str(refusal)) from None
        user = self._directory.users.get(claims.username)
        if user is None or user.generation != claims.generation:
            await self.refresh()
            user = self._directory.users.get(claims.username)
        if user is None:
            raise BadCredentials("The credentials were revoked.")
        return Caller(
            username=user.username,
            role=user.role,
            permissions=ROLES[user.role],
            auth="jwt",
            subject=f"user:{user.username}",
            expires_at=claims.expires_at,
            credential=claims.jti,
            generation=claims.generation,
            ends_at=claims.expires_at + self._tokens.leeway,
        )


def _key_caller(key: ApiKey) -> Caller:
    return Caller(
        username=key.name,
        role="api",
        permissions=KEY_SCOPES & set(key.scopes),
        auth="api_key",
        subject=f"key:{key.id}",
        expires_at=key.expires_at,
        credential=key.id,
        ends_at=key.expires_at,
    )
