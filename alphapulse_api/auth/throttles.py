"""How often somebody may be wrong about a secret, without keeping out whoever is right.

A guess is counted before it is tried, so that guesses sent at once are all counted, and given back
unless it turns out to be wrong.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from alphapulse_api.errors import RateLimited
from alphapulse_api.limits import Gcra, Limiter
from alphapulse_api.redis_link import RedisLink

MINUTE: Final = 60.0
# Made-up refresh tokens, tokens to revoke and API keys, of one address. Their secrets have more
# than 180 random bits: this bounds the work they cause, not the chance that one is right.
WRONG_SECRETS_A_MINUTE: Final = 60
_ADDRESSES: Final = 10_000  # that are remembered without a Redis


class Guess:
    """One attempt; `wrong` is for whoever made it to set."""

    wrong = False


class Throttles:
    """The limits on wrong guesses.

    Args:
        link: to the Redis that all processes count in, if there is one.
    """

    def __init__(self, link: RedisLink | None = None) -> None:
        self._secrets = _limiter("secrets", WRONG_SECRETS_A_MINUTE, link)

    @asynccontextmanager
    async def secret(self, address: str) -> AsyncIterator[Guess]:
        """A token or key that has to be looked up.

        Raises:
            RateLimited: if too many from that address were wrong of late.
        """
        async with _counted("Too many invalid tokens or keys", (self._secrets, address)) as guess:
            yield guess


@asynccontextmanager
async def _counted(reason: str, *counts: tuple[Limiter, str]) -> AsyncIterator[Guess]:
    """Count a guess by each limiter under its subject."""
    guess = Guess()
    taken: list[tuple[Limiter, str]] = []
    try:
        for limiter, subject in counts:
            verdict = await limiter.take(subject)
            if not verdict.allowed:
                raise RateLimited(reason, verdict.retry_after)
            taken.append((limiter, subject))
        yield guess
    finally:
        if not guess.wrong:
            for limiter, subject in taken:
                await limiter.give_back(subject)


def _limiter(name: str, a_minute: int, link: RedisLink | None) -> Limiter:
    return Limiter(name, Gcra(a_minute, MINUTE, callers=_ADDRESSES), link)
