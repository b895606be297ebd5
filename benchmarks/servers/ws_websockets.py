"""The `websockets` library: its own `broadcast()`, each event encoded once."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from ..control import obey
from ..events import Trades
from ..harness import announce
from ..publishing import publish_for, raise_file_limit, resident

# A dict keeps the order in which the sockets came.
connections: dict[ServerConnection, None] = {}
trades = Trades()


async def handler(connection: ServerConnection) -> None:
    connections[connection] = None
    try:
        await connection.wait_closed()
    finally:
        del connections[connection]


async def publish(seconds: float, burst: int, limit: int | None = None) -> dict[str, Any]:
    async def one() -> None:
        broadcast(connections, trades.text().decode())

    before = trades.bytes
    (*_, connection) = connections
    result = await publish_for(seconds, limit, burst, one, connection.transport)
    return {**result, "bytes": trades.bytes - before}


async def state() -> dict[str, Any]:
    return {"resident": resident(), "connections": len(connections), "evicted": 0}


async def main(directory: str) -> None:
    raise_file_limit()
    async with serve(
        handler, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=4096
    ) as server:
        await obey(directory, {"publish": publish, "state": state})
        (listener,) = server.sockets
        announce(listener.getsockname()[1])
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
