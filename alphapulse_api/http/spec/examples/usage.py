"""What the use of models cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import NOON, NOON_ANSWER

USAGE: Final = {
    "provider": "openai", "model": "gpt-5", "input_tokens": 5200, "output_tokens": 410,
    "cached_tokens": 4096, "cost": "0.0113", "currency": "USD", "duration": 6.2, "calls": 1,
    "tool_calls": 2,
}  # fmt: skip
_USAGE_RECORD: Final = {
    "id": "u-1", "timestamp": NOON, "agent_id": "analyst", "decision_id": "d-1", "cycle_id": "c-1",
    "provider": "openai", "model": "gpt-5", "input_tokens": 4000, "output_tokens": 300,
    "cached_tokens": 1000, "cost": "0.0180", "currency": "USD", "duration": 2.5, "calls": 1,
}  # fmt: skip

REQUESTS: Final[Mapping[str, Any]] = {
    "UsageRecordRequest": _USAGE_RECORD,
}
ANSWERS: Final[Mapping[str, Any]] = {
    "UsageRecord": {
        **_USAGE_RECORD, "timestamp": NOON_ANSWER, "received_at": NOON_ANSWER, "duration": 2.5,
        "tool_calls": None, "calls": 1, "metadata": {}, "book": "main",
    },
    "UsageSum": {
        "agent_id": "analyst", "calls": 12, "input_tokens": 48000, "output_tokens": 3600,
        "cached_tokens": 12000, "tool_calls": 4, "duration": 31.5, "cost": "0.2150",
        "currency": "USD",
    },
}  # fmt: skip
