"""The index of subscriptions gives whom an event is for, no one else, and no one twice."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.sockets.subscription import Subscription
from alphapulse_api.sockets.subscription_index import SubscriptionIndex
from tests import view

TRADES = CHANNELS["trades"]
values = st.sampled_from(["a", "b", "c", "d"])
filters = st.dictionaries(
    st.sampled_from(["symbols", "strategies", "books"]), st.frozensets(values, min_size=1)
)
events = st.fixed_dictionaries(
    {"symbol": values, "strategy": st.none() | values, "book": st.none() | values}
)
FIELDS = {"symbols": "symbol", "strategies": "strategy", "books": "book"}
BOOKS = [None, "a", "b", "c", "d"]


def subscription(
    wanted: Any, *, writer: Any = 1, after: int = 0, live: bool = False
) -> Subscription:
    """A subscription that sends nothing: any object serves as its writer."""
    made = Subscription(TRADES, wanted, after, "", writer)
    if live:
        made.release()
    return made


@given(st.lists(st.tuples(st.integers(0, 5), filters, st.booleans())), st.lists(events, min_size=1))
def test_an_event_finds_just_those_who_want_it(
    puts: list[tuple[Any, Any, bool]], published: list[dict[str, Any]]
) -> None:
    index = SubscriptionIndex()
    standing: dict[Any, Any] = {}
    for writer, wanted, live in puts:
        index.put(subscription(wanted, writer=writer, live=live))
        standing[writer] = wanted
        index.promote(0, BOOKS)
    for data in published:
        book = data["book"]
        found: list[Any] = [*index.live.get(None, ())]
        found += index.live.get(book, ()) if book is not None else ()
        found += [s.writer for s in index.candidates(data, book) if s.wants(data)]
        expected = [
            writer
            for writer, wanted in standing.items()
            if all(data[FIELDS[name]] in only for name, only in wanted.items())
        ]
        assert sorted(found) == sorted(expected)


def test_a_subscription_is_promoted_once_it_has_nothing_of_the_next_event() -> None:
    index = SubscriptionIndex()
    joining = subscription({}, after=7)
    joining.seen = snapshot = object()  # type: ignore[assignment]
    index.put(joining)
    index.promote(7, [None])
    assert index.joining  # it holds events
    joining.release()
    assert joining.seen is snapshot
    index.promote(7, [None])
    assert index.joining  # the snapshot may include the next event
    joining.seen = None
    index.promote(6, [None])
    assert index.joining  # it already has the next event
    index.promote(7, [None])
    assert not index.joining
    assert list(index.live[None]) == [joining.writer]


def test_a_watcher_of_one_book_is_live_for_it_and_costs_the_others_nothing() -> None:
    index = SubscriptionIndex()
    for n in range(500):
        index.put(subscription({"books": frozenset({f"b{n}"})}, writer=n, live=n > 1))
    for n in (0, 1):
        assert len([*index.candidates({}, f"b{n}")]) == 1
    index.promote(0, ["b2"])
    assert {book: [*live] for book, live in index.live.items()} == {"b2": [2]}
    assert list(index.candidates({}, "b2")) == []


def test_an_event_of_no_book_reaches_none_who_is_limited() -> None:
    index = SubscriptionIndex()
    index.put(subscription({"books": frozenset({"a"})}, writer=1))
    index.put(subscription({"books": frozenset({"a", "b"})}, writer=2))
    index.put(subscription({}, writer=3))
    assert [s.writer for s in index.candidates({"book": None}, None)] == [3]


def test_a_subscription_with_filters_is_never_promoted() -> None:
    index = SubscriptionIndex()
    index.put(subscription({"symbols": frozenset({"a"})}, live=True))
    index.promote(0, BOOKS)
    assert not index.live


@given(st.lists(st.tuples(st.integers(0, 5), filters, st.booleans())))
def test_nothing_is_left_of_those_who_left(puts: list[tuple[Any, Any, bool]]) -> None:
    index = SubscriptionIndex()
    for writer, wanted, live in puts:
        index.put(subscription(wanted, writer=writer, live=live))
        index.promote(0, BOOKS)
    for writer in range(6):
        index.remove(writer)  # type: ignore[arg-type]
    assert not index
    assert not index.joining
    assert not index.live
    assert view.filtered(index) == {}


def test_a_value_that_is_no_string_finds_no_filter() -> None:
    index = SubscriptionIndex()
    index.put(subscription({"symbols": frozenset({"a"})}))
    assert list(index.candidates({"symbol": ["a"]}, None)) == []
