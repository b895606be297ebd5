"""So many requests a minute for each caller; headers of draft-ietf-httpapi-ratelimit-headers."""

from __future__ import annotations

import math

from alphapulse_api.auth.caller import Caller
from alphapulse_api.errors import RATE_LIMITED, Problem
from alphapulse_api.limits import Gcra


def count_request(limiter: Gcra, caller: Caller, headers: dict[str, str]) -> None:
    """Count a request of the caller, and tell in `headers` how much is left.

    Raises:
        Problem: 429, if it is one too many.
    """
    verdict = limiter.take(caller.subject)
    headers["RateLimit-Policy"] = limiter.policy
    headers["RateLimit"] = f'"default";r={verdict.remaining};t={math.ceil(verdict.reset)}'
    if not verdict.allowed:
        wait = math.ceil(verdict.retry_after)
        raise Problem(
            RATE_LIMITED,
            f"At most {limiter.quota} requests in {limiter.window:g} s; try again in {wait} s.",
            headers={"Retry-After": str(wait)},
        )
