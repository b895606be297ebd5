"""What a shared snapshot includes is the same for every subscription, at any pace."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.log.base import Event
from alphapulse_api.sockets.snapshot import Snapshot

ALERTS = CHANNELS["alerts"]
STATES = [("active", False), ("acknowledged", True), ("resolved", False), ("resolved", True)]
states = st.builds(
    lambda id_, state, note: {
        "id": id_, "status": state[0], "acknowledged": state[1], "comments": note,
    },
    st.sampled_from("ab"),
    st.sampled_from(STATES),
    st.sampled_from([None, "x"]),
)  # fmt: skip


def passed_on(snapshot: Snapshot, events: list[Event]) -> list[int]:
    return [event.offset for event in events if not snapshot.includes(event)]


@given(st.lists(states, max_size=3), st.lists(states, max_size=8), st.data())
def test_all_who_share_it_receive_what_each_would_alone(
    rows: list[dict[str, Any]], changes: list[dict[str, Any]], data: st.DataObject
) -> None:
    events = [Event(ALERTS, n, f"c-{n}", each) for n, each in enumerate(changes, 1)]
    alone = passed_on(Snapshot(ALERTS, "c-0", 0.0, rows), events)
    shared = Snapshot(ALERTS, "c-0", 0.0, rows)
    # Each is offered the events in order; the order of the subscriptions is random.
    waiting = {who: list(events) for who in "xyz"}
    sent: dict[str, list[int]] = {who: [] for who in waiting}
    while left := sorted(who for who, events in waiting.items() if events):
        who = data.draw(st.sampled_from(left))
        sent[who] += passed_on(shared, [waiting[who].pop(0)])
    assert list(sent.values()) == [alone] * 3


def test_a_state_that_was_overtaken_is_sent_when_it_comes_back() -> None:
    row = {"id": "a", "status": "active", "acknowledged": False, "comments": None}
    same, other = dict(row), {**row, "comments": "x"}
    events = [Event(ALERTS, n, f"c-{n}", each) for n, each in enumerate((same, other, same), 1)]
    assert passed_on(Snapshot(ALERTS, "c-0", 0.0, [row]), events) == [2, 3]


def test_it_expires_once_the_log_has_been_current_for_long_enough() -> None:
    snapshot = Snapshot(ALERTS, "c-0", at=100.0)
    assert not snapshot.expired(104.9, 5.0, behind=False)
    assert snapshot.expired(105.0, 5.0, behind=False)
    assert not snapshot.expired(105.0, 5.0, behind=True)
    assert not snapshot.expired(109.9, 5.0, behind=False)
    assert snapshot.expired(110.0, 5.0, behind=False)


def test_it_does_not_expire_while_rows_that_it_includes_are_in_the_outbox() -> None:
    snapshot = Snapshot(ALERTS, "c-0", at=100.0, pending={"a", "b"})
    snapshot.update_pending({"b", "later"}, 200.0)
    assert not snapshot.expired(300.0, 5.0, behind=False)
    snapshot.update_pending({"later"}, 400.0)
    assert not snapshot.expired(404.9, 5.0, behind=False)
    assert snapshot.expired(405.0, 5.0, behind=False)
