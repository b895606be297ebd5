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
from alphapulse_api.sockets.connection import CLOSE_SECONDS, Connection
from alphapulse_api.sockets.guard import FrameGuard
from alphapulse_api.sockets.handshake import check_handshake
from alphapulse_api.sockets.writer import HIGH_WATER, SocketWriter

# Of closes by aiohttp, which gives no reason.
_REASONS: Final = {close.code: close.reason.encode() for close in (TOO_BIG, PROTOCOL_ERROR)}


class Socket(web.WebSocketResponse):
    """aiohttp's socket, with the contract's words for what it closes by itself.

    It is freed when it ends. aiohttp lets its protocol call back to it for good, and keeps an error
    with the frames in which it rose: in such rings a socket would wait, with the request, the
    transport and their buffers, until the garbage collector looks at what is old.
    """

    writer: SocketWriter | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        noted = WeakMethod(self._on_data_received)
        self._on_data_received = lambda: (note := noted()) and note()  # type: ignore[method-assign]

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        if not message:
            message = _REASONS.get(code, message)
        if self.writer is not None:
            # Whoever closes, no data frame may follow the close frame (RFC 6455, section 5.5.1).
            self.writer.close()
        return await super().close(code=code, message=message, drain=drain)

    def let_go(self) -> None:
        """Keep nothing that keeps this; it has ended."""
        error: BaseException | None = self.exception()
        while error is not None:
            error.__traceback__ = None
            error = error.__context__


async def websocket(request: web.Request) -> web.StreamResponse:
    """The multiplexed socket; its messages are described by /asyncapi.json."""
    backend = request.app[BACKEND]
    hub, config = backend.hub, backend.config.websocket
    backend.origins.check(request.headers.getall(hdrs.ORIGIN, ()), request.host)
    address = client_key(request)
    verdict = await backend.connect_throttle.take(address)
    if not verdict.allowed:
        raise RateLimited(
            f"At most {config.connects_per_minute} sockets a minute from one address",
            verdict.retry_after,
        )
    caller = await identify(request, backend)
    if hub.closing:
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
    """Upgrade, and talk until the socket ends."""
    backend = request.app[BACKEND]
    hub = backend.hub
    transport = request.transport
    if transport is None:
        return
    guard = _guard(transport, backend.config.websocket.ping_interval)
    socket.headers.update(request[HEADERS])
    await socket.prepare(request)
    _bound_kernel_buffer(transport)
    connection = Connection(
        socket,
        transport,
        place,
        hub,
        backend.events,
        backend.snapshots,
        backend.authenticator,
        backend.config.websocket,
    )
    socket.writer = connection.writer
    hub.join(connection)
    try:
        connection.open(caller)
        guard.start(connection.close)
        if hub.closing:
            connection.close(SHUTDOWN)
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                connection.receive(frame.data)
            elif frame.type is WSMsgType.BINARY:
                connection.close(TEXT_ONLY)
    finally:
        await connection.closed()
        socket.let_go()


def _guard(transport: asyncio.Transport, ping_interval: float) -> FrameGuard:
    """Have the frames looked at before aiohttp reads them."""
    inner = transport.get_protocol()
    assert isinstance(inner, asyncio.Protocol)
    # What a client sent without waiting for the answer (it must wait: RFC 6455, section 4.1) lies
    # there until the answer is sent.
    guard = FrameGuard(inner, getattr(inner, "_message_tail", b""), ping_interval)
    transport.set_protocol(guard)
    return guard


def _bound_kernel_buffer(transport: asyncio.Transport) -> None:
    """Let the kernel hold little that it has not sent yet.

    Left to itself, Linux grows a socket's send buffer to some megabytes: a thousand clients that
    stopped reading would take gigabytes that no limit of ours counts.
    """
    option = getattr(socket_module, "TCP_NOTSENT_LOWAT", None)
    sock = transport.get_extra_info("socket")
    if option is not None and sock is not None and sock.family != socket_module.AF_UNIX:
        sock.setsockopt(socket_module.IPPROTO_TCP, option, HIGH_WATER)
