"""What waits to be dispatched: in order, one channel at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.log import Event, Gap
from alphapulse_api.sockets.dispatch_queue import DispatchQueue

NAMES = ("metrics", "trades")


def events(channel: str, first: int, count: int) -> list[Event]:
    return [Event(CHANNELS[channel], n, f"c-{n}", {"id": n}) for n in range(first, first + count)]


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 7)), max_size=12),
    st.lists(st.integers(1, 10), min_size=1),
)
def test_all_that_is_put_is_taken_in_its_order(
    put: list[tuple[str, int]], limits: list[int]
) -> None:
    pending = DispatchQueue()
    expected: list[Event | Gap] = []
    for channel, count in put:  # of none: a break
        if count:
            batch = events(channel, len(expected) + 1, count)
            pending.put(batch)
            expected += batch
        else:
            gap = Gap(CHANNELS[channel], len(expected), "c-0")
            pending.put_gap(gap)
            expected.append(gap)
    taken: list[Event | Gap] = []
    while pending:
        assert len(pending) == len(expected) - len(taken)
        limits.append(limit := limits.pop(0))
        channel = pending.channel()
        gap_first = pending.take_gap()
        if gap_first is not None:
            taken.append(gap_first)
            continue
        part = pending.take(limit)
        assert 1 <= len(part) <= limit
        assert all(event.channel is channel for event in part)
        taken += part
        # No more than the limit, or than what comes before another channel and before a break.
        if len(part) < limit and pending:
            following = expected[len(taken)]
            assert isinstance(following, Gap) or following.channel is not channel
    assert all(one is other for one, other in zip(taken, expected, strict=True))


def test_what_nobody_wants_is_passed_over_to_its_last() -> None:
    pending = DispatchQueue()
    first, second = events("metrics", 1, 5), events("metrics", 6, 3)
    pending.put(first)
    pending.put(second)
    assert pending.take(2) == first[:2]
    assert pending.pass_over() is first[-1]
    assert len(pending) == 3
    assert pending.pass_over() is second[-1]
    assert not pending
