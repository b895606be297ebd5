"""The index of subscriptions gives whom an event is for, no one else, and no one twice."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.sockets.subscription import Subscription
from alphapulse_api.sockets.subscription_index import SubscriptionIndex

TRADES = CHANNELS["trades"]
values = st.sampled_from(["a", "b", "c", "d"])
filters = st.dictionaries(
    st.sampled_from(["symbols", "strategies"]), st.frozensets(values, min_size=1)
)
events = st.fixed_dictionaries({"symbol": values, "strategy": st.none() | values})


def subscription(wanted: Any, *, after: int = 0, live: bool = False) -> Subscription:
    writer: Any = object()  # nothing is sent here
    made = Subscription(TRADES, wanted, after, "", writer)
    if live:
        made.release()
    return made


@given(st.lists(st.tuples(st.integers(0, 5), filters, st.booleans())), st.lists(events, min_size=1))
def test_an_event_finds_just_those_who_want_it(
    puts: list[tuple[Any, Any, bool]], told: list[dict[str, Any]]
) -> None:
    index = SubscriptionIndex()
    standing: dict[Any, Any] = {}
    for connection, wanted, live in puts:
        index.put(connection, subscription(wanted, live=live))
        standing[connection] = wanted
        index.settle(0)
    for data in told:
        found = [*index.settled.values()]
        found += [c for c, s in index.candidates(data) if s.wants(data)]
        expected = [
            c
            for c, wanted in standing.items()
            if all(data[TRADES.filters[name]] in only for name, only in wanted.items())
        ]
        assert sorted(found) == sorted(expected)


def test_it_settles_once_it_is_live_and_nothing_before_it_can_come() -> None:
    index = SubscriptionIndex()
    connection: Any = 1
    joining = subscription({}, after=7)
    joining.seen = snapshot = object()  # type: ignore[assignment]
    index.put(connection, joining)
    index.settle(7)
    assert index.joining  # it holds what comes
    joining.release()
    assert joining.seen is snapshot
    index.settle(7)
    assert index.joining  # an event may say what the snapshot said
    joining.seen = None
    index.settle(6)
    assert index.joining  # the next event is one that it has
    index.settle(7)
    assert not index.joining
    assert index.settled == {joining.writer: connection}


def test_a_filter_keeps_it_from_settling() -> None:
    index = SubscriptionIndex()
    connection: Any = 1
    index.put(connection, subscription({"symbols": frozenset({"a"})}, live=True))
    index.settle(0)
    assert not index.settled


@given(st.lists(st.tuples(st.integers(0, 5), filters, st.booleans())))
def test_nothing_is_left_of_those_who_left(puts: list[tuple[Any, Any, bool]]) -> None:
    index = SubscriptionIndex()
    for connection, wanted, live in puts:
        index.put(connection, subscription(wanted, live=live))
        index.settle(0)
    for connection in range(6):
        index.remove(connection)  # type: ignore[arg-type]
    assert not index
    assert not index.joining
    assert not index.settled
    assert index._by_field == {}


def test_a_value_that_is_no_string_finds_no_filter() -> None:
    index = SubscriptionIndex()
    connection: Any = 1
    index.put(connection, subscription({"symbols": frozenset({"a"})}))
    assert list(index.candidates({"symbol": ["a"]})) == []
