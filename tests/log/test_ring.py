"""The ring beside a plain list, however its events came, and events that are made on demand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.points import Points
from alphapulse_api.log.batch import EventBatch
from alphapulse_api.log.held import EVENT_BYTES, Held, HeldJson, HeldPoints
from alphapulse_api.log.ring import Ring

TRADES = CHANNELS["trades"]


def cursor(offset: int) -> str:
    return f"c-{offset}"


def batch(first: int, count: int) -> HeldJson:
    cursors = [cursor(first + n) for n in range(count)]
    return HeldJson(TRADES, first, cursors, [b'{"id":"%d"}' % (first + n) for n in range(count)])


def columns(first: int, count: int) -> HeldPoints:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    point = {"metric_type": "risk", "name": "var", "timestamp": at, "labels": {}}
    points = Points.of({**point, "value": float(first + n)} for n in range(count))
    return HeldPoints(CHANNELS["metrics"], first, cursor, points)


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=12),
)
def test_the_newest_events_of_any_batches_are_kept(
    size: int, batches: list[tuple[int, bool]]
) -> None:
    ring = Ring(size, 3600, cursor(0))
    last = 0
    for count, in_columns in batches:
        ring.extend((columns if in_columns else batch)(last + 1, count), 1e12)
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


def test_events_of_a_replay_stay_when_the_ring_evicts_them() -> None:
    ring = Ring(100, 3600, cursor(0))
    ring.extend(batch(1, 3), 1e12)
    past = ring.since(cursor(1))
    assert past is not None
    assert [ring.evict(), ring.evict(), ring.evict()] == [1, 1, 1]
    assert [event.data["id"] for event in past] == ["2", "3"]
    assert (ring.held, ring.since(cursor(2)), ring.since(cursor(3))) == (0, None, ())


def test_json_is_evicted_event_by_event_and_columns_as_a_whole() -> None:
    ring = Ring(100, 3600, cursor(0))
    ring.extend(batch(1, 2), 1e12)
    ring.extend(columns(3, 5), 1e12)
    ring.extend(batch(8, 1), 1e12)
    assert [ring.evict() for _ in range(3)] == [1, 1, 5]
    assert ring.held == EVENT_BYTES + len(b'{"id":"8"}')


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.integers(0, 5)), max_size=20),
)
def test_the_bytes_of_a_ring_are_the_sum_of_its_batches(
    size: int, steps: list[tuple[int, bool, int]]
) -> None:
    ring = Ring(size, 3600, cursor(0))
    came: list[tuple[int, Held]] = []
    for count, in_columns, evictions in steps:
        events = (columns if in_columns else batch)(ring.number + 1, count)
        came.append((ring.number + 1, (columns if in_columns else batch)(ring.number + 1, count)))
        ring.extend(events, 1e12)
        for _ in range(evictions):
            if ring.held:
                ring.evict()
        kept = len(ring)
        oldest = ring.number - kept + 1
        expected = sum(
            held.size if isinstance(held, HeldPoints) else held.since(max(0, oldest - first)).size
            for first, held in came
            if first + len(held) > oldest
        )
        assert ring.held == expected


class Records(list[dict[str, str]]):
    """So many of them; knows which have been looked at."""

    def __init__(self, count: int) -> None:
        super().__init__({"id": str(n)} for n in range(count))
        self.looked_at: list[int] = []

    def __getitem__(self, index: int) -> dict[str, str]:  # type: ignore[override]
        self.looked_at.append(index)
        return super().__getitem__(index)


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
