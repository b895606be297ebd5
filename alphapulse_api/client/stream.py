"""A stream of events that outlives the connections it arrives on.

A task reads the socket into a bounded queue. While the queue is full the task stops reading. The
server then conflates metrics and portfolio, or closes the connection as a slow consumer, and the
stream resumes by cursor. Meanwhile the task keeps the connection alive and its token valid
(connection.py).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NoReturn

import aiohttp

from alphapulse_api.client.backoff import Backoff
from alphapulse_api.client.connection import (
    CONNECT_SECONDS,
    Connection,
    ConnectionLost,
    handshake_failure,
)
from alphapulse_api.client.conversation import (
    Conversation,
    CredentialsError,
    Entry,
    Event,
    PassingError,
    StreamGap,
)
from alphapulse_api.client.credentials import Credentials, Secret
from alphapulse_api.client.errors import ApiError, StreamError, Unreachable
from alphapulse_api.client.http import FAULTS

logger = logging.getLogger(__name__)

# Pongs per ping interval while the consumer is busy. The server waits half an interval for one.
PONGS: Final = 4
RESUME_AT_ONCE: Final = "slow_consumer"


class EventStream:
    """An async iterator of `Event` and, where events may be missing, `StreamGap`.

    Each event is handed over once and in the order of its channel, across reconnects. A slow reader
    gets only the newest values of metrics and portfolio, and every trade and alert. Cancelling a
    wait for the next event loses nothing.

    `async with client.stream(...) as stream` returns once the server has confirmed the subscription
    and closes the stream at the end of the block. Without it, the first iteration opens the stream,
    and `aclose` or the end of the client closes it.

    Raises, while it is iterated:
        StreamError: if channels or filters are refused, or the credentials are no longer valid.
        ApiError: if the login or the connection is refused.

    Example:
        async with client.stream("trades", "alerts", snapshot=True) as stream:
            async for item in stream:
                if isinstance(item, StreamGap):
                    ...  # read item.channel by REST
                else:
                    print(item.channel, item.data["id"])
    """

    def __init__(
        self,
        connect: Callable[[Secret], Awaitable[aiohttp.ClientWebSocketResponse]],
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
        self._subscribed = asyncio.Event()
        self._refusals = 0
        self._cursors: dict[str, str] = {}
        self.connections = 0

    def __repr__(self) -> str:
        return f"<EventStream {self._conversation!r} connections={self.connections}>"

    @property
    def cursors(self) -> Mapping[str, str]:
        """By channel, the cursor of the newest event handed over: `since` for another stream."""
        return dict(self._cursors)

    async def __aenter__(self) -> EventStream:
        self._start()
        subscribed = asyncio.create_task(self._subscribed.wait())
        try:
            if self._task is not None:
                await asyncio.wait((self._task, subscribed), return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await self.aclose()
            raise
        finally:
            subscribed.cancel()
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
        self._entries.put_nowait(None)  # for the next caller; there is room for it
        raise self._failure or StopAsyncIteration

    async def aclose(self) -> None:
        """Close the connection and drop what is queued; iteration ends."""
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
                await self._sleep(await self._hold_connection())
        except Exception as failure:
            self._failure = failure
        finally:
            self._closed(self)
        await self._entries.put(None)

    async def _hold_connection(self) -> float:
        """Hold one connection from handshake to end; return the seconds to wait before the next."""
        try:
            secret = await self._credentials.current()
            try:
                socket = await self._open(secret)
                connection = Connection(socket, self._credentials, secret)
                try:
                    await self._converse(connection)
                finally:
                    secret = connection.secret
                    await socket.close()
            except CredentialsError as refused:
                return self._credentials_refused(str(refused), secret)
        except ApiError as error:
            return self._refused(error)
        except ConnectionLost as lost:
            at_once = lost.reason == RESUME_AT_ONCE and self._conversation.settled
            return self._lost(lost, 0.0 if at_once else None)
        except (*FAULTS, Unreachable, PassingError) as fault:
            return self._lost(fault)

    async def _open(self, secret: Secret) -> aiohttp.ClientWebSocketResponse:
        """Connect with the secret in the handshake.

        A socket that authenticates later counts against the server's small bound for
        unauthenticated sockets, which many streams of one client would exceed.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                socket = await self._connect(secret)
        except aiohttp.WSServerHandshakeError as error:
            raise handshake_failure(error) from None
        self.connections += 1
        return socket

    def _credentials_refused(self, code: str, secret: Secret) -> float:
        """Try once more with a new secret, if there is one; the next refusal is final."""
        if not self._credentials.reject(secret) or self._refusals:
            raise StreamError(code, "the server refuses the credentials")
        self._refusals += 1
        return self._lost(ConnectionLost(code), 0.0)

    def _refused(self, error: ApiError) -> float:
        """Wait after a refused login or connection if the refusal is temporary, else raise it."""
        temporary = error.status >= 500 or error.status == 429
        # A proxy answers in place of a server that restarts. Before the first subscription the
        # address is more likely wrong, and waiting would not help.
        if not temporary and (error.from_dashboard or not self._subscribed.is_set()):
            raise error
        # The jitter spreads clients that were all given the same Retry-After.
        return self._lost(error, (error.retry_after or 0.0) + self._backoff.next())

    def _lost(self, fault: Exception, wait: float | None = None) -> float:
        wait = self._backoff.next() if wait is None else wait
        logger.warning(
            "lost the stream's connection (%s); reconnecting in %.1f s",
            str(fault) or repr(fault),
            wait,
        )
        return wait

    async def _converse(self, connection: Connection) -> NoReturn:
        """Subscribe and queue what arrives until the connection ends with an exception."""
        subscribing = False
        while True:
            message = await connection.receive()
            match message["type"]:
                case "welcome":
                    connection.ping_interval = message["ping_interval"]
                case "authenticated":
                    self._refusals = 0
                    if not subscribing:  # otherwise it answers a renewal
                        subscribing = True
                        for request in self._conversation.begin():
                            await connection.send(request)
                case "token_expiring":
                    connection.plan_renewal()
                case kind:
                    await self._hand_over(connection, self._conversation.receive(message))
                    if kind == "subscribed":
                        self._subscribed.set()
                    elif kind == "pong":
                        self._backoff.reset()

    async def _hand_over(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Queue all entries, however long that takes, then raise any failure that occurred.

        The conversation has counted them as handed over, so a connection that ends in the meantime
        must not lose them.
        """
        failure: Exception | None = None
        for entry in entries:
            patience = math.inf if failure else connection.ping_interval / PONGS
            while not await self._queued(entry, patience):
                try:
                    await connection.keep_alive()
                except Exception as error:
                    failure = error
                    patience = math.inf
        if failure is not None:
            raise failure

    async def _queued(self, entry: Entry, patience: float) -> bool:
        """Queue the entry; return whether there was room within `patience` seconds."""
        if not self._entries.full():
            self._entries.put_nowait(entry)
            return True
        try:
            async with asyncio.timeout(None if math.isinf(patience) else patience):
                await self._entries.put(entry)
        except TimeoutError:
            return False
        return True
