"""GET /ws: aiohttp's side of the socket, kept thin."""

from __future__ import annotations

import asyncio
import socket as socket_module
from typing import Any, Final
from weakref import WeakMethod

from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from alphapulse_api.auth.caller import Caller
from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.errors import (
    PROTOCOL_ERROR,
    SHUTDOWN,
    TEXT_ONLY,
    TOO_BIG,
    RateLimited,
    Unavailable,
)
from alphapulse_api.http.pipeline.auth import identify
from alphapulse_api.http.pipeline.client import client_key
from alphapulse_api.http.pipeline.headers import HEADERS
from alphapulse_api.sockets.admission import RETRY_SECONDS, Place
from alphapulse_api.sockets.connection import CLOSE_SECONDS
from alphapulse_api.sockets.guard import FrameGuard
from alphapulse_api.sockets.handshake import check_handshake
from alphapulse_api.sockets.writer import HIGH_WATER, SocketWriter

# Reasons for closes by aiohttp, which gives none.
_REASONS: Final = {close.code: close.reason.encode() for close in (TOO_BIG, PROTOCOL_ERROR)}


class Socket(web.WebSocketResponse):
    """aiohttp's socket, with the contract's reasons for closes by aiohttp itself.

    It is freed as soon as it ends. aiohttp's protocol keeps a callback to it, and an exception
    keeps its traceback. These reference cycles would keep the socket, the request, the transport
    and their buffers until the garbage collector runs on the oldest generation.
    """

    writer: SocketWriter | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        weak = WeakMethod(self._on_data_received)
        self._on_data_received = lambda: (method := weak()) and method()  # type: ignore[method-assign]

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        if not message:
            message = _REASONS.get(code, message)
        if self.writer is not None:
            # No data frame may follow the close frame, whoever closes (RFC 6455, section 5.5.1).
            self.writer.close()
        return await super().close(code=code, message=message, drain=drain)

    def break_cycles(self) -> None:
        """Drop the references that lead back to this socket; it has ended."""
        error: BaseException | None = self.exception()
        while error is not None:
            error.__traceback__ = None
            error = error.__context__


async def websocket(request: web.Request) -> web.StreamResponse:
    """Open the multiplexed socket; /asyncapi.json describes its messages."""
    backend = request.app[BACKEND]
    config = backend.config.websocket
    backend.origins.check(request.headers.getall(hdrs.ORIGIN, ()), request.host)
    address = client_key(request)
    verdict = await backend.connect_throttle.take(address)
    if not verdict.allowed:
        raise RateLimited(
            f"At most {config.connects_per_minute} sockets a minute from one address",
            verdict.retry_after,
        )
    caller = await identify(request, backend)
    if backend.connections.closing:
        raise Unavailable("The server is shutting down.", RETRY_SECONDS)
    check_handshake(request)
    socket = Socket(
        timeout=CLOSE_SECONDS,
        heartbeat=config.ping_interval,
        max_msg_size=config.max_message_size + 1,  # aiohttp's limit is the first size refused
        compress=False,
    )
    place = backend.admission.enter(address, authenticated=caller is not None)
    try:
        await _converse(request, socket, place, caller)
    finally:
        place.leave()
    return socket


async def _converse(
    request: web.Request, socket: Socket, place: Place, caller: Caller | None
) -> None:
    """Upgrade, and serve the socket until it ends."""
    backend = request.app[BACKEND]
    transport = request.transport
    if transport is None:
        return
    guard = _guard(transport, backend.config.websocket.ping_interval)
    socket.headers.update(request[HEADERS])
    await socket.prepare(request)
    _bound_kernel_buffer(transport)
    connection = backend.connections.add(socket, transport, place)
    socket.writer = connection.writer
    try:
        connection.open(caller)
        guard.start(connection.close)
        if backend.connections.closing:
            connection.close(SHUTDOWN)
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                connection.receive(frame.data)
            elif frame.type is WSMsgType.BINARY:
                connection.close(TEXT_ONLY)
    finally:
        await backend.connections.release(connection)
        socket.break_cycles()


def _guard(transport: asyncio.Transport, ping_interval: float) -> FrameGuard:
    """Check frames before aiohttp parses them."""
    inner = transport.get_protocol()
    assert isinstance(inner, asyncio.Protocol)
    # aiohttp keeps bytes there that arrive before the handshake is answered, although a client must
    # wait for the answer (RFC 6455, section 4.1).
    early = getattr(inner, "_message_tail", b"")
    guard = FrameGuard(inner, early, ping_interval, asyncio.get_running_loop().time)
    transport.set_protocol(guard)
    return guard


def _bound_kernel_buffer(transport: asyncio.Transport) -> None:
    """Limit the bytes that the kernel holds unsent.

    By default Linux grows a socket's send buffer to some megabytes. A thousand clients that stopped
    reading would take gigabytes that none of our limits counts.
    """
    option = getattr(socket_module, "TCP_NOTSENT_LOWAT", None)
    sock = transport.get_extra_info("socket")
    if option is not None and sock is not None and sock.family != socket_module.AF_UNIX:
        sock.setsockopt(socket_module.IPPROTO_TCP, option, HIGH_WATER)
