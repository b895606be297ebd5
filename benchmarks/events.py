"""The events of the socket benchmarks: the same 233 bytes of JSON from every server."""

from __future__ import annotations

from itertools import count
from typing import Any

import orjson

EVENT_BYTES = 233
EPOCH = "00000000"  # our server has its own epoch of the same length
SYMBOL = "BTC-USD"
_TRADE: dict[str, Any] = {
    "id": "t-00000000",
    "symbol": SYMBOL,
    "side": "buy",
    "quantity": "0.5",
    "price": "64250.10",
    "value": "32125.05",
    "strategy": "m-1",
    "executed_at": "2026-01-31T12:00:00Z",
}


def frame(text: bytes) -> bytes:
    """One complete, unmasked text frame (RFC 6455, section 5.2)."""
    size = len(text)
    head = b"\x81" + (bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2, "big"))
    return head + text


class Trades:
    """Trade events, numbered from 1 as our event log numbers them.

    Attributes:
        sent: the number of the newest event.
        bytes: the bytes of all events so far as frames, for a client that gets every event.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.bytes = 0
        self._numbers = count(1)

    def record(self, symbol: str = SYMBOL) -> dict[str, Any]:
        """The data of the next event."""
        self.sent = number = next(self._numbers)
        self.bytes += _FRAME_BYTES + len(str(number)) - len(SYMBOL) + len(symbol)
        return {**_TRADE, "id": f"t-{number:08}", "symbol": symbol}

    def message(self) -> dict[str, Any]:
        """The next event as our server sends it."""
        data = self.record()
        return {
            "type": "trade",
            "channel": "trades",
            "cursor": f"{EPOCH}-{self.sent}",
            "data": data,
        }

    def text(self) -> bytes:
        """The same, encoded."""
        return orjson.dumps(self.message())


_LEAST = {"type": "trade", "channel": "trades", "cursor": f"{EPOCH}-", "data": _TRADE}
# Padded so that an event with a cursor of five digits has exactly EVENT_BYTES.
_TRADE["strategy"] += "x" * (EVENT_BYTES - 5 - len(orjson.dumps(_LEAST)))
_FRAME_BYTES = len(frame(orjson.dumps(_LEAST)))
assert len(orjson.dumps(_LEAST)) == EVENT_BYTES - 5
