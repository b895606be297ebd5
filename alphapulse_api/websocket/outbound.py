"""What waits for one socket, and how it leaves.

Frames that gather within a turn of the loop leave in one write, straight to the transport: 233,000
single writes a second against 1,500,000 frames joined by eight (docs/architecture.md). That is
safe beside aiohttp's own writer, which sends pings, pongs and close frames: both write whole
frames, each in one call, on one thread, so that frames never mix.

A client that reads more slowly than it is sent to is lagging: then conflated channels keep the
newest event of each key and tell how many were skipped, and the rest waits in order. What waits is
bounded in bytes; over that bound the connection is given up. Replays are not counted: their events
are shared with the log and handed over at the client's own pace; a client gets one at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Final

from alphapulse_api.events.base import Event, message

HIGH_WATER: Final = 65_536  # bytes in the transport's buffer from which a client is lagging
LOW_WATER: Final = 16_384  # and from which more is handed over
# How soon a lagging client's buffer is looked at again: twice as long each time it took nothing.
FIRST_POLL_SECONDS: Final = 0.001
LAST_POLL_SECONDS: Final = 0.064


def frame(text: bytes) -> bytes:
    """One complete, unmasked text frame of a server (RFC 6455, section 5.2)."""
    size = len(text)
    if size < 126:
        return b"\x81" + bytes((size,)) + text
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


class _Item:
    """Something that waits and is counted: a message, or the newest event of a key."""

    __slots__ = ("cursor", "event", "key", "skipped", "text")

    def __init__(self, text: bytes, key: Hashable = None, event: Event | None = None) -> None:
        self.text = text
        self.key = key
        self.event = event
        # Of the first event, not of the newest: whoever resumes from it misses nothing of the keys
        # that wait further back, and cursors only grow.
        self.cursor = event.cursor if event is not None else ""
        self.skipped = 0


class Outbound:
    """The sending side of one socket.

    Args:
        transport: the socket's.
        limit: bytes that may wait.
        overflowed: called once when they are more.
    """

    __slots__ = (
        "_backlog",
        "_caught_up",
        "_closed",
        "_gathered",
        "_gathered_bytes",
        "_lagging",
        "_limit",
        "_loop",
        "_overflowed",
        "_past",
        "_pause",
        "_slots",
        "_timer",
        "_transport",
        "_waiting",
        "sent",
    )

    def __init__(
        self, transport: asyncio.Transport, limit: int, overflowed: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._limit = limit
        self._overflowed = overflowed
        self._loop = asyncio.get_running_loop()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._backlog: deque[_Item | bytes] = deque()  # bytes: a message of a replay
        self._slots: dict[Hashable, _Item] = {}
        self._waiting = 0
        self._past = 0  # messages of a replay that wait
        self._caught_up = asyncio.Event()
        self._caught_up.set()
        self._lagging = False
        self._closed = False
        self._pause = FIRST_POLL_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self.sent = 0

    def __repr__(self) -> str:
        state = "closed" if self._closed else "lagging" if self._lagging else "open"
        return f"<Outbound {state} waiting={self.waiting}>"

    @property
    def waiting(self) -> int:
        """Bytes that wait here and in the transport's buffer, replays left out."""
        return self._waiting + self._gathered_bytes + self._transport.get_write_buffer_size()

    def send(self, text: bytes) -> None:
        """Send a message that must arrive, in its order."""
        if self._lagging:
            self._wait(_Item(text))
        else:
            self._gather(frame(text))

    def send_event(self, event: Event, framed: bytes) -> None:
        """Send a live event; `framed` is its frame, shared by all sockets."""
        if not self._lagging or self._closed:
            self._gather(framed)
            return
        conflate = event.channel.conflate
        if conflate is None:
            self._wait(_Item(event.text))
            return
        key = (event.channel.name, conflate(event.data))
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = _Item(event.text, key, event)
            self._wait(slot)
        else:
            slot.skipped += 1
            slot.event = event
            self._waiting += len(event.text) - len(slot.text)
            slot.text = event.text
            self._check()

    def replay(self, texts: Iterable[bytes]) -> None:
        """Send a stretch of the past at the client's own pace."""
        if self._closed:
            return
        before = len(self._backlog)
        self._backlog.extend(texts)
        if len(self._backlog) == before:
            return
        self._past += len(self._backlog) - before
        self._caught_up.clear()
        if not self._lagging:
            self._lagging = True
            self._hand_over()

    async def caught_up(self) -> None:
        """Wait until no replay waits any more, or the socket is closed."""
        await self._caught_up.wait()

    async def flushed(self, seconds: float) -> None:
        """Wait until the transport has sent all it was given, or so many seconds."""
        for _ in range(round(seconds / LAST_POLL_SECONDS)):
            if not self._transport.get_write_buffer_size():
                return
            await asyncio.sleep(LAST_POLL_SECONDS)

    def seal(self) -> None:
        """Put newer events behind what waits now, also where they would be conflated with it."""
        self._slots.clear()

    def close(self) -> None:
        """Forget what waits; nothing is sent any more."""
        self._flush()
        self._closed = True
        self._backlog.clear()
        self._slots.clear()
        self._waiting = 0
        self._caught_up.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

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
        if not self._closed and not self._transport.is_closing():
            self._write(b"".join(self._gathered), len(self._gathered))
        self._gathered.clear()
        self._gathered_bytes = 0

    def _write(self, data: bytes, frames: int) -> None:
        self.sent += frames
        self._pause = FIRST_POLL_SECONDS
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > HIGH_WATER:
            self._lagging = True
            self._poll()

    def _wait(self, item: _Item) -> None:
        if self._closed:
            return
        self._backlog.append(item)
        self._waiting += len(item.text)
        self._check()

    def _check(self) -> None:
        if self.waiting > self._limit and not self._closed:
            self.close()
            self._overflowed()

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
        gone = self._transport.is_closing()
        while self._backlog and not gone and self._transport.get_write_buffer_size() <= LOW_WATER:
            frames: list[bytes] = []
            size = 0
            while self._backlog and size < HIGH_WATER:
                item = self._backlog.popleft()
                frames.append(frame(self._text(item)))
                size += len(frames[-1])
            self._write(b"".join(frames), len(frames))
            gone = self._transport.is_closing()
        if gone:
            self.close()
        elif self._backlog or self._transport.get_write_buffer_size() > HIGH_WATER:
            self._poll()
        else:
            self._lagging = False

    def _text(self, item: _Item | bytes) -> bytes:
        if isinstance(item, bytes):
            self._past -= 1
            if not self._past:
                self._caught_up.set()
            return item
        self._waiting -= len(item.text)
        if item.event is None:
            return item.text
        if self._slots.get(item.key) is item:
            del self._slots[item.key]
        if not item.skipped:
            return item.text
        event = item.event
        return message(event.channel, item.cursor, event.data, skipped=item.skipped)
