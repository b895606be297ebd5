"""One open socket: carries out what the protocol decides, and keeps its timers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import uuid_utils
from aiohttp import web

from alphapulse_api.auth.authenticator import BadCredentials, ExpiredCredentials
from alphapulse_api.auth.caller import Caller
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import (
    AUTH_TIMEOUT,
    FLOODING,
    REVOKED,
    SLOW_CONSUMER,
    TOKEN_EXPIRED,
    Close,
    Problem,
    RateLimited,
)
from alphapulse_api.domain.times import now
from alphapulse_api.sockets import protocol
from alphapulse_api.sockets.admission import Place
from alphapulse_api.sockets.expiry import Expiry
from alphapulse_api.sockets.inbox import Inbox
from alphapulse_api.sockets.join import Subscriber
from alphapulse_api.sockets.limit import limited
from alphapulse_api.sockets.refusal import MessageId, Refused
from alphapulse_api.sockets.requests import (
    Authenticate,
    Subscribe,
    Unsubscribe,
)
from alphapulse_api.sockets.services import Services
from alphapulse_api.sockets.serving import Serving
from alphapulse_api.sockets.timers import Timers
from alphapulse_api.sockets.writer import SocketWriter

logger = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 1.0  # for the peer to answer a close; a stalled one never does
# How long an event that a snapshot includes may still take to arrive after its row has left the
# outbox, while the log is not behind. In practice it takes milliseconds.
LATE_SECONDS: Final = 5.0


class Connection:
    """One socket from welcome to close.

    Args:
        socket: prepared.
        transport: the socket's.
        place: its place among the limited sockets.
        services: shared with the other connections.
        on_close: called once, with the reason, if the server closes the connection.
    """

    __slots__ = (
        "_closing",
        "_inbox",
        "_on_close",
        "_place",
        "_protocol",
        "_services",
        "_serving",
        "_socket",
        "_subscriber",
        "_timers",
        "_transport",
        "id",
        "writer",
    )

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        place: Place,
        services: Services,
        on_close: Callable[[Close], None],
    ) -> None:
        self.id = str(uuid_utils.uuid7())
        limits, overflowed = services.config, partial(self.close, SLOW_CONSUMER)
        self.writer = SocketWriter(
            transport, limits.max_buffer, limits.max_lag, services.lag_timer, overflowed
        )
        self._socket = socket
        self._transport = transport
        self._place = place
        self._services = services
        self._subscriber = Subscriber(self.writer, services)
        self._on_close = on_close
        self._protocol = protocol.Protocol()
        self._inbox = Inbox(self._decide, self._act, self._carry_out)
        self._serving = Serving(services.views, self._send, place.address)
        self._timers = Timers()
        self._closing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        caller = self._protocol.caller
        return f"<Connection {self.id} {caller.username if caller else 'unauthenticated'}>"

    def open(self, caller: Caller | None) -> None:
        """Greet the client; `caller` has authenticated with the handshake, or is None."""
        self._send(
            type="welcome",
            protocol=protocol.VERSION,
            connection_id=self.id,
            auth_timeout=self._services.config.auth_timeout,
            ping_interval=self._services.config.ping_interval,
        )
        self._timers.start("heartbeat", self._services.config.ping_interval, self._heartbeat)
        if caller is None:
            self._place.give_way = partial(self.close, FLOODING)
            timed_out = partial(self.close, AUTH_TIMEOUT)
            self._timers.start("auth", self._services.config.auth_timeout, timed_out)
        else:
            self._welcome_caller(None, caller)

    def receive(self, text: str) -> None:
        """Take one text frame, to be carried out after the earlier ones.

        It is counted on arrival, so that a client that floods gets its errors at once, however long
        the first request takes.
        """
        if self._closing is not None:
            return
        refused = self._protocol.count(text, asyncio.get_running_loop().time())
        if not refused:
            self._inbox.put(text)
        self._act(*refused)

    def recheck(self) -> None:
        """Close the connection if the caller may no longer call."""
        try:
            if self._protocol.caller is not None:
                self._services.authenticator.check(self._protocol.caller)
        except ExpiredCredentials:
            self.close(TOKEN_EXPIRED)
        except BadCredentials:
            self.close(REVOKED)

    def close(self, close: Close) -> None:
        """Send a close frame, wait for the answer for about a second, and cut the connection."""
        if self._closing is None:
            self._on_close(close)
            self.writer.close()
            self._inbox.drop()
            self._closing = asyncio.create_task(self._close(close), name=f"close {self.id}")

    def abort(self) -> None:
        """Cut the connection without a close frame, unless it has closed already."""
        transport = self._transport
        # asyncio raises if a transport that closed itself after its last byte is aborted.
        if not transport.is_closing() or transport.get_write_buffer_size():
            transport.abort()

    async def closed(self) -> None:
        """Release everything; awaited once the socket no longer reads."""
        self._timers.cancel_all()
        self.writer.close()
        if (working := self._inbox.drop()) is not None:
            await asyncio.wait([working])
            self._timers.cancel_all()  # a cancelled subscribe starts one
        self._serving.end()
        self._services.fanout.unsubscribe(self.writer)
        try:
            if self._closing is not None:
                await self._closing
            else:
                await self.writer.flushed(CLOSE_SECONDS)
        finally:
            self.abort()
            del self._inbox, self._serving  # they refer to this connection: cycles (see Socket)

    # -- the protocol's actions -------------------------------------------------------------------

    def _decide(self, text: str) -> Sequence[protocol.Action]:
        return self._protocol.receive(text, now())

    def _act(self, *actions: protocol.Quick) -> None:
        for action in actions:
            match action:
                case protocol.Reply(content):
                    self.writer.send(dumps(content))
                case Unsubscribe(message_id, channels):
                    for name in channels:
                        self._protocol.subscriptions.pop(name, None)
                    self._subscriber.unsubscribe(channels)
                    self._act(protocol.acknowledged("unsubscribed", message_id, channels))
                case protocol.Disconnect(close):
                    self.close(close)

    async def _carry_out(self, action: protocol.Slow) -> None:
        try:
            if isinstance(action, Authenticate):
                await self._authenticate(action)
            elif isinstance(action, Subscribe):
                await self._subscribe(action)
            else:
                await self._serving.carry_out(action, self._protocol.caller)
        except Refused as refusal:
            self._act(protocol.error(action.id, refusal.code, refusal.text, refusal.channel))
        except Problem as problem:
            code = "rate_limited" if isinstance(problem, RateLimited) else "internal"
            self._fail(action.id, code, problem.detail)
        except Exception:
            logger.exception("failed to carry out a socket message")
            self._fail(action.id, "internal", "The server failed to carry out the request.")

    async def _authenticate(self, action: Authenticate) -> None:
        try:
            if action.token is not None:
                caller = await self._services.authenticator.bearer(action.token)
            else:
                caller = await self._services.authenticator.api_key(
                    action.api_key or "", self._place.address
                )
        except BadCredentials as refusal:
            expired = isinstance(refusal, ExpiredCredentials)
            self._act(*self._protocol.refused(action.id, str(refusal), expired=expired))
            return
        self._welcome_caller(action.id, caller)

    def _welcome_caller(self, message_id: MessageId, caller: Caller) -> None:
        if not self._place.claim(caller.subject):
            limit = self._services.config.max_user_connections
            text = f"At most {limit} sockets of one user or key may be open."
            self._fail(message_id, "rate_limited", text)
            self.close(FLOODING)
            return
        self._serving.keep(caller)
        self._act(*self._protocol.authenticated(message_id, caller))
        self._timers.cancel("auth", "notice", "expiry")
        if (expiry := Expiry.of(caller, now())) is not None:
            self._timers.start("notice", expiry.notice_in, self._notify_expiry)
            self._timers.start("expiry", expiry.ends_in, partial(self.close, TOKEN_EXPIRED))

    async def _subscribe(self, action: Subscribe) -> None:
        def acknowledge(channels: dict[str, Any]) -> None:
            self._protocol.subscriptions.update(action.channels)
            reply = protocol.acknowledged("subscribed", action.id, channels)
            self.writer.send(dumps(reply.message))

        caller = self._protocol.caller
        assert caller is not None
        channels = await limited(self._services.views, caller, action.channels)
        try:
            within = replace(action, channels=channels)
            await self._subscriber.subscribe(within, caller.subject, acknowledge)
        finally:
            # Also after a failure: the restored subscription may have a snapshot.
            self._timers.start("late", LATE_SECONDS, self._forget_snapshots)

    def _forget_snapshots(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._subscriber.forget_snapshots(now, LATE_SECONDS):
            self._timers.start("late", LATE_SECONDS, self._forget_snapshots)

    # -- timers -----------------------------------------------------------------------------------

    def _heartbeat(self) -> None:
        # Timers stop while a machine sleeps, so expiry is also checked by the wall clock.
        self.recheck()
        if self._closing is not None:
            return
        self._send(type="heartbeat", timestamp=now(), cursors=self._subscriber.cursors())
        self._timers.start("heartbeat", self._services.config.ping_interval, self._heartbeat)

    def _notify_expiry(self) -> None:
        caller = self._protocol.caller
        if caller is not None and caller.expires_at is not None:
            left = (caller.expires_at - now()).total_seconds()
            self._send(type="token_expiring", expires_in=max(0, round(left)))

    # -- sending and closing ----------------------------------------------------------------------

    def _send(self, **content: Any) -> None:
        self.writer.send(dumps(content))

    def _fail(self, message_id: MessageId, code: str, text: str) -> None:
        self._act(protocol.error(message_id, code, text))

    async def _close(self, close: Close) -> None:
        self._services.fanout.unsubscribe(self.writer)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(code=close.code, message=close.reason.encode())
                # aiohttp may return while the close frame still waits behind unread data.
                await self.writer.flushed(CLOSE_SECONDS)
        except TimeoutError:
            pass
        self.abort()
