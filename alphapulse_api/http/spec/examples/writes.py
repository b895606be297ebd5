"""Answers to writes of any resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ANSWERS: Final[Mapping[str, Any]] = {
    "Accepted": {"accepted": 1},
    "Imported": {"accepted": 1, "new": 1},
    "BatchResult": {
        "accepted": 1,
        "refused": 1,
        "results": [
            {"status": 201, "id": "t-1"},
            {"status": 422, "error": "/price: Not a decimal number."},
        ],
    },
}
