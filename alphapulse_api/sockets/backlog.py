"""The frames that wait for a lagging client, in order, with only the newest of conflated events.

Live frames count against the socket's bounds in bytes and in age. Frames of the past do not: they
leave at the client's own pace, and their bytes are shared by all sockets that asked for them and
bounded per caller (readings.py).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Final, NamedTuple

from alphapulse_api.log.base import Event, skipping
from alphapulse_api.sockets.change import Change
from alphapulse_api.sockets.frames import CHUNK, frame

# The precision of ages. A mark for every frame would cost more than the frame.
MARK_SECONDS: Final = 1.0


class _Past(NamedTuple):
    """Joined frames of the past."""

    chunk: bytes


class _Newest(NamedTuple):
    """The newest event of a conflated key.

    Attributes:
        number: its position in the order.
        events: the event, after the changes that it is built on, if there are any.
        skipped: how many older events of the key are left out.
        size: in bytes.
    """

    number: int
    events: list[Event]
    skipped: int
    size: int

    def framed(self) -> bytes:
        """Return the frames."""
        return b"".join(frame(skipping(event, self.skipped)) for event in self.events)

    def followed_by(self, number: int, event: Event) -> _Newest:
        """Return what waits once a newer event is added: it replaces the older ones.

        Changes are kept as long as they are smaller together than a key frame.
        """
        if isinstance(event, Change) and event.base is not None and not self.skipped:
            size = self.size + len(event.text)
            if size < len(event.whole.text):
                self.events.append(event)
                return _Newest(number, self.events, 0, size)
        skipped = self.skipped + len(self.events)
        return _Newest(number, [event.whole], skipped, len(event.whole.text))


class _Mark(NamedTuple):
    """Everything numbered up to here was already waiting at this time."""

    number: int
    time: float


def ignore() -> None:
    """Do nothing; stands for a missing callback, or one that would keep a reference cycle alive."""


class Backlog:
    """The frames that wait for one socket, oldest first.

    Attributes:
        size: bytes of live messages that wait.
        caught_up: set while nothing of the past waits.
    """

    __slots__ = (
        "_entries",
        "_marks",
        "_number",
        "_on_caught_up",
        "_past",
        "_seal",
        "caught_up",
        "size",
    )

    def __init__(self) -> None:
        # Keys are numbers or, for a conflated channel, (seal, channel, key).
        self._entries: OrderedDict[Hashable, bytes | _Past | _Newest] = OrderedDict()
        self._number = 0
        self._seal = 0
        self._past = 0  # chunks of the past that wait
        self._marks: deque[_Mark] = deque()
        self.size = 0
        self._on_caught_up: list[Callable[[], None]] = []
        self.caught_up = asyncio.Event()
        self.caught_up.set()

    def __len__(self) -> int:
        """Return the number of messages and of chunks of the past."""
        return len(self._entries)

    def add(self, framed: bytes) -> None:
        """Put live frames at the end."""
        self._number = number = self._number + 1
        self._entries[number] = framed
        self.size += len(framed)

    def add_newest(self, event: Event, key: Hashable) -> None:
        """Put the event at the end, and drop an older one of its key.

        It goes to the end so that cursors only grow. A client that is cut off and resumes from its
        last cursor then misses no key and gets no older value again.
        """
        whole_key = (self._seal, event.channel.name, key)
        older = self._entries.pop(whole_key, None)
        self._number += 1
        if isinstance(older, _Newest):
            self.size -= older.size
            newest = older.followed_by(self._number, event)
        else:
            newest = _Newest(self._number, [event], 0, len(event.text))
        self._entries[whole_key] = newest
        self.size += newest.size

    def add_past(self, chunks: Sequence[bytes], released: Callable[[], None] = ignore) -> None:
        """Put joined frames of the past at the end.

        Args:
            chunks: at least one.
            released: called once, when no chunk of the past waits any more.
        """
        self._on_caught_up.append(released)
        for chunk in chunks:
            self._number += 1
            self._entries[self._number] = _Past(chunk)
        self._past += len(chunks)
        self.caught_up.clear()

    def seal(self) -> None:
        """Never conflate newer events with those that wait now."""
        self._seal += 1

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self._marks.clear()
        self.size = self._past = 0
        self._catch_up()

    def age(self, now: float) -> float:
        """Return the seconds that the oldest live message has waited, within `MARK_SECONDS`.

        It must be called repeatedly, since it sets the marks. Messages that wait behind the past
        have no age yet.
        """
        marks = self._marks
        if self._past or not self._entries:
            marks.clear()
            return 0.0
        key, oldest = next(iter(self._entries.items()))
        number = oldest.number if isinstance(oldest, _Newest) else key
        assert isinstance(number, int)
        while marks and marks[0].number < number:
            marks.popleft()
        if not marks or now - marks[-1].time >= MARK_SECONDS:
            marks.append(_Mark(self._number, now))
        return now - marks[0].time

    def _catch_up(self) -> None:
        self.caught_up.set()
        callbacks, self._on_caught_up = self._on_caught_up, []
        for released in callbacks:
            released()

    def next_chunk(self) -> bytes:
        """Take about `CHUNK` bytes of frames off the front, joined."""
        frames: list[bytes] = []
        size = 0
        while self._entries and size < CHUNK:
            _, entry = self._entries.popitem(last=False)
            if isinstance(entry, _Past):
                framed = entry.chunk
                self._past -= 1
                if not self._past:
                    self._catch_up()
            elif isinstance(entry, _Newest):
                framed = entry.framed()
                self.size -= entry.size
            else:
                framed = entry
                self.size -= len(framed)
            frames.append(framed)
            size += len(framed)
        return b"".join(frames)
