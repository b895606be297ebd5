"""What waits for one socket, and how it leaves.

Frames that gather within a turn of the loop leave in one write: 70,000 single deliveries a second
against 600,000 joined by eight (docs/performance.md). It goes past aiohttp's writer, and, while the
transport holds nothing back, past the transport too: a tenth of a delivery is the transport's own
bookkeeping. That is safe beside aiohttp's writer, which sends pings, pongs and close frames: all
write whole frames, each in one call, on one thread, and what the transport holds goes first.

A client that reads more slowly than it is sent to is lagging: then conflated channels keep the
newest event of each key and tell how many were skipped, and the rest waits in order. What waits is
bounded in bytes; over the bound the client is given up, and may come back with `since`. Replays are
not counted: their bytes are shared, and handed over at the client's own pace.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Final

from alphapulse_api.events.base import Event, message
from alphapulse_api.websocket.frames import CHUNK, frame

HIGH_WATER: Final = 65_536  # bytes in the transport's buffer from which a client is lagging
LOW_WATER: Final = 16_384  # and from which more is handed over
# How soon a lagging client's buffer is looked at again: twice as long each time it took nothing.
FIRST_POLL_SECONDS: Final = 0.001
LAST_POLL_SECONDS: Final = 0.064


class _Item:
    """A message that waits and is counted; of a conflated key it is the newest event's."""

    __slots__ = ("event", "skipped", "text")

    def __init__(self, text: bytes, event: Event | None = None, skipped: int = 0) -> None:
        self.text = text
        self.event = event
        self.skipped = skipped

    def framed(self) -> bytes:
        """The frame, saying how many older events of the key were skipped."""
        if not self.skipped or self.event is None:
            return frame(self.text)
        event = self.event
        return frame(message(event.channel, event.cursor, event.data, skipped=self.skipped))


class Outbound:
    """The sending side of one socket.

    Args:
        transport: the socket's.
        limit: bytes that may wait.
        overflowed: called once, when too much waits.
    """

    __slots__ = (
        "_backlog",
        "_caught_up",
        "_closed",
        "_descriptor",
        "_gathered",
        "_gathered_bytes",
        "_lagging",
        "_limit",
        "_loop",
        "_number",
        "_overflowed",
        "_past",
        "_pause",
        "_seal",
        "_timer",
        "_transport",
        "_waiting",
    )

    def __init__(
        self, transport: asyncio.Transport, limit: int, overflowed: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._descriptor = _descriptor(transport)
        self._limit = limit
        self._overflowed = overflowed
        self._loop = asyncio.get_running_loop()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        # In the order of leaving. Bytes are joined frames of the past; keys are numbers, or of a
        # conflated channel (seal, channel, key).
        self._backlog: OrderedDict[Hashable, _Item | bytes] = OrderedDict()
        self._number = 0
        self._seal = 0
        self._waiting = 0
        self._past = 0  # chunks of the past that wait
        self._caught_up = asyncio.Event()
        self._caught_up.set()
        self._lagging = False
        self._closed = False
        self._pause = FIRST_POLL_SECONDS
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "lagging" if self._lagging else "open"
        return f"<Outbound {state} waiting={self.waiting}>"

    @property
    def waiting(self) -> int:
        """Bytes that wait here and in the transport's buffer, the past left out."""
        return self._waiting + self._gathered_bytes + self._transport.get_write_buffer_size()

    def send(self, text: bytes) -> None:
        """Send a message that must arrive, in its order."""
        if self._lagging:
            self._wait(self._next_number(), _Item(text))
        else:
            self._gather(frame(text))

    def send_events(self, events: Sequence[Event], framed: bytes) -> None:
        """Send live events; `framed` is their frames joined, shared by all sockets."""
        if self._lagging or self._closed:
            for event in events:
                self._wait_event(event)
            return
        if self._gathered:
            self._gather(framed)
        else:
            self._write(framed)

    def gather_event(self, event: Event, framed: bytes) -> None:
        """Send a live event, in one write with whatever else comes in this turn."""
        if self._lagging or self._closed:
            self._wait_event(event)
        else:
            self._gather(framed)

    def replay(self, chunks: Sequence[bytes]) -> None:
        """Send joined frames of the past at the client's own pace."""
        if self._closed or not chunks:
            return
        for chunk in chunks:
            self._backlog[self._next_number()] = chunk
        self._past += len(chunks)
        self._caught_up.clear()
        if not self._lagging:
            self._lag()
            self._hand_over()

    async def caught_up(self) -> None:
        """Wait until nothing of the past waits any more, or the socket is closed."""
        await self._caught_up.wait()

    async def flushed(self, seconds: float) -> None:
        """Wait until the transport has sent all it was given, or so many seconds."""
        for _ in range(round(seconds / LAST_POLL_SECONDS)):
            if not self._transport.get_write_buffer_size():
                return
            await asyncio.sleep(LAST_POLL_SECONDS)

    def seal(self) -> None:
        """Put newer events behind what waits now, also where they would be conflated with it."""
        self._seal += 1

    def close(self) -> None:
        """Forget what waits; nothing is sent any more."""
        self._flush()
        self._closed = True
        self._backlog.clear()
        self._waiting = 0
        self._caught_up.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- a client that reads ----------------------------------------------------------------------

    def _gather(self, framed: bytes) -> None:
        if self._closed:
            return
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(framed)
        self._gathered_bytes += len(framed)
        if self._gathered_bytes > HIGH_WATER:
            self._flush()

    def _flush(self) -> None:
        if not self._gathered:
            return
        data = b"".join(self._gathered)
        self._gathered.clear()
        self._gathered_bytes = 0
        if not self._closed:
            self._write(data)

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport.is_closing():
            return
        if self._descriptor is not None and not transport.get_write_buffer_size():
            try:
                sent = os.write(self._descriptor, data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # the peer is gone, as the transport's reader will find, too
            if sent == len(data):
                return
            data = data[sent:]
        transport.write(data)
        if transport.get_write_buffer_size() > HIGH_WATER:
            self._lag()

    # -- a client that lags -----------------------------------------------------------------------

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _wait_event(self, event: Event) -> None:
        conflate = event.channel.conflate
        if conflate is None:
            self._wait(self._next_number(), _Item(event.text))
            return
        key = (self._seal, event.channel.name, conflate(event.data))
        older = self._backlog.pop(key, None)
        # The newest goes to the end: cursors only grow, so that whoever is cut off and resumes
        # from the last of them has missed no key and sees no older value again.
        skipped = 0
        if isinstance(older, _Item):
            skipped = older.skipped + 1
            self._waiting -= len(older.text)
        self._wait(key, _Item(event.text, event, skipped))

    def _wait(self, key: Hashable, item: _Item) -> None:
        if self._closed:
            return
        self._backlog[key] = item
        self._waiting += len(item.text)
        self._check()

    def _check(self) -> None:
        if self.waiting > self._limit and not self._closed:
            self.close()
            self._overflowed()

    def _lag(self) -> None:
        if not self._lagging:
            self._lagging = True
            self._pause = FIRST_POLL_SECONDS
        self._poll()

    def _poll(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = self._loop.call_later(self._pause, self._polled)
            self._pause = min(2 * self._pause, LAST_POLL_SECONDS)

    def _polled(self) -> None:
        self._timer = None
        self._hand_over()

    def _hand_over(self) -> None:
        """Give the transport what fits; the client is no longer lagging when all is given."""
        self._flush()
        transport = self._transport
        while (
            self._backlog
            and not transport.is_closing()
            and transport.get_write_buffer_size() <= LOW_WATER
        ):
            self._pause = FIRST_POLL_SECONDS
            transport.write(self._next_chunk())
        if transport.is_closing():
            self.close()
        elif self._backlog or transport.get_write_buffer_size() > HIGH_WATER:
            self._poll()
        else:
            self._lagging = False

    def _next_chunk(self) -> bytes:
        frames: list[bytes] = []
        size = 0
        while self._backlog and size < CHUNK:
            _, item = self._backlog.popitem(last=False)
            if isinstance(item, bytes):
                self._past -= 1
                if not self._past:
                    self._caught_up.set()
                frames.append(item)
            else:
                self._waiting -= len(item.text)
                frames.append(item.framed())
            size += len(frames[-1])
        return b"".join(frames)


def _descriptor(transport: asyncio.Transport) -> int | None:
    """The socket to write to directly; None where bytes must pass the transport, as TLS does."""
    plain = transport.get_extra_info("sslcontext") is None
    sock = transport.get_extra_info("socket")
    return sock.fileno() if os.name == "posix" and plain and sock is not None else None
