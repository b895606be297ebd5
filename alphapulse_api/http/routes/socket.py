"""The WebSocket."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLIC
from alphapulse_api.http.handlers.websocket import websocket
from alphapulse_api.http.route import Row

# fmt: off
ROWS: Final = (
    Row("GET", "/ws", PUBLIC, raw=websocket, status=101, tag="socket"),
)
# fmt: on
