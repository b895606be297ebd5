"""The rate limit of each caller, and the headers of draft-ietf-httpapi-ratelimit-headers."""

from __future__ import annotations

import math

from alphapulse_api.auth.caller import Caller
from alphapulse_api.domain.errors import RateLimited
from alphapulse_api.limits import Limiter, Verdict


async def count_request(limiter: Limiter, caller: Caller, headers: dict[str, str]) -> None:
    """Count a request of the caller, and set the rate limit headers in `headers`.

    Raises:
        RateLimited: if the caller exceeds its limit.
    """
    verdict = await limiter.take(caller.subject)
    headers["RateLimit-Policy"] = limiter.policy
    headers["RateLimit"] = rate_limit_header(verdict)
    if not verdict.allowed:
        raise RateLimited(
            f"At most {limiter.quota} requests in {limiter.window:g} s", verdict.retry_after
        )


def rate_limit_header(verdict: Verdict) -> str:
    """The RateLimit header: the requests left, and the seconds until the quota is full again."""
    return f'"default";r={verdict.remaining};t={math.ceil(verdict.reset)}'
