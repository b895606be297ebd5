"""Events that are created when they are needed: most metric points have no subscriber."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

from alphapulse_api.domain.channels import Channel
from alphapulse_api.log.base import Event


class EventBatch(Sequence[Event]):
    """Successive events of one channel, each created once.

    Args:
        channel: theirs.
        first: the offset of the first.
        cursor: returns the cursor of an offset.
        records: their data, all of which has a JSON form.
    """

    __slots__ = ("_channel", "_cursor", "_events", "_first", "_records")

    def __init__(
        self,
        channel: Channel,
        first: int,
        cursor: Callable[[int], str],
        records: Sequence[Mapping[str, Any]],
    ) -> None:
        self._channel = channel
        self._first = first
        self._cursor = cursor
        self._records = records
        self._events: dict[int, Event] = {}

    def __repr__(self) -> str:
        return f"<EventBatch {self._channel.name} events={len(self)}>"

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """The data of the events; metric points in columns, if they were published so."""
        return self._records

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return [self._event(place) for place in places]
        return self._event(places)

    def _event(self, place: int) -> Event:
        event = self._events.get(place)
        if event is None:
            offset = self._first + place
            event = Event(self._channel, offset, self._cursor(offset), self._records[place])
            self._events[place] = event
        return event
