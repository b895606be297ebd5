"""Events as they happen, whatever happens to the connection they come by.

A task of its own reads the socket, and what it has read waits in a bounded queue. While the queue
is full the task reads no further, so that the server conflates metrics and portfolio, or closes the
connection as too slow, which is resumed by cursor. Pings that wait unread are made up for: the task
sends unsolicited pongs (RFC 6455 section 5.5.3) and renews the token in time.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

import aiohttp
import orjson

from alphapulse_api.client.backoff import Backoff
from alphapulse_api.client.conversation import (
    AUTH,
    Conversation,
    CredentialsError,
    Entry,
    Event,
    PassingError,
    StreamGap,
)
from alphapulse_api.client.credentials import Credentials, Secret
from alphapulse_api.client.errors import ApiError, StreamError, Unreachable
from alphapulse_api.client.http import FAULTS, refusal
from alphapulse_api.domain import integers

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 10.0  # from the first packet to the server's welcome
# After so many ping intervals without a frame a ping asks whether anybody is there, and after so
# many the connection is given up. The server sends a heartbeat and a ping each interval.
ASK_INTERVALS: Final = 1.5
LOST_INTERVALS: Final = 2.5
# So many pongs an interval while the consumer is busy: the server waits half an interval for one.
PONGS: Final = 4

# Close reasons that no other connection would mend.
FATAL: Final = frozenset({"revoked", "text_only", "too_big"})
REFUSED: Final = frozenset({"auth_failed", "token_expired"})
RESUME_AT_ONCE: Final = "slow_consumer"


class _Lost(Exception):
    """The connection is over; the text says how.

    Args:
        reason: for the log.
        wait: seconds before the next; None: as the backoff says.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class EventStream:
    """An async iterator of `Event` and, where events may be missing, `StreamGap`.

    Each event is handed over once, in its channel's order, over as many connections as it takes;
    only of metrics and portfolio, a slow reader gets the newest values instead of all. Waiting for
    the next may be cancelled, and nothing is lost by it.

    `async with client.stream(…) as stream` returns once the subscription stands, and ends it where
    the block ends. Without it, the first iteration begins and `aclose`, or the client's end, ends.

    Raises, as iteration comes to it:
        StreamError: if channels or filters are refused, or the credentials end for good.
        ApiError: if the login or the connection is refused.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[aiohttp.ClientWebSocketResponse]],
        credentials: Credentials,
        conversation: Conversation,
        backoff: Backoff,
        sleep: Callable[[float], Awaitable[None]],
        buffer: int,
        closed: Callable[[EventStream], None],
    ) -> None:
        self._connect = connect
        self._credentials = credentials
        self._conversation = conversation
        self._backoff = backoff
        self._sleep = sleep
        self._closed = closed
        self._entries: asyncio.Queue[Entry | None] = asyncio.Queue(buffer)  # None: the end
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._failure: Exception | None = None
        self._standing = asyncio.Event()
        self._ping_interval = 0.0
        self._secret: Secret | None = None
        self._renew_at = math.inf
        self._renewable_at = math.inf  # when the credentials have a newer secret than was shown
        self._refusals = 0
        self._cursors: dict[str, str] = {}
        self.connections = 0

    def __repr__(self) -> str:
        return f"<EventStream {self._conversation!r} connections={self.connections}>"

    @property
    def cursors(self) -> Mapping[str, str]:
        """By channel, where the events handed over have come to: `since` for another stream."""
        return dict(self._cursors)

    async def __aenter__(self) -> EventStream:
        self._start()
        standing = asyncio.create_task(self._standing.wait())
        try:
            if self._task is not None:
                await asyncio.wait((self._task, standing), return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await self.aclose()
            raise
        finally:
            standing.cancel()
        if self._failure is not None:
            raise self._failure
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event | StreamGap:
        self._start()
        while (entry := await self._entries.get()) is not None:
            self._cursors.update(entry.cursors)
            if entry.item is not None:
                return entry.item
        self._entries.put_nowait(None)  # there is room: we have just taken it out
        raise self._failure or StopAsyncIteration

    async def aclose(self) -> None:
        """Close the connection; iteration ends, what still waited is dropped."""
        self._ended = True
        self._closed(self)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        while not self._entries.empty():
            self._entries.get_nowait()
        self._entries.put_nowait(None)

    def _start(self) -> None:
        if self._task is None and not self._ended:
            self._task = asyncio.create_task(self._run(), name=repr(self))

    # -- connections ------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while True:
                await self._sleep(await self._connection())
        except Exception as failure:
            self._failure = failure
        finally:
            self._closed(self)
        await self._entries.put(None)

    async def _connection(self) -> float:
        """One connection from its beginning to its end; returns seconds to wait before the next."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                socket = await self._connect()
            self.connections += 1
            try:
                await self._converse(socket)
            except CredentialsError as refused:
                raise self._refused(str(refused)) from None
            finally:
                await socket.close()
        except aiohttp.WSServerHandshakeError as error:
            return self._told(refusal(error.status, error.message, error.headers))
        except ApiError as error:
            return self._told(error)
        except _Lost as lost:
            return self._after(lost, lost.wait)
        except (*FAULTS, Unreachable, PassingError) as fault:
            return self._after(fault)

    def _told(self, error: ApiError) -> float:
        """The login or the connection was refused: for now, or for good."""
        passing = error.status >= 500 or error.status == 429
        # A proxy answers for a server that restarts. Before the first connection it may as well be
        # the wrong address, which waiting does not mend.
        if not passing and (error.from_dashboard or not self._standing.is_set()):
            raise error
        # With the jitter on top: not everybody who was sent away comes back at the same instant.
        return self._after(error, (error.retry_after or 0.0) + self._backoff.next())

    def _after(self, fault: Exception, wait: float | None = None) -> float:
        wait = self._backoff.next() if wait is None else wait
        logger.warning("the stream was cut (%s); again in %.1f s", str(fault) or repr(fault), wait)
        return wait

    async def _converse(self, socket: aiohttp.ClientWebSocketResponse) -> NoReturn:
        """Speak until the connection ends, which it does with an exception."""
        self._ping_interval = CONNECT_SECONDS / LOST_INTERVALS  # until the welcome says it
        self._renew_at = math.inf
        subscribed = False
        while True:
            message = await self._receive(socket)
            match message["type"]:
                case "welcome":
                    self._ping_interval = message["ping_interval"]
                    await self._authenticate(socket)
                case "authenticated":
                    self._refusals = 0
                    if not subscribed:  # else it answers a renewal
                        subscribed = True
                        for request in self._conversation.begin():
                            await _send(socket, request)
                case "token_expiring":
                    self._plan_renewal()
                case kind:
                    await self._hand_over(socket, self._conversation.receive(message))
                    if kind == "subscribed":
                        self._standing.set()
                    elif kind == "pong":
                        self._backoff.reset()

    async def _hand_over(
        self, socket: aiohttp.ClientWebSocketResponse, entries: Sequence[Entry]
    ) -> None:
        """Queue them all, however long that takes, and then raise what went wrong meanwhile.

        The conversation counts them as handed over: a connection that ends now must not lose them.
        """
        failure: Exception | None = None
        for entry in entries:
            while not await self._queued(entry, math.inf if failure else self._pong_seconds):
                try:
                    await self._keep_alive(socket)
                except Exception as error:
                    failure = error
        if failure is not None:
            raise failure

    @property
    def _pong_seconds(self) -> float:
        return self._ping_interval / PONGS

    async def _queued(self, entry: Entry, patience: float) -> bool:
        """Whether the queue had room for it within so many seconds."""
        if not self._entries.full():
            self._entries.put_nowait(entry)
            return True
        try:
            async with asyncio.timeout(None if math.isinf(patience) else patience):
                await self._entries.put(entry)
        except TimeoutError:
            return False
        return True

    async def _keep_alive(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """What the server must hear from one who does not read."""
        await socket.pong()
        if asyncio.get_running_loop().time() >= self._renewable_at:
            await self._authenticate(socket)

    # -- credentials ------------------------------------------------------------------------------

    async def _authenticate(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._renew_at = math.inf
        self._secret = secret = await self._credentials.current()
        wait = self._credentials.renews_in()
        clock = asyncio.get_running_loop().time
        self._renewable_at = math.inf if wait is None else clock() + wait
        await _send(socket, {"type": "auth", "id": AUTH, secret.kind: secret.value})

    def _refused(self, code: str) -> Exception:
        """The credentials are: another login may do, once, and again only after one that was."""
        assert self._secret is not None
        if not self._credentials.reject(self._secret) or self._refusals:
            return StreamError(code, "the server refuses the credentials")
        self._refusals += 1
        return _Lost(code, 0.0)

    def _plan_renewal(self) -> None:
        """Show a new token once there is one; the same again would only be announced again."""
        wait = self._credentials.renews_in()
        if wait is not None:
            self._renew_at = asyncio.get_running_loop().time() + wait

    # -- frames -----------------------------------------------------------------------------------

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
        """The next message; while it is awaited, tokens are renewed and silence is watched."""
        clock = asyncio.get_running_loop().time
        heard = clock()
        asked = False
        while True:
            if clock() >= self._renew_at:
                await self._authenticate(socket)
            intervals = LOST_INTERVALS if asked else ASK_INTERVALS
            silent_at = heard + intervals * self._ping_interval
            wait = min(silent_at, self._renew_at) - clock()
            try:
                frame = await socket.receive(max(wait, 0.001))
            except TimeoutError:
                if clock() < silent_at:
                    continue
                if asked:
                    raise _Lost("nothing was heard") from None
                asked = True
                await _send(socket, {"type": "ping"})
                continue
            if frame.type is aiohttp.WSMsgType.TEXT:
                message: dict[str, Any] = integers.loads(frame.data)
                return message
            raise self._over(frame)

    def _over(self, frame: aiohttp.WSMessage) -> Exception:
        if frame.type is not aiohttp.WSMsgType.CLOSE:
            return _Lost("without a close")
        code, reason = frame.data, frame.extra or ""
        if reason in REFUSED:
            return CredentialsError(reason)
        if reason in FATAL:
            return StreamError(reason, f"the server closed the connection with {code}")
        at_once = reason == RESUME_AT_ONCE and self._conversation.settled
        return _Lost(f"{code} {reason}", 0.0 if at_once else None)


async def _send(socket: aiohttp.ClientWebSocketResponse, message: Mapping[str, Any]) -> None:
    await socket.send_str(orjson.dumps(message).decode())
