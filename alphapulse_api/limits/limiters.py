"""The limits of one server: on requests, and on connections of sockets."""

from __future__ import annotations

from typing import Final

from alphapulse_api.config import RateLimitConfig, WebSocketConfig
from alphapulse_api.limits.gcra import Gcra
from alphapulse_api.limits.limiter import Limiter
from alphapulse_api.runtime.redis import RedisLink

MINUTE: Final = 60.0


def request_limiter(config: RateLimitConfig, redis: RedisLink | None) -> Limiter | None:
    """The limit on the requests of each caller; None if there is none."""
    if not config.enabled:
        return None
    return Limiter("requests", Gcra(config.requests_per_minute, MINUTE), redis)


def connect_limiter(config: WebSocketConfig, redis: RedisLink | None) -> Limiter:
    """The limit on the sockets that an address opens."""
    return Limiter("connects", Gcra(config.connects_per_minute, MINUTE, callers=10_000), redis)
