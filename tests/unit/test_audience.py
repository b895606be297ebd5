"""The index of subscriptions gives whom an event is for, no one else, and no one twice."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.events import CHANNELS
from alphapulse_api.websocket.audience import Audience
from alphapulse_api.websocket.subscription import Subscription

TRADES = CHANNELS["trades"]
values = st.sampled_from(["a", "b", "c", "d"])
filters = st.dictionaries(
    st.sampled_from(["symbols", "strategies"]), st.frozensets(values, min_size=1)
)
events = st.fixed_dictionaries({"symbol": values, "strategy": st.none() | values})


def subscription(wanted: Any) -> Subscription:
    outbound: Any = None  # nothing is sent here
    return Subscription(TRADES, wanted, 0, "", outbound)


@given(st.lists(st.tuples(st.integers(0, 5), filters)), st.lists(events, min_size=1))
def test_an_event_finds_just_those_who_want_it(
    puts: list[tuple[Any, Any]], told: list[dict[str, Any]]
) -> None:
    audience = Audience()
    standing: dict[Any, Any] = {}
    for connection, wanted in puts:
        audience.put(connection, subscription(wanted))
        standing[connection] = wanted
    for data in told:
        found = [*audience.everyone]
        found += [c for c, s in audience.filtered(data) if s.wants(data)]
        expected = [
            c
            for c, wanted in standing.items()
            if all(data[TRADES.filters[name]] in only for name, only in wanted.items())
        ]
        assert sorted(found) == sorted(expected)


@given(st.lists(st.tuples(st.integers(0, 5), filters)))
def test_nothing_is_left_of_those_who_left(puts: list[tuple[Any, Any]]) -> None:
    audience = Audience()
    for connection, wanted in puts:
        audience.put(connection, subscription(wanted))
    for connection in range(6):
        audience.remove(connection)  # type: ignore[arg-type]
    assert not audience
    assert not audience.everyone
    assert audience._by_field == {}


def test_a_value_that_is_no_string_finds_no_filter() -> None:
    audience = Audience()
    connection: Any = 1
    audience.put(connection, subscription({"symbols": frozenset({"a"})}))
    assert list(audience.filtered({"symbol": ["a"]})) == []
