"""The queue of events on their way to a shared log, without I/O.

While the log cannot be reached, events wait here up to a bound. Beyond it, the events of a whole
channel are dropped and replaced by a gap: a client that gets a gap reads everything again, so a
part of the events would not help it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from alphapulse_api.log.redis.parcels import LOAD_BYTES, LOAD_EVENTS, Parcel, loads_of

MAX_NAMES: Final = 1000
EVERYTHING: Final = "*"  # stands for more names than are kept


class _Item:
    """Some events of a channel; the last item of a call has the future that the caller awaits."""

    __slots__ = ("channel", "gap", "parcels", "size", "taken")

    def __init__(self, channel: str | None, parcels: Sequence[Parcel]) -> None:
        self.channel = channel
        self.parcels = parcels
        self.gap = False
        self.size = sum(parcel.size for parcel in parcels)
        self.taken: asyncio.Future[bool] | None = None


class Stretch(NamedTuple):
    """Successive events of one channel, after a gap if `gap`."""

    channel: str
    gap: bool
    parcels: list[Parcel]


class Load(NamedTuple):
    """A batch that is sent at once; a number always stands for the same content."""

    number: int
    changed: Sequence[str]
    stretches: Sequence[Stretch]


class SendQueue:
    """Events and invalidations that wait to be sent.

    Args:
        limit: bytes that may wait while the log is away.

    Attributes:
        waiting: how many events wait.
        drained: set while nothing waits.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[_Item] = deque()
        self._changed: set[str] = set()
        self._size = 0
        self._number = 0
        self._load: Load | None = None
        self._loaded: list[_Item] = []
        self._awaited: list[asyncio.Future[bool]] = []
        self.waiting = 0
        self.drained = asyncio.Event()
        self.drained.set()

    def __repr__(self) -> str:
        return f"<SendQueue waiting={self.waiting}>"

    def put(
        self, channel: str | None, parcels: Sequence[Parcel], changed: Sequence[str], *, away: bool
    ) -> asyncio.Future[bool] | None:
        """Add events of a channel, and tags to invalidate.

        Args:
            channel: None if there are no events.
            parcels: the events.
            changed: tags; they are sent no later than the events.
            away: whether the log is away: then there is nothing to wait for.

        Returns:
            A future: True once it was sent, False if it cannot be sent at present.
        """
        self._changed.update(changed)
        if len(self._changed) > MAX_NAMES:
            self._changed = {EVERYTHING}
        self.drained.clear()
        if channel is None and away:
            return None
        items = [_Item(channel, part) for _, part in loads_of(parcels)] or [_Item(channel, ())]
        if not away:
            items[-1].taken = asyncio.get_running_loop().create_future()
            self._awaited.append(items[-1].taken)
        elif self._size + sum(item.size for item in items) > self._limit:
            assert channel is not None
            self._drop(channel)
            if self._size + sum(item.size for item in items) > self._limit:
                items = [_Item(channel, ())]
            items[0].gap = True
        for item in items:
            self._items.append(item)
            self._size += item.size
            self.waiting += len(item.parcels)
        return items[-1].taken

    def take(self) -> Load | None:
        """Return what to send next, if anything; the same until `sent` is called."""
        if self._load is None and not self.drained.is_set():
            self._number += 1
            self._load = Load(self._number, sorted(self._changed), self._stretches())
            self._changed.clear()
        return self._load

    def sent(self) -> None:
        """Note that the log has the batch that was taken."""
        for item in self._loaded:
            self._remove(item, sent=True)
        self._loaded.clear()
        self._load = None
        self._awaited = [taken for taken in self._awaited if not taken.done()]
        if not self._items and not self._changed:
            self.drained.set()

    def release(self) -> None:
        """Release all who wait, because nothing can be sent at present."""
        for taken in self._awaited:
            _release(taken, False)
        self._awaited.clear()

    def _stretches(self) -> Sequence[Stretch]:
        events = size = 0
        stretches: list[Stretch] = []
        while self._items and (
            not self._loaded
            or (
                events + len(self._items[0].parcels) <= LOAD_EVENTS
                and size + self._items[0].size <= LOAD_BYTES
            )
        ):
            item = self._items.popleft()
            self._loaded.append(item)
            events += len(item.parcels)
            size += item.size
            if item.channel is None:
                continue
            if stretches and stretches[-1].channel == item.channel and not item.gap:
                stretches[-1].parcels.extend(item.parcels)
            else:
                stretches.append(Stretch(item.channel, item.gap, list(item.parcels)))
        return stretches

    def put_gap(self, channel: str) -> asyncio.Future[bool]:
        """Add a gap; return a future as `put` does."""
        item = _Item(channel, ())
        item.gap = True
        item.taken = asyncio.get_running_loop().create_future()
        self._awaited.append(item.taken)
        self._items.append(item)
        self.drained.clear()
        return item.taken

    def _drop(self, channel: str) -> None:
        """Drop a channel's events, except those that may be in the log already."""
        kept = deque(item for item in self._items if item.channel != channel)
        for item in self._items:
            if item.channel == channel:
                self._remove(item, sent=False)
        self._items = kept

    def _remove(self, item: _Item, *, sent: bool) -> None:
        self._size -= item.size
        self.waiting -= len(item.parcels)
        if item.taken is not None:
            _release(item.taken, sent)


def _release(taken: asyncio.Future[bool], sent: bool) -> None:
    if not taken.done():
        taken.set_result(sent)
