"""The types of samples of the system."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypedDict


class SystemSample(TypedDict):
    """The state of a component at one time."""

    component: str
    status: Literal["healthy", "warning", "error", "offline"]
    timestamp: datetime
    metrics: dict[str, float | None]
    message: str | None
