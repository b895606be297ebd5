"""How often somebody may be wrong about a secret, without keeping out whoever is right.

A guess is counted before it is tried, so that guesses sent at once are all counted, and given back
unless it turns out to be wrong.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from alphapulse_api.domain.errors import RateLimited
from alphapulse_api.limits import Gcra, Limiter
from alphapulse_api.runtime.redis import RedisLink

_REMEMBERED: Final = 10_000  # subjects of each limit, without a Redis


class Quota(NamedTuple):
    """A limit: so many in so many seconds."""

    guesses: int
    seconds: float


# Made-up refresh tokens, tokens to revoke and API keys of one address, each kind for itself. Their
# secrets have more than 180 random bits: this bounds the work they cause, not the chance that one
# is right.
SECRETS: Final = Quota(60, 60.0)
# Passwords of one user from one address: what a person mistypes, and hopeless for guessing. Nobody
# elsewhere can use it up.
PAIRS: Final = Quota(10, 60.0)
# Passwords of any user from one address: who tries one password on every user.
ADDRESSES: Final = Quota(30, 60.0)
# Passwords of any user from anywhere, so that many addresses are no way around the above. It is
# short, so that those who wait for their turn to be verified (50 ms each) are few.
EVERYBODY: Final = Quota(100, 10.0)

Exempt = Callable[[], Awaitable[bool]]


class Guess:
    """One attempt; `wrong` is for whoever made it to set."""

    wrong = False


class Throttles:
    """The limits on wrong guesses.

    Args:
        link: to the Redis that all processes count in, if there is one.
    """

    def __init__(self, link: RedisLink | None = None) -> None:
        self._secrets = _limiter("secrets", SECRETS, link)
        self._pairs = _limiter("logins", PAIRS, link)
        self._addresses = _limiter("login addresses", ADDRESSES, link)
        self._everybody = _limiter("all logins", EVERYBODY, link)

    @asynccontextmanager
    async def secret(self, kind: str, subject: str) -> AsyncIterator[Guess]:
        """A token or key that has to be looked up.

        Args:
            kind: what it is. A program that goes on sending a key that has ended must not keep the
                people behind the same address from renewing their logins.
            subject: the address it comes from; or itself, if it is known to be none made up.

        Raises:
            RateLimited: if too many of that kind and subject were wrong of late.
        """
        count = (self._secrets, f"{kind} {subject}")
        async with _counted("Too many invalid tokens or keys", count) as guess:
            yield guess

    @asynccontextmanager
    async def login(self, address: str, username: str, known: Exempt) -> AsyncIterator[Guess]:
        """A user name and password.

        Args:
            address: where they come from.
            username: in the form that names are compared in.
            known: whether this user has logged in from there before. The limit on everybody does
                not hold for them: or whoever has many addresses could lock everybody out.

        Raises:
            RateLimited: if too many were wrong of late.
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
    """Count a guess by each limiter under its subject."""
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
