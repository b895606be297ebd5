"""What waits for a client that lags: in order, and only the newest of what is conflated.

Live frames count against the socket's bounds in bytes and in age. Frames of the past do not: their
bytes are shared by all who asked for them, and they leave at the client's own pace.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from typing import Final, NamedTuple

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.log.base import Event, message
from alphapulse_api.sockets.frames import CHUNK, frame

# Ages are told to within this: a mark for each frame would cost more than the frame.
MARK_SECONDS: Final = 1.0


class _Past(NamedTuple):
    """Joined frames of the past."""

    chunk: bytes


class _Newest(NamedTuple):
    """The newest event of a conflated key; `number` is its place in the order."""

    number: int
    event: Event
    skipped: int

    def framed(self) -> bytes:
        """The frame, saying how many older events of the key were skipped."""
        event = self.event
        if not self.skipped:
            return frame(event.text)
        body = dumps(event.data)
        return frame(message(event.channel, event.cursor, body, skipped=self.skipped))


class _Mark(NamedTuple):
    """All that is numbered up to here waited at this time already."""

    number: int
    time: float


class Backlog:
    """The frames that wait for one socket, oldest first.

    Attributes:
        size: bytes of live messages that wait.
        caught_up: set while nothing of the past waits.
    """

    __slots__ = ("_entries", "_marks", "_number", "_past", "_seal", "caught_up", "size")

    def __init__(self) -> None:
        # Keys are numbers, or of a conflated channel (seal, channel, key).
        self._entries: OrderedDict[Hashable, bytes | _Past | _Newest] = OrderedDict()
        self._number = 0
        self._seal = 0
        self._past = 0  # chunks of it that wait
        self._marks: deque[_Mark] = deque()
        self.size = 0
        self.caught_up = asyncio.Event()
        self.caught_up.set()

    def __len__(self) -> int:
        """How many messages and chunks of the past."""
        return len(self._entries)

    def add(self, framed: bytes) -> None:
        """Put live frames at the end."""
        self._number = number = self._number + 1
        self._entries[number] = framed
        self.size += len(framed)

    def add_newest(self, event: Event, key: Hashable) -> None:
        """Put the event at the end, in the place of an older one of its key.

        At the end, so that cursors only grow: whoever is cut off and resumes from the last of them
        has missed no key and sees no older value again.
        """
        whole_key = (self._seal, event.channel.name, key)
        older = self._entries.pop(whole_key, None)
        skipped = 0
        if isinstance(older, _Newest):
            skipped = older.skipped + 1
            self.size -= len(older.event.text)
        self._number += 1
        self._entries[whole_key] = _Newest(self._number, event, skipped)
        self.size += len(event.text)

    def add_past(self, chunks: Sequence[bytes]) -> None:
        """Put joined frames of the past at the end."""
        for chunk in chunks:
            self._number += 1
            self._entries[self._number] = _Past(chunk)
        self._past += len(chunks)
        self.caught_up.clear()

    def seal(self) -> None:
        """Put newer events behind what waits now, also where they would be conflated with it."""
        self._seal += 1

    def clear(self) -> None:
        """Forget all of it."""
        self._entries.clear()
        self._marks.clear()
        self.size = self._past = 0
        self.caught_up.set()

    def age(self, now: float) -> float:
        """Seconds that the oldest live message has waited, told to within `MARK_SECONDS`.

        To be asked again and again: it is then that marks are set. What waits behind the past has
        no age yet.
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

    def next_chunk(self) -> bytes:
        """Take frames off the front, joined, of about `CHUNK` bytes."""
        frames: list[bytes] = []
        size = 0
        while self._entries and size < CHUNK:
            _, entry = self._entries.popitem(last=False)
            if isinstance(entry, _Past):
                framed = entry.chunk
                self._past -= 1
                if not self._past:
                    self.caught_up.set()
            elif isinstance(entry, _Newest):
                framed = entry.framed()
                self.size -= len(entry.event.text)
            else:
                framed = entry
                self.size -= len(framed)
            frames.append(framed)
            size += len(framed)
        return b"".join(frames)
