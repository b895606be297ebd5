"""What waits for a client that lags: its order, its size and its age."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.log import Event
from alphapulse_api.sockets.backlog import MARK_SECONDS, Backlog
from alphapulse_api.sockets.frames import frame


def point(offset: int, name: str) -> Event:
    return Event(
        CHANNELS["metrics"],
        offset,
        f"c-{offset}",
        {"metric_type": "risk", "name": name, "labels": {}},
    )


def taken(backlog: Backlog) -> list[dict[str, Any]]:
    """Everything that waits, parsed; the frames here are all shorter than 126 bytes or not."""
    data, messages = b"", []
    while backlog:
        data += backlog.next_chunk()
    while data:
        size, head = data[1], 2
        if size == 126:
            size, head = int.from_bytes(data[2:4], "big"), 4
        messages.append(json.loads(data[head : head + size]))
        data = data[head + size :]
    return messages


@given(st.lists(st.one_of(st.sampled_from("ab"), st.just("trade"), st.just("past"))))
def test_its_size_is_that_of_the_live_that_waits(kinds: list[str]) -> None:
    backlog = Backlog()
    newest: dict[str, int] = {}
    expected = 0
    for offset, kind in enumerate(kinds):
        if kind == "trade":
            backlog.add(frame(b'{"n":1}'))
            expected += len(frame(b'{"n":1}'))
        elif kind == "past":
            backlog.add_past([frame(b"{}")])
        else:
            event = point(offset, kind)
            backlog.add_newest(event, kind)
            newest[kind] = len(event.text)
    assert backlog.size == expected + sum(newest.values())
    assert backlog.caught_up.is_set() == ("past" not in kinds)
    messages = taken(backlog)
    assert len(messages) == kinds.count("trade") + kinds.count("past") + len(newest)
    assert backlog.size == 0
    assert backlog.caught_up.is_set()


def test_the_newest_of_a_key_goes_to_the_end_and_counts_what_it_skipped() -> None:
    backlog = Backlog()
    for offset, name in enumerate(["a", "b", "a", "a"]):
        backlog.add_newest(point(offset, name), name)
    assert [(m["cursor"], m.get("skipped")) for m in taken(backlog)] == [("c-1", None), ("c-3", 2)]


def test_what_comes_after_a_seal_replaces_nothing_before_it() -> None:
    backlog = Backlog()
    backlog.add_newest(point(1, "a"), "a")
    backlog.seal()
    backlog.add_newest(point(2, "a"), "a")
    assert [m["cursor"] for m in taken(backlog)] == ["c-1", "c-2"]


def test_its_age_is_that_of_the_oldest() -> None:
    backlog = Backlog()
    assert backlog.age(0.0) == 0.0
    backlog.add(frame(b"1"))
    assert backlog.age(10.0) == 0.0
    backlog.add(frame(b"2"))
    assert backlog.age(10.0 + MARK_SECONDS) == MARK_SECONDS
    backlog.add(frame(b"3"))
    assert backlog.age(20.0) == 10.0
    taken(backlog)
    assert backlog.age(21.0) == 0.0
    backlog.add(frame(b"4"))
    assert backlog.age(22.0) == 0.0
    assert backlog.age(25.0) == 3.0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0, 2)), max_size=40))
def test_its_age_is_known_to_within_a_mark(steps: list[tuple[int, int, float]]) -> None:
    backlog = Backlog()
    since: list[float] = []  # when each that waits came
    now = longest = 0.0
    for added, took, pause in steps:
        for _ in range(added):
            backlog.add(frame(b"x" * 70_000))  # a chunk of its own
            since.append(now)
        for _ in range(min(took, len(since))):
            backlog.next_chunk()
            since.pop(0)
        now += pause
        longest = max(longest, pause)
        measured, true = backlog.age(now), now - since[0] if since else 0.0
        # Late by a mark, and by how long nobody may have asked.
        assert true - MARK_SECONDS - longest - 1e-9 <= measured <= true + 1e-9


def test_what_waits_behind_the_past_has_no_age() -> None:
    backlog = Backlog()
    backlog.add_past([frame(b"1")])
    backlog.add(frame(b"2"))
    assert backlog.age(0.0) == 0.0
    assert backlog.age(100.0) == 0.0
    taken(backlog)
    backlog.add(frame(b"3"))
    assert backlog.age(101.0) == 0.0
    assert backlog.age(103.0) == 2.0


def test_a_conflated_key_is_as_old_as_its_newest() -> None:
    backlog = Backlog()
    for second in range(10):
        backlog.add_newest(point(second, "a"), "a")
        assert backlog.age(float(second)) <= 1.0
