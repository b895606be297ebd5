"""GET /ws: aiohttp's side of the socket, kept thin."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, web

from alphapulse_api.errors import BAD_REQUEST, FORBIDDEN, TEXT_ONLY, TOO_BIG, Problem, Unavailable
from alphapulse_api.keys import BACKEND
from alphapulse_api.middleware.auth import identify
from alphapulse_api.websocket.connection import Connection

RETRY_SECONDS: Final = 5


class Socket(web.WebSocketResponse):
    """aiohttp's socket, with the contract's word for a message that is too long."""

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        if code == TOO_BIG.code and not message:
            message = TOO_BIG.reason.encode()
        return await super().close(code=code, message=message, drain=drain)


async def websocket(request: web.Request) -> web.StreamResponse:
    """The multiplexed socket; its messages are described by /asyncapi.json."""
    backend = request.app[BACKEND]
    hub, config = backend.hub, backend.config.websocket
    _check_origin(request, backend.config.cors.allowed_origins)
    caller = await identify(request, backend)
    if hub.closing:
        raise Unavailable("The server is shutting down.", RETRY_SECONDS)
    if hub.full:
        raise Unavailable("There are too many connections.", RETRY_SECONDS)
    socket = Socket(
        heartbeat=config.ping_interval, max_msg_size=config.max_message_size, compress=False
    )
    if not socket.can_prepare(request).ok:
        raise Problem(BAD_REQUEST, "This path speaks WebSocket: send an upgrade request.")
    await socket.prepare(request)
    transport = request.transport
    if transport is None:
        return socket
    connection = Connection(
        socket,
        transport,
        hub,
        backend.events,
        backend.accessors,
        backend.authenticator,
        config,
    )
    hub.join(connection)
    try:
        connection.open(caller)
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                await connection.receive(frame.data)
            elif frame.type is WSMsgType.BINARY:
                connection.close(TEXT_ONLY)
    finally:
        await connection.closed()
    return socket


def _check_origin(request: web.Request, allowed: tuple[str, ...]) -> None:
    """A page of another site must not open a socket with its visitor's reach (RFC 6455, 10.2)."""
    origin = request.headers.get("Origin")
    if origin is None or origin in allowed or "*" in allowed:
        return
    # Host and port only: behind a proxy that ends TLS the schemes differ.
    if urlsplit(origin).netloc != request.host:
        raise Problem(FORBIDDEN, "This origin may not open a socket here.")
