"""A stream of events that outlives the connections it arrives on.

A task reads the socket into a bounded queue. While the queue is full the task stops reading. The
server then conflates metrics and portfolio, or closes the connection as a slow consumer, and the
stream resumes by cursor. Meanwhile the task keeps the connection alive and its token valid
(connection.py).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NoReturn

from alphapulse_api.client.backoff import Backoff
from alphapulse_api.client.connection import Connection
from alphapulse_api.client.conversation import Conversation, Entry, Event, StreamGap
from alphapulse_api.client.credentials import Credentials
from alphapulse_api.client.reconnecting import Connect, Reconnecting

# Pongs per ping interval while the consumer is busy. The server waits half an interval for one.
PONGS: Final = 4


class EventStream(Reconnecting):
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
        connect: Connect,
        credentials: Credentials,
        conversation: Conversation,
        backoff: Backoff,
        sleep: Callable[[float], Awaitable[None]],
        buffer: int,
        closed: Callable[[EventStream], None],
    ) -> None:
        super().__init__(connect, credentials, backoff, sleep)
        self._conversation = conversation
        self._closed = closed
        self._entries: asyncio.Queue[Entry | None] = asyncio.Queue(buffer)  # None: the end
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._failure: Exception | None = None
        self._cursors: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<EventStream {self._conversation!r} connections={self.connections}>"

    @property
    def cursors(self) -> Mapping[str, str]:
        """By channel, the cursor of the newest event handed over: `since` for another stream."""
        return dict(self._cursors)

    async def __aenter__(self) -> EventStream:
        self._start()
        subscribed = asyncio.create_task(self._established.wait())
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
            await self._hold_connections()
        except Exception as failure:
            self._failure = failure
        finally:
            self._closed(self)
        await self._entries.put(None)

    @property
    def _settled(self) -> bool:
        return self._conversation.settled

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
                        self._established.set()
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
