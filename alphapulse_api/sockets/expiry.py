"""When a caller's credentials expire."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from alphapulse_api.auth.caller import Caller

NOTICE_SECONDS: Final = 60.0


class Expiry(NamedTuple):
    """Seconds from now.

    Attributes:
        notice_in: until the client is asked for a new token.
        ends_in: until the connection is closed.
    """

    notice_in: float
    ends_in: float

    @classmethod
    def of(cls, caller: Caller, now: datetime) -> Expiry | None:
        """Return when a caller's credentials expire; None if they never do."""
        if caller.expires_at is None:
            return None
        left = (caller.expires_at - now).total_seconds()
        if left <= 0 and caller.ends_at is not None:
            left = (caller.ends_at - now).total_seconds()  # expired, but still within the leeway
        # At half the time for a token that expires soon: a client that answers with the same token
        # would otherwise get notice after notice.
        return cls(max(0.0, left - min(NOTICE_SECONDS, left / 2)), left)
