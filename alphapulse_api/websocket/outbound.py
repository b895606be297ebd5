"""What waits for one socket, and how it leaves.

Frames that gather within a turn of the loop leave in one write, straight to the transport: 233,000
single writes a second against 1,500,000 frames joined by eight (docs/architecture.md). That is
safe beside aiohttp's own writer, which sends pings, pongs and close frames: both write whole
frames, each in one call, on one thread, so that frames never mix.

A client that reads more slowly than it is sent to is lagging: then conflated channels keep the
newest event of each key and tell how many were skipped, and the rest waits in order. What waits is
bounded in bytes; over that bound the connection is given up. Replays are not counted: their events
are shared with the log and handed over at the client's own pace.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Final

from alphapulse_api.events.base import Event, message

HIGH_WATER: Final = 65_536  # bytes in the transport's buffer from which a client is lagging
LOW_WATER: Final = 16_384  # and from which more is handed over
POLL_SECONDS: Final = 0.02  # how often a lagging client's buffer is looked at


def frame(text: bytes) -> bytes:
    """One complete, unmasked text frame of a server (RFC 6455, section 5.2)."""
    size = len(text)
    if size < 126:
        return b"\x81" + bytes((size,)) + text
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


class _Item:
    """Something that waits: a frame, or the newest event of a key."""

    __slots__ = ("counted", "event", "key", "skipped", "text")

    def __init__(
        self, text: bytes, *, counted: bool, key: Hashable = None, event: Event | None = None
    ) -> None:
        self.text = text
        self.counted = counted
        self.key = key
        self.event = event
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
        "_closed",
        "_gathered",
        "_gathered_bytes",
        "_lagging",
        "_limit",
        "_loop",
        "_overflowed",
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
        self._backlog: deque[_Item] = deque()
        self._slots: dict[Hashable, _Item] = {}
        self._waiting = 0
        self._lagging = False
        self._closed = False
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
            self._wait(_Item(text, counted=True))
        else:
            self._gather(frame(text))

    def send_event(self, event: Event, framed: bytes) -> None:
        """Send a live event; `framed` is its frame, shared by all sockets."""
        if not self._lagging:
            self._gather(framed)
            return
        conflate = event.channel.conflate
        if conflate is None:
            self._wait(_Item(event.text, counted=True))
            return
        key = (event.channel.name, conflate(event.data))
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = _Item(event.text, counted=True, key=key, event=event)
            self._wait(slot)
        else:
            slot.skipped += 1
            slot.event = event
            self._waiting += len(event.text) - len(slot.text)
            slot.text = event.text
            self._check()

    def replay(self, texts: Iterable[bytes]) -> None:
        """Send a stretch of the past at the client's own pace."""
        self._backlog.extend(_Item(text, counted=False) for text in texts)
        if self._backlog and not self._lagging:
            self._lagging = True
            self._hand_over()

    def close(self) -> None:
        """Forget what waits; nothing is sent any more."""
        self._flush()
        self._closed = True
        self._backlog.clear()
        self._slots.clear()
        self._waiting = 0
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
            self._timer = self._loop.call_later(POLL_SECONDS, self._polled)

    def _polled(self) -> None:
        self._timer = None
        self._hand_over()

    def _hand_over(self) -> None:
        """Give the transport what fits; the client is no longer lagging when all is given."""
        self._flush()
        while self._backlog and self._transport.get_write_buffer_size() <= LOW_WATER:
            if self._closed or self._transport.is_closing():
                return
            frames: list[bytes] = []
            size = 0
            while self._backlog and size < HIGH_WATER:
                item = self._backlog.popleft()
                frames.append(frame(self._text(item)))
                size += len(frames[-1])
            self._write(b"".join(frames), len(frames))
        if self._backlog or self._transport.get_write_buffer_size() > HIGH_WATER:
            self._poll()
        else:
            self._lagging = False

    def _text(self, item: _Item) -> bytes:
        if item.counted:
            self._waiting -= len(item.text)
        if item.event is None:
            return item.text
        del self._slots[item.key]
        if not item.skipped:
            return item.text
        event = item.event
        return message(event.channel, event.cursor, event.data, skipped=item.skipped)
