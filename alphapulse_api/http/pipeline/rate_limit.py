"""So many requests a minute for each caller; headers of draft-ietf-httpapi-ratelimit-headers."""

from __future__ import annotations

import math

from alphapulse_api.auth.caller import Caller
from alphapulse_api.domain.errors import RateLimited
from alphapulse_api.limits import Limiter, Verdict


async def count_request(limiter: Limiter, caller: Caller, headers: dict[str, str]) -> None:
    """Count a request of the caller, and tell in `headers` how much is left.

    Raises:
        RateLimited: if it is one too many.
    """
    verdict = await limiter.take(caller.subject)
    headers["RateLimit-Policy"] = limiter.policy
    headers["RateLimit"] = told(verdict)
    if not verdict.allowed:
        raise RateLimited(
            f"At most {limiter.quota} requests in {limiter.window:g} s", verdict.retry_after
        )


def told(verdict: Verdict) -> str:
    """The RateLimit header: how many requests are left, and the seconds until all are again."""
    return f'"default";r={verdict.remaining};t={math.ceil(verdict.reset)}'
