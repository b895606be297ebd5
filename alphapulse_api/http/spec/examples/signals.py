"""Signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import AFTER_NOON, NOON, NOON_ANSWER
from alphapulse_api.http.spec.examples.usage import USAGE

_SIGNAL: Final = {
    "id": "s-1", "symbol": "AAPL", "direction": "buy", "confidence": 0.7, "conviction": 0.4,
    "rating": "buy", "abstained": False, "reason": "margins rise", "horizon": "P5D",
    "entry_price": "187.20", "target_price": "195.00", "stop_loss": "182.50", "size": "10",
    "timestamp": NOON, "valid_until": "2026-02-05T12:00:00Z", "model": "gpt-5",
    "prompt_hash": "sha256:9f2c41", "cycle_id": "c-1", "supersedes": "s-0", "usage": [USAGE],
    "metadata": {"desk": "equity"}, "book": "main",
}  # fmt: skip
SIGNAL_ANSWER: Final = {
    **_SIGNAL, "agent_id": "momentum-1", "timestamp": NOON_ANSWER, "received_at": AFTER_NOON,
    "valid_until": "2026-02-05T12:00:00.000000Z",
}  # fmt: skip
TEXTS: Final = {
    "thesis": "Margins rise for the third quarter in a row, and the price does not show it yet.",
    "inputs": [
        {
            "metric_type": "price", "name": "AAPL", "labels": {}, "value": 187.2,
            "timestamp": NOON_ANSWER,
        },
        {"url": "https://example.com/aapl-10-q", "title": "AAPL, form 10-Q"},
    ],
}  # fmt: skip

REQUESTS: Final[Mapping[str, Any]] = {
    "SignalRequest": {**_SIGNAL, **TEXTS},
    "ImportedSignal": {**_SIGNAL, **TEXTS},
}
ANSWERS: Final[Mapping[str, Any]] = {
    "Signal": SIGNAL_ANSWER,
    "SignalInFull": {**SIGNAL_ANSWER, **TEXTS},
}
