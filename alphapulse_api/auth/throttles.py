"""Limits on wrong guesses of secrets, which do not lock out callers with the right secret.

A guess is counted before it is tried, so that concurrent guesses are all counted. A right guess
gives its count back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from alphapulse_api.domain.errors import RateLimited
from alphapulse_api.limits import Gcra, Limiter
from alphapulse_api.runtime.redis import RedisLink

_REMEMBERED: Final = 10_000  # subjects of each limit that are counted in this process


class Quota(NamedTuple):
    """A limit: guesses within seconds."""

    guesses: int
    seconds: float


# Invalid refresh tokens, tokens to revoke and API keys from one address; each kind has its own
# count. Their secrets have more than 180 random bits: this bounds the work that they cause, not the
# chance of a hit.
SECRETS: Final = Quota(60, 60.0)
# Passwords of one user from one address: enough for mistyping, too few for guessing. Nobody at
# another address can use it up.
PAIRS: Final = Quota(10, 60.0)
# Passwords of any user from one address: against trying one password on every user.
ADDRESSES: Final = Quota(30, 60.0)
# Passwords of any user from any address: against guessing from many addresses. The window is short,
# so that few logins queue for verification, which takes 50 ms each.
EVERYBODY: Final = Quota(100, 10.0)

Exempt = Callable[[], Awaitable[bool]]


class Guess:
    """One attempt. The caller sets `wrong` if the guess is wrong."""

    wrong = False


class Throttles:
    """The limits on wrong guesses.

    Args:
        link: to the Redis in which all processes count; None: this process counts alone.
    """

    def __init__(self, link: RedisLink | None = None) -> None:
        self._secrets = _limiter("secrets", SECRETS, link)
        self._pairs = _limiter("logins", PAIRS, link)
        self._addresses = _limiter("login addresses", ADDRESSES, link)
        self._everybody = _limiter("all logins", EVERYBODY, link)

    @asynccontextmanager
    async def secret(self, kind: str, subject: str) -> AsyncIterator[Guess]:
        """Count a token or key that has to be looked up.

        Args:
            kind: of secret. A program that keeps sending a revoked key must not prevent people at
                the same address from renewing their logins.
            subject: the address it comes from; the secret itself if it is known to be genuine.

        Raises:
            RateLimited: if too many of that kind and subject were wrong recently.
        """
        count = (self._secrets, f"{kind} {subject}")
        async with _counted("Too many invalid tokens or keys", count) as guess:
            yield guess

    @asynccontextmanager
    async def login(self, address: str, username: str, known: Exempt) -> AsyncIterator[Guess]:
        """Count a user name and password.

        Args:
            address: where they come from.
            username: in the normal form in which names are compared.
            known: whether this user has logged in from this address before. Such logins are exempt
                from the limit on all logins, or an attacker with many addresses could lock
                everybody out.

        Raises:
            RateLimited: if too many were wrong recently.
        """
        counts = (
            (self._pairs, f"{address} {username}"),
            (self._addresses, address),
            (self._everybody, "everybody"),
        )
        async with _counted("Too many failed logins", *counts, exempt_from_last=known) as guess:
            yield guess


@asynccontextmanager
async def _counted(
    reason: str, *counts: tuple[Limiter, str], exempt_from_last: Exempt | None = None
) -> AsyncIterator[Guess]:
    """Count one guess in each limiter, under its subject."""
    guess = Guess()
    taken: list[tuple[Limiter, str]] = []
    try:
        for limiter, subject in counts:
            verdict = await limiter.take(subject)
            if verdict.allowed:
                taken.append((limiter, subject))
                continue
            is_last = len(taken) == len(counts) - 1
            if not (is_last and exempt_from_last is not None and await exempt_from_last()):
                raise RateLimited(reason, verdict.retry_after)
        yield guess
    finally:
        if not guess.wrong:
            for limiter, subject in taken:
                await limiter.give_back(subject)


def _limiter(name: str, quota: Quota, link: RedisLink | None) -> Limiter:
    return Limiter(name, Gcra(quota.guesses, quota.seconds, callers=_REMEMBERED), link)
