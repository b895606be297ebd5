"""One open socket: carries out what the protocol decides, and keeps its times."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import uuid_utils
from aiohttp import web

from alphapulse_api.auth.authenticator import Authenticator, BadCredentials, ExpiredCredentials
from alphapulse_api.auth.caller import Caller
from alphapulse_api.config import WebSocketConfig
from alphapulse_api.domain.channels import CHANNELS
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
from alphapulse_api.log import EventLog
from alphapulse_api.sockets import protocol
from alphapulse_api.sockets.admission import Place
from alphapulse_api.sockets.hub import Hub
from alphapulse_api.sockets.inbox import Inbox
from alphapulse_api.sockets.snapshot import Snapshots
from alphapulse_api.sockets.subscriber import Subscriber
from alphapulse_api.sockets.writer import SocketWriter

logger = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 1.0  # for the peer to answer a close; a stalled one never does
EXPIRY_NOTICE_SECONDS: Final = 60.0
# How long after a snapshot an event may still come that the snapshot already told of, if its row is
# not in the outbox any more and the log is not behind: milliseconds, in fact.
LATE_SECONDS: Final = 5.0


class Connection:
    """One socket from welcome to close."""

    __slots__ = (
        "_authenticator",
        "_closing",
        "_config",
        "_hub",
        "_inbox",
        "_place",
        "_protocol",
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
        hub: Hub,
        events: EventLog,
        snapshots: Snapshots,
        authenticator: Authenticator,
        config: WebSocketConfig,
    ) -> None:
        self.id = str(uuid_utils.uuid7())
        self.writer = SocketWriter(
            transport, config.max_buffer, config.max_lag, hub.lag_timer, self._overflowed
        )
        self._socket = socket
        self._transport = transport
        self._place = place
        self._hub = hub
        self._subscriber = Subscriber(self, self.writer, hub, events, snapshots)
        self._authenticator = authenticator
        self._config = config
        self._protocol = protocol.Protocol()
        self._inbox = Inbox(self._protocol.receive, self._act, self._carry_out)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._closing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        caller = self._protocol.caller
        return f"<Connection {self.id} {caller.username if caller else 'unauthenticated'}>"

    def open(self, caller: Caller | None) -> None:
        """Greet; `caller` is who the handshake's headers said it is."""
        self._send(
            type="welcome",
            protocol=protocol.VERSION,
            connection_id=self.id,
            auth_timeout=self._config.auth_timeout,
            ping_interval=self._config.ping_interval,
        )
        self._after("heartbeat", self._config.ping_interval, self._heartbeat)
        if caller is None:
            self._place.give_way = partial(self.close, FLOODING)
            self._after("auth", self._config.auth_timeout, lambda: self.close(AUTH_TIMEOUT))
        else:
            self._welcome_caller(None, caller)

    def receive(self, text: str) -> None:
        """Take one text frame; it is acted on when those before it have been.

        It is counted now: a client that sends many at once is told so at once, however long the
        first of them takes.
        """
        if self._closing is not None:
            return
        if refused := self._protocol.count(text):
            for action in refused:
                self._act(action)
        else:
            self._inbox.put(text)

    def recheck(self) -> None:
        """Close if the caller may not call any more."""
        caller = self._protocol.caller
        if caller is None:
            return
        try:
            self._authenticator.check(caller)
        except ExpiredCredentials:
            self.close(TOKEN_EXPIRED)
        except BadCredentials:
            self.close(REVOKED)

    def close(self, close: Close) -> None:
        """Close, as politely as the peer lets us, and be rid of it within a second or so."""
        if self._closing is None:
            self._hub.closes[close.reason] += 1
            self.writer.close()
            self._inbox.drop()
            self._closing = asyncio.create_task(self._close(close), name=f"close {self.id}")

    def abort(self) -> None:
        """Cut the connection without a word, unless it is gone."""
        transport = self._transport
        # asyncio fails to abort a transport that closed by itself once its last byte was out.
        if not transport.is_closing() or transport.get_write_buffer_size():
            transport.abort()

    async def closed(self) -> None:
        """Let go of everything; awaited once the socket reads no more."""
        self._cancel_all()
        self.writer.close()
        if (working := self._inbox.drop()) is not None:
            await asyncio.wait([working])
            self._cancel_all()  # a subscribe that is dropped has set one
        self._hub.silence(self)
        try:
            if self._closing is not None:
                await self._closing
            else:
                await self.writer.flushed(CLOSE_SECONDS)
        finally:
            self.abort()
            self._hub.leave(self)
            del self._subscriber, self._inbox  # they know us: rings (see endpoint.Socket)

    # -- the protocol's actions -------------------------------------------------------------------

    def _act(self, action: protocol.Quick) -> None:
        match action:
            case protocol.Reply(content):
                self.writer.send(dumps(content))
            case protocol.Unsubscribe(message_id, channels):
                self._unsubscribe(channels)
                self._act(protocol.acknowledged("unsubscribed", message_id, channels))
            case protocol.Disconnect(close):
                self.close(close)

    async def _carry_out(self, action: protocol.Slow) -> None:
        try:
            if isinstance(action, protocol.Authenticate):
                await self._authenticate(action)
            else:
                await self._subscribe(action)
        except RateLimited as refusal:
            self._failed(action, "rate_limited", refusal.detail)
        except Problem as problem:
            self._failed(action, "internal", problem.detail)
        except Exception:
            logger.exception("a socket message failed")
            self._failed(action, "internal", "The server failed.")

    async def _authenticate(self, action: protocol.Authenticate) -> None:
        try:
            if action.token is not None:
                caller = await self._authenticator.bearer(action.token)
            else:
                caller = await self._authenticator.api_key(
                    action.api_key or "", self._place.address
                )
        except BadCredentials as refusal:
            expired = isinstance(refusal, ExpiredCredentials)
            for answer in self._protocol.refused(action.id, str(refusal), expired=expired):
                self._act(answer)
            return
        self._welcome_caller(action.id, caller)

    def _welcome_caller(self, message_id: int | str | None, caller: Caller) -> None:
        if not self._place.claim(caller.subject):
            text = f"At most {self._config.max_user_connections} sockets of one user or key."
            self._act(protocol.error(message_id, "rate_limited", text))
            self.close(FLOODING)
            return
        for action in self._protocol.authenticated(message_id, caller):
            self._act(action)
        self._cancel("auth")
        self._cancel("notice")
        self._cancel("expiry")
        if caller.expires_at is not None:
            left = (caller.expires_at - now()).total_seconds()
            if left <= 0 and caller.ends_at is not None:
                left = (caller.ends_at - now()).total_seconds()  # accepted within the leeway
            # Half the time for one that is nearly over, or a client that answers with the same
            # token would be told again at once, and again.
            notice = left - min(EXPIRY_NOTICE_SECONDS, left / 2)
            self._after("notice", max(0.0, notice), self._notify_expiry)
            self._after("expiry", left, lambda: self.close(TOKEN_EXPIRED))
        # A new caller may be allowed less than the one before.
        lost = [
            name
            for name in self._protocol.subscriptions
            if CHANNELS[name].permission not in caller.permissions
        ]
        if lost:
            self._unsubscribe(lost)
            self._send(type="unsubscribed", channels=lost)

    async def _subscribe(self, action: protocol.Subscribe) -> None:
        def acknowledge(channels: dict[str, Any]) -> None:
            self._protocol.subscriptions.update(action.channels)
            reply = protocol.acknowledged("subscribed", action.id, channels)
            self.writer.send(dumps(reply.message))

        try:
            await self._subscriber.subscribe(action, self._place.subject or "", acknowledge)
        finally:
            # Also of one before that is in force again.
            self._after("late", LATE_SECONDS, self._forget_snapshots)

    def _forget_snapshots(self) -> None:
        if self._subscriber.forget_snapshots(LATE_SECONDS):
            self._after("late", LATE_SECONDS, self._forget_snapshots)

    def _unsubscribe(self, channels: Sequence[str]) -> None:
        for name in channels:
            self._protocol.subscriptions.pop(name, None)
        self._subscriber.unsubscribe(channels)

    def _failed(self, action: protocol.Slow, code: str, reason: str) -> None:
        self._act(protocol.error(action.id, code, reason))

    # -- times ------------------------------------------------------------------------------------

    def _after(self, name: str, seconds: float, act: Callable[[], None]) -> None:
        self._cancel(name)
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, act)

    def _cancel(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()

    def _cancel_all(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _heartbeat(self) -> None:
        # By the wall clock: timers stand still while a machine sleeps, and know of no step.
        self.recheck()
        if self._closing is not None:
            return
        self._send(type="heartbeat", timestamp=now(), cursors=self._subscriber.cursors())
        self._after("heartbeat", self._config.ping_interval, self._heartbeat)

    def _notify_expiry(self) -> None:
        caller = self._protocol.caller
        if caller is not None and caller.expires_at is not None:
            left = (caller.expires_at - now()).total_seconds()
            self._send(type="token_expiring", expires_in=max(0, round(left)))

    # -- sending and closing ----------------------------------------------------------------------

    def _send(self, **content: Any) -> None:
        self.writer.send(dumps(content))

    def _overflowed(self) -> None:
        self.close(SLOW_CONSUMER)

    async def _close(self, close: Close) -> None:
        self._hub.silence(self)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(code=close.code, message=close.reason.encode())
                # aiohttp may return with the close frame still behind what a slow peer has to read.
                await self.writer.flushed(CLOSE_SECONDS)
        except TimeoutError:
            pass
        self.abort()
