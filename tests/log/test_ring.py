"""The ring beside a plain list, however its events came, and events that are made on demand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.log import Event
from alphapulse_api.log.batch import EventBatch
from alphapulse_api.log.ring import Ring

TRADES = CHANNELS["trades"]


def cursor(offset: int) -> str:
    return f"c-{offset}"


def batch(first: int, count: int) -> EventBatch:
    return EventBatch(TRADES, first, cursor, [{"id": str(first + n)} for n in range(count)])


def made(first: int, count: int) -> Sequence[Event]:
    return tuple(batch(first, count))


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=12),
)
def test_of_any_batches_the_newest_are_kept(size: int, batches: list[tuple[int, bool]]) -> None:
    ring = Ring(size, 3600, cursor(0))
    last = 0
    for count, on_demand in batches:
        ring.extend((batch if on_demand else made)(last + 1, count), 1e12)
        last += count
        assert (ring.number, ring.cursor) == (last, cursor(last))
        for place in range(last + 3):
            events = ring.since(cursor(place))
            if max(0, last - size) <= place <= last:
                assert events is not None
                assert [event.offset for event in events] == list(range(place + 1, last + 1))
            else:
                assert events is None


def test_each_batch_is_as_old_as_it_is() -> None:
    now = 100.0
    ring = Ring(100, 10.0, cursor(0), lambda: now)
    ring.extend(batch(1, 3), 95.0)
    ring.extend(batch(4, 2), 100.0)
    now = 105.5
    assert ring.since(cursor(2)) is None
    assert [event.offset for event in ring.since(cursor(3)) or ()] == [4, 5]
    now = 111.0
    assert ring.since(cursor(4)) is None
    assert ring.since(cursor(5)) == ()


class Records(list[dict[str, str]]):
    """So many of them; knows which have been looked at."""

    def __init__(self, count: int) -> None:
        super().__init__({"id": str(n)} for n in range(count))
        self.looked_at: list[int] = []

    def __getitem__(self, index: int) -> dict[str, str]:  # type: ignore[override]
        self.looked_at.append(index)
        return super().__getitem__(index)


def test_for_a_cursor_that_is_no_place_no_events_are_made() -> None:
    older, newer = Records(50), Records(50)
    ring = Ring(100, 3600, cursor(0))
    ring.extend(EventBatch(TRADES, 1, cursor, older), 1e12)
    ring.extend(EventBatch(TRADES, 51, cursor, newer), 1e12)
    assert ring.since("another-20") is None
    assert ring.since("another-0") is None
    assert older.looked_at == [49, 19]  # the newest of a batch, and the one it might have been
    assert newer.looked_at == [49]


def test_an_event_is_made_once_and_only_if_it_is_looked_at() -> None:
    records = Records(4)
    events = EventBatch(TRADES, 7, cursor, records)
    assert len(events) == 4
    assert events[-1] is events[3]
    assert events[1:3] == [events[1], events[2]]
    assert records.looked_at == [3, 1, 2]
    assert [event.offset for event in events] == [7, 8, 9, 10]
    assert events[0].text == b'{"type":"trade","channel":"trades","cursor":"c-7","data":{"id":"0"}}'
    with pytest.raises(IndexError):
        events[4]
