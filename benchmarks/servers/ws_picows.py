"""picows, a WebSocket library in Cython: each event encoded once, sent to each transport."""

from __future__ import annotations

import sys
from typing import Any

import uvloop
from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from ..control import obey
from ..events import Trades
from ..harness import announce
from ..publishing import publish_for, raise_file_limit

transports: dict[WSTransport, None] = {}
trades = Trades()


class Listener(WSListener):
    """One client."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        transports[transport] = None

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        transports.pop(transport, None)


def listener(_: WSUpgradeRequest) -> Listener:
    return Listener()


async def publish(seconds: float, burst: int, limit: int | None = None) -> dict[str, Any]:
    text = WSMsgType.TEXT

    async def one() -> None:
        message = trades.text()
        for transport in transports:
            transport.send(text, message)

    before = trades.bytes
    (*_, transport) = transports
    result = await publish_for(seconds, limit, burst, one, transport.underlying_transport)
    return {**result, "bytes": trades.bytes - before}


async def main(directory: str) -> None:
    raise_file_limit()
    server = await ws_create_server(listener, "127.0.0.1", 0, backlog=4096)
    await obey(directory, {"publish": publish})
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
