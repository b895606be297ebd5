"""Limits on wrong guesses, held still for a test."""

from __future__ import annotations

import pytest

from alphapulse_api.auth import throttles


def forgive_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are the same, but nothing is forgiven while a test runs."""
    for name in ("SECRETS", "PAIRS", "ADDRESSES", "EVERYBODY"):
        quota = getattr(throttles, name)
        monkeypatch.setattr(throttles, name, quota._replace(seconds=3600.0))
