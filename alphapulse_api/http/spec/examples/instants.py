"""The instants of the examples."""

from __future__ import annotations

from typing import Final

NOON: Final = "2026-01-31T12:00:00Z"
NOON_ANSWER: Final = "2026-01-31T12:00:00.000000Z"
AFTER_NOON: Final = "2026-01-31T12:00:00.004211Z"
