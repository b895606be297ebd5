"""The caller."""

from __future__ import annotations

from alphapulse_api.client import values
from alphapulse_api.client.reading.requests import Requests
from alphapulse_api.client.rows import Me


class CallerReading(Requests):
    """Every GET about the caller as a method."""

    async def me(self) -> Me:
        """Return the caller and its permissions."""
        me: Me = await self._get("/api/me", values.ME)
        return me
