"""So many requests a minute for each caller; headers of draft-ietf-httpapi-ratelimit-headers."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from alphapulse_api.errors import RATE_LIMITED, Problem
from alphapulse_api.keys import BACKEND, CALLER, HEADERS

WINDOW_SECONDS: Final = 60

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def rate_limit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request, or refuse it."""
    caller = request.get(CALLER)
    limiter = request.app[BACKEND].limiter
    if caller is None or limiter is None:
        return await handler(request)
    verdict = limiter.take(caller.subject)
    headers = request[HEADERS]
    headers["RateLimit-Policy"] = f'"default";q={limiter.quota};w={WINDOW_SECONDS}'
    headers["RateLimit"] = f'"default";r={verdict.remaining};t={math.ceil(verdict.reset)}'
    if not verdict.allowed:
        wait = math.ceil(verdict.retry_after)
        raise Problem(
            RATE_LIMITED,
            f"At most {limiter.quota} requests a minute; try again in {wait} s.",
            headers={"Retry-After": str(wait)},
        )
    return await handler(request)
