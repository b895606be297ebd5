"""From credentials to a caller, from memory: the directory is read again when it has changed."""

from __future__ import annotations

import asyncio
import hmac
import math
from collections.abc import Callable
from typing import Final

from alphapulse_api.auth.api_keys import ParsedKey, parse_key
from alphapulse_api.auth.caller import Caller
from alphapulse_api.auth.permissions import KEY_SCOPES, ROLES
from alphapulse_api.auth.throttles import Throttles
from alphapulse_api.auth.tokens import TokenError, TokenExpired, Tokens, expired
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import now
from alphapulse_api.storage.tables.directory import AccountDataAccessor, ApiKey, Directory, Version

POLL_SECONDS: Final = 1.0  # the contract allows 5 for a revocation to take hold everywhere
LOOK_SECONDS: Final = 0.1  # between looks for what others made a moment ago, however many ask
REMEMBERED_TOKENS: Final = 10_000
_NOBODYS_HASH: Final = "0" * 64  # compared with in the place of an unknown key's


class BadCredentials(Exception):
    """The credentials are not valid; the text may be shown to whoever presented them."""


class ExpiredCredentials(BadCredentials):
    """They were valid, once."""


class Authenticator:
    """Knows every caller.

    Args:
        accounts: where users and keys are stored.
        tokens: checks access tokens.
        throttles: counts keys that are not known.
        api_keys_enabled: whether keys are taken at all.
    """

    def __init__(
        self,
        accounts: AccountDataAccessor,
        tokens: Tokens,
        throttles: Throttles,
        *,
        api_keys_enabled: bool,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._throttles = throttles
        self._api_keys_enabled = api_keys_enabled
        self._directory = Directory(Version(0, ""), {}, {}, frozenset())
        # A signature is verified once; expiry and the directory are looked at on every use.
        self._remembered: dict[str, Caller] = {}
        self._watchers: list[Callable[[], None]] = []
        self._refreshing = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._looked_at = -math.inf

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

    async def watch_forever(
        self, note_answer: Callable[[str | None], None], changed: asyncio.Event | None = None
    ) -> None:
        """Follow changes made by other processes, until cancelled.

        Args:
            note_answer: called after each look with None, or with the reason why the database did
                not answer. Callers are then known from memory only.
            changed: set when another process may have changed something; without it, the database
                is asked once a second.
        """
        answered = True
        while True:
            if changed is None or not answered:
                await asyncio.sleep(POLL_SECONDS)
            else:
                await changed.wait()
            if changed is not None:
                changed.clear()
            try:
                await self.refresh()
            except Unavailable as error:
                answered = False
                note_answer(error.detail)
            else:
                answered = True
                note_answer(None)

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

    async def api_key(self, key: str, address: str) -> Caller:
        """The caller of an API key that comes from an address.

        A key whose id is not known and one with a wrong secret take the same way, so that the time
        it takes says nothing about ids.

        Raises:
            BadCredentials: if it is not valid (any more).
            RateLimited: if it is not known, and too many from that address were not of late.
        """
        parsed = parse_key(key)
        if parsed is None or not self._api_keys_enabled:
            raise BadCredentials("The API key is not valid.")
        stored = self._stored(parsed)
        if stored is None:
            async with self._throttles.secret("key", address) as guess:
                # Made a moment ago by another process, perhaps.
                await self._look_again()
                stored = self._stored(parsed)
                guess.wrong = stored is None
        if stored is None:
            raise BadCredentials("The API key is not valid.")
        caller = _key_caller(stored)
        self.check(caller)
        return caller

    def _stored(self, key: ParsedKey) -> ApiKey | None:
        """What is known of a key, if its secret is the right one."""
        stored = self._directory.keys.get(key.id)
        secret_hash = _NOBODYS_HASH if stored is None else stored.secret_hash
        return stored if hmac.compare_digest(secret_hash, key.secret_hash) else None

    async def _look_again(self) -> None:
        """Read the directory as it is from now on; those who ask at the same time share a look."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with self._looking:
            # One that began before may have missed what was made before we were asked.
            if self._looked_at >= asked:
                return
            await asyncio.sleep(max(0.0, self._looked_at + LOOK_SECONDS - loop.time()))
            began = loop.time()
            await self.refresh()
            self._looked_at = began

    def has_ended(self, name: str) -> bool:
        """Whether the access token of this jti, or those of this family, were revoked."""
        return name in self._directory.ended

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
                and caller.credential not in self._directory.ended
                and caller.family not in self._directory.ended
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
            await self._look_again()
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
            family=claims.family,
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
