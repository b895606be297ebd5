"""Rate limits."""

from __future__ import annotations

from alphapulse_api.limits.gcra import Gcra, Verdict
from alphapulse_api.limits.limiter import Limiter

__all__ = ["Gcra", "Limiter", "Verdict"]
