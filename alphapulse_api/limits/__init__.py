"""Rate limits."""

from __future__ import annotations

from alphapulse_api.limits.gcra import Gcra, Verdict
from alphapulse_api.limits.limiter import Limiter
from alphapulse_api.limits.limiters import connect_limiter, request_limiter

__all__ = ["Gcra", "Limiter", "Verdict", "connect_limiter", "request_limiter"]
