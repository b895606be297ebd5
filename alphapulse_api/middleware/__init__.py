"""What every request passes, in this order, one concern a file."""

from __future__ import annotations

from typing import Final

from alphapulse_api.middleware.access import access
from alphapulse_api.middleware.auth import authenticate, authorize
from alphapulse_api.middleware.cache import cache
from alphapulse_api.middleware.errors import errors
from alphapulse_api.middleware.rate_limit import rate_limit

__all__ = ["MIDDLEWARES"]

# CORS stands between errors and authenticate: aiohttp-cors answers preflights as routes of its own
# and adds its headers as responses are prepared (app.py).
MIDDLEWARES: Final = (access, errors, authenticate, rate_limit, authorize, cache)
