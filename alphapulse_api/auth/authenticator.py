"""Authenticates callers from a directory in memory, which is reloaded when it changes."""

from __future__ import annotations

import asyncio
import hmac
import math
from collections.abc import Callable
from typing import Final

from alphapulse_api.auth.api_keys import WEBHOOK_TOKEN, ParsedKey, parse_key
from alphapulse_api.auth.caller import Caller
from alphapulse_api.auth.permissions import KEY_SCOPES, PUBLISH, ROLES, WEBHOOK
from alphapulse_api.auth.throttles import Throttles
from alphapulse_api.auth.tokens import TokenError, TokenExpired, Tokens, expired
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import now
from alphapulse_api.storage.tables.callers import ApiKey
from alphapulse_api.storage.tables.directory import AccountDataAccessor, Directory, Version

POLL_SECONDS: Final = 1.0  # a revocation takes effect everywhere within 5 s
RELOAD_SECONDS: Final = 0.1  # between reloads for unknown credentials, however many arrive
REMEMBERED_TOKENS: Final = 10_000
_NOBODYS_HASH: Final = "0" * 64  # compared with the secret of an unknown key


class BadCredentials(Exception):
    """The credentials are invalid; the text may be shown to the caller."""


class ExpiredCredentials(BadCredentials):
    """The credentials have expired."""


class Authenticator:
    """Authenticates callers from a copy of the directory of users and keys.

    Args:
        accounts: stores users and keys.
        tokens: verifies access tokens.
        throttles: limits guesses of API keys.
        api_keys_enabled: whether API keys are accepted.
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
        # A signature is verified once; expiry and directory are checked on every use.
        self._remembered: dict[str, Caller] = {}
        self._watchers: list[Callable[[], None]] = []
        self._refreshing = asyncio.Lock()
        self._reloading = asyncio.Lock()
        self._reloaded_at = -math.inf  # on the loop's clock

    def on_change(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` whenever users, keys or revocations have changed."""
        self._watchers.append(watcher)

    async def refresh(self) -> None:
        """Reload the directory if it has changed."""
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
            note_answer: called after each check with None, or with the reason why the database did
                not answer. Callers are then authenticated from memory only.
            changed: set when another process may have changed something. Without it, the database
                is polled once a second.
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
            BadCredentials: if it is not valid, or no longer valid.
        """
        caller = self._remembered.get(token)
        if caller is None:
            caller = await self._verified(token)
            if len(self._remembered) >= REMEMBERED_TOKENS:
                self._remembered.clear()
            self._remembered[token] = caller
        self.check(caller)
        return caller

    async def api_key(self, key: str, address: str, *, webhook: bool = False) -> Caller:
        """The caller of an API key, or of a webhook token where one is accepted.

        An unknown id and a wrong secret take the same path, so that the time does not reveal ids.

        Args:
            key: as it was presented.
            address: where it comes from, for the limit on guesses.
            webhook: whether a webhook token is accepted.

        Raises:
            BadCredentials: if it is not valid, or no longer valid.
            RateLimited: if it is unknown, and the address has recently sent too many unknown keys.
        """
        parsed = parse_key(key)
        if parsed is None or not self._api_keys_enabled:
            raise BadCredentials("The API key is not valid.")
        if parsed.prefix == WEBHOOK_TOKEN and not webhook:
            raise BadCredentials("A webhook token is accepted only by the routes under /webhooks/.")
        stored = self._stored(parsed)
        if stored is None:
            async with self._throttles.secret("key", address) as guess:
                # Another process may have created it a moment ago.
                await self._reload()
                stored = self._stored(parsed)
                guess.wrong = stored is None
        if stored is None:
            raise BadCredentials("The API key is not valid.")
        caller = _key_caller(stored)
        self.check(caller)
        return caller

    def _stored(self, key: ParsedKey) -> ApiKey | None:
        """The stored key, if the secret matches."""
        stored = self._directory.keys.get(key.id)
        secret_hash = _NOBODYS_HASH if stored is None else stored.secret_hash
        if not hmac.compare_digest(secret_hash, key.secret_hash) or stored is None:
            return None
        # The checksum does not stop anyone from changing the prefix: a webhook token must not pass
        # as an API key, nor an API key as a webhook token.
        is_token = WEBHOOK in stored.scopes
        return stored if is_token == (key.prefix == WEBHOOK_TOKEN) else None

    async def _reload(self) -> None:
        """Load the directory as of now or later; concurrent callers share one reload."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with self._reloading:
            # A reload that began earlier may have missed a change made before this call.
            if self._reloaded_at >= asked:
                return
            await asyncio.sleep(max(0.0, self._reloaded_at + RELOAD_SECONDS - loop.time()))
            began = loop.time()
            await self.refresh()
            self._reloaded_at = began

    def known(self, username: str) -> str | None:
        """The name, if it is a user's; a token that was signed elsewhere may have any text."""
        return username if username in self._directory.users else None

    def has_ended(self, name: str) -> bool:
        """Whether the access token with this jti, or every token of this family, was revoked."""
        return name in self._directory.ended

    def check(self, caller: Caller) -> None:
        """Check that an authenticated caller may still call, with the same rights.

        Raises:
            ExpiredCredentials: if the credentials have expired.
            BadCredentials: if they were revoked.
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
                and user.books == caller.books
                and caller.credential not in self._directory.ended
                and caller.family not in self._directory.ended
            )
        else:
            key = self._directory.keys.get(caller.credential)
            current = key is not None and key.revoked_at is None and key.books == caller.books
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
            await self._reload()
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
            books=user.books,
        )


def _key_caller(key: ApiKey) -> Caller:
    scopes = set(key.scopes)
    return Caller(
        username=key.name,
        role="api",
        permissions=frozenset({PUBLISH}) if WEBHOOK in scopes else KEY_SCOPES & scopes,
        auth="api_key",
        subject=f"key:{key.id}",
        expires_at=key.expires_at,
        credential=key.id,
        ends_at=key.expires_at,
        books=key.books,
        agents=key.agents,
    )
