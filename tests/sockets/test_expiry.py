"""When a connection is asked for a new token, and when it is closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alphapulse_api.auth.caller import Caller
from alphapulse_api.auth.permissions import VIEWS
from alphapulse_api.sockets.expiry import Expiry

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LEEWAY = timedelta(seconds=30)


def expiring(seconds: float | None) -> Caller:
    at = None if seconds is None else NOW + timedelta(seconds=seconds)
    ends = None if at is None else at + LEEWAY
    return Caller("ann", "viewer", VIEWS, "jwt", "user:ann", at, "j1", 1, ends_at=ends)


def test_a_key_without_an_end_never_expires() -> None:
    assert Expiry.of(expiring(None), NOW) is None


@pytest.mark.parametrize(
    ("left", "notice", "ends"),
    [(3600.0, 3540.0, 3600.0), (60.0, 30.0, 60.0), (1.0, 0.5, 1.0), (-10.0, 10.0, 20.0)],
)
def test_the_notice_comes_a_minute_or_half_the_time_before_the_end(
    left: float, notice: float, ends: float
) -> None:
    assert Expiry.of(expiring(left), NOW) == (notice, ends)
