"""The middlewares that every request passes, in this order, one concern per file."""

from __future__ import annotations

from typing import Final

from alphapulse_api.http.pipeline.access import access
from alphapulse_api.http.pipeline.auth import admit
from alphapulse_api.http.pipeline.cache import cache
from alphapulse_api.http.pipeline.host import host
from alphapulse_api.http.pipeline.problems import problems

__all__ = ["MIDDLEWARES"]

# CORS stands between host and admit: aiohttp-cors answers preflights as routes of its own
# and adds its headers as responses are prepared (app.py).
MIDDLEWARES: Final = (access, problems, host, admit, cache)
