"""The design's ConnectionManager in FastAPI: every event encoded and sent for every client."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from ..control import obey
from ..events import Trades
from ..harness import announce
from ..publishing import publish_at, publish_for, raise_file_limit, resident


class ConnectionManager:
    """The connection manager of the design."""

    def __init__(self) -> None:
        self.active_connections: list[WebSocket] = []

    async def connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.active_connections.append(websocket)

    def disconnect(self, websocket: WebSocket) -> None:
        self.active_connections.remove(websocket)

    async def broadcast(self, message: dict[str, Any]) -> None:
        for connection in list(self.active_connections):
            try:
                await connection.send_json(message)
            except (WebSocketDisconnect, RuntimeError):
                self.disconnect(connection)


app = FastAPI(title="Dashboard API")
manager = ConnectionManager()
trades = Trades()


@app.websocket("/ws")
async def endpoint(websocket: WebSocket) -> None:
    await manager.connect(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        manager.disconnect(websocket)


class Settled:
    """`send_json` returns once uvicorn wrote to the transport; uvloop writes in the same turn."""

    def get_write_buffer_size(self) -> int:
        return 0


async def publish(seconds: float, burst: int, limit: int | None = None) -> dict[str, Any]:
    async def one() -> None:
        await manager.broadcast(trades.message())

    before = trades.bytes
    result = await publish_for(seconds, limit, burst, one, Settled())
    return {**result, "bytes": trades.bytes - before}


async def feed(rate: float, seconds: float) -> dict[str, Any]:
    """Broadcast only: the design stores nothing on this path."""

    async def one(at: int) -> None:
        message = trades.message()
        message["data"]["metadata"] = {"t": f"{at:020}"}
        await manager.broadcast(message)

    return await publish_at(rate, seconds, one)


async def state() -> dict[str, Any]:
    return {
        "resident": resident(),
        "connections": len(manager.active_connections),
        "evicted": 0,
    }


class AnnouncingServer(uvicorn.Server):
    """uvicorn, announced once it listens."""

    async def startup(self, *args: Any, **kwargs: Any) -> None:
        await super().startup(*args, **kwargs)
        await obey(sys.argv[1], {"publish": publish, "feed": feed, "state": state})
        announce(self.servers[0].sockets[0].getsockname()[1])


def main() -> None:
    raise_file_limit()
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        http="httptools",
        backlog=4096,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        access_log=False,
        log_level="warning",
    )
    AnnouncingServer(config).run()


if __name__ == "__main__":
    main()
