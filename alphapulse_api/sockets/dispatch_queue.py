"""Events of the log that the fan-out has not dispatched yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from alphapulse_api.domain.channels import Channel
from alphapulse_api.log import Event, Gap


class DispatchQueue:
    """Events in order, with the gaps between them; its length counts both."""

    __slots__ = ("_begun", "_items", "_waiting")

    def __init__(self) -> None:
        self._items: deque[Sequence[Event] | Gap] = deque()
        self._begun = 0  # events taken from the first item
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def put(self, events: Sequence[Event]) -> None:
        """Add the next events of one channel; at least one."""
        self._items.append(events)
        self._waiting += len(events)

    def put_gap(self, gap: Gap) -> None:
        """Add a gap."""
        self._items.append(gap)
        self._waiting += 1

    def channel(self) -> Channel:
        """Return the channel of the next item; the queue must not be empty."""
        item = self._items[0]
        return item.channel if isinstance(item, Gap) else item[0].channel

    def take_gap(self) -> Gap | None:
        """Take the next item if it is a gap."""
        item = self._items[0]
        if not isinstance(item, Gap):
            return None
        self._items.popleft()
        self._waiting -= 1
        return item

    def take(self, most: int) -> list[Event]:
        """Take up to `most` events of one channel, before the next gap; an event must be next."""
        taken: list[Event] = []
        channel = self.channel()
        while self._items and len(taken) < most and self.channel() is channel:
            batch = self._items[0]
            if isinstance(batch, Gap):
                break
            end = min(len(batch), self._begun + most - len(taken))
            taken += batch[self._begun : end]
            self._waiting -= end - self._begun
            self._begun = end
            if end == len(batch):
                self._items.popleft()
                self._begun = 0
        return taken

    def pass_over(self) -> Event:
        """Drop the next events, which nobody wants, and return the last one; no gap may be next."""
        batch = self._items.popleft()
        assert not isinstance(batch, Gap)
        self._waiting -= len(batch) - self._begun
        self._begun = 0
        return batch[-1]
