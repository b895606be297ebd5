"""The client's side of the socket, message by message, over connections that end anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from alphapulse_api.client.conversation import (
    Conversation,
    CredentialsError,
    Entry,
    Event,
    PassingError,
    StreamGap,
)
from alphapulse_api.client.errors import StreamError

SETTLED = {"type": "pong", "id": "settled", "timestamp": "2026-01-01T00:00:00Z"}


def conversation(*channels: str, snapshot: bool = False, **since: str) -> Conversation:
    held = Conversation(channels or ("trades",), {}, {}, snapshot, since)
    held.begin()
    return held


def trade(cursor: str, **members: Any) -> dict[str, Any]:
    data = {"id": cursor, "price": "1.0"}
    return {"type": "trade", "channel": "trades", "cursor": cursor, "data": data, **members}


def subscribed(cursor: str = "c0", **members: Any) -> dict[str, Any]:
    return {"type": "subscribed", "id": "subscribe", "channels": {"trades": {
        "cursor": cursor, **members
    }}}  # fmt: skip


def said(entries: Sequence[Entry]) -> list[str]:
    """Cursors of events, "gap" for gaps."""
    items = [entry.item for entry in entries if entry.item is not None]
    return [item.cursor if isinstance(item, Event) else "gap" for item in items]


def since(held: Conversation) -> Any:
    return held.begin()[0]["since"]


def test_it_goes_on_after_the_last_event() -> None:
    held = conversation()
    held.receive(subscribed("c0"))
    assert since(held) == {"trades": "c0"}
    held.receive(subscribed("c0", resumed=True, replayed=1))
    assert said(held.receive(trade("c1"))) == ["c1"]
    assert since(held) == {"trades": "c1"}


def test_an_ack_that_resumes_is_not_progress() -> None:
    held = conversation(trades="c1")
    held.receive(subscribed("c9", resumed=True, replayed=8))
    assert since(held) == {"trades": "c1"}


def test_heartbeats_are_progress_where_filters_let_nothing_through() -> None:
    held = conversation()
    held.receive(subscribed())
    entries = held.receive({"type": "heartbeat", "timestamp": "…", "cursors": {"trades": "c7"}})
    assert entries == [Entry(None, {"trades": "c7"})]
    assert since(held) == {"trades": "c7"}


def test_a_snapshot_is_delivered_whole_and_only_then_has_a_cursor() -> None:
    held = conversation(snapshot=True)
    assert held.receive(subscribed()) == []
    assert held.receive(trade("c0", snapshot=True)) == []
    beat = {"type": "heartbeat", "timestamp": "…", "cursors": {"trades": "c0"}}
    assert held.receive(beat) == [Entry(None, {})]
    assert held.receive(trade("c0", snapshot=True)) == []
    entries = held.receive(SETTLED)
    assert said(entries) == ["c0", "c0"]
    assert [entry.cursors for entry in entries] == [{}, {}, {"trades": "c0"}]
    assert said(held.receive(trade("c1"))) == ["c1"]


def test_a_live_event_ends_the_snapshot_too() -> None:
    held = conversation(snapshot=True)
    held.receive(subscribed())
    held.receive(trade("c0", snapshot=True))
    assert said(held.receive(trade("c1"))) == ["c0", "c1"]
    assert held.receive(SETTLED) == []
    assert since(held) == {"trades": "c1"}


def test_a_snapshot_cut_in_its_middle_begins_anew() -> None:
    held = conversation(snapshot=True)
    held.receive(subscribed())
    held.receive(trade("c0", snapshot=True))
    assert since(held) == {}
    held.receive(subscribed("c5"))
    held.receive(trade("c5", snapshot=True))
    assert said(held.receive(SETTLED)) == ["c5"]


@pytest.mark.parametrize("snapshot", [False, True])
def test_what_could_not_be_resumed_is_a_gap_from_a_new_cursor(snapshot: bool) -> None:
    held = conversation(snapshot=snapshot, trades="old")
    entries = held.receive(subscribed("new", resumed=False, replayed=0)) + held.receive(SETTLED)
    assert entries == [
        Entry(StreamGap("trades", "new"), {}),
        Entry(None, {"trades": "new"}),
    ]
    assert since(held) == {"trades": "new"}


def test_a_gap_whose_snapshot_was_cut_is_still_a_gap() -> None:
    held = conversation(snapshot=True, trades="old")
    held.receive(subscribed("new", resumed=False))
    held.receive(trade("new", snapshot=True))
    assert since(held) == {"trades": "old"}
    held.receive(subscribed("newer", resumed=False))
    held.receive(trade("newer", snapshot=True))
    assert said(held.receive(SETTLED)) == ["gap", "newer"]
    assert since(held) == {"trades": "newer"}


def test_the_stream_goes_on_behind_a_resync() -> None:
    held = conversation()
    held.receive(subscribed())
    entries = held.receive({"type": "resync", "channel": "trades", "cursor": "n0"})
    assert entries == [Entry(StreamGap("trades", "n0"), {"trades": "n0"})]
    assert since(held) == {"trades": "n0"}


def test_a_snapshot_that_a_resync_ends_is_handed_over_before_it() -> None:
    held = conversation(snapshot=True)
    held.receive(subscribed())
    held.receive(trade("c0", snapshot=True))
    entries = held.receive({"type": "resync", "channel": "trades", "cursor": "n0"})
    assert said(entries) == ["c0", "gap"]
    assert since(held) == {"trades": "n0"}


def test_behind_a_resync_that_does_not_say_where_the_old_cursor_stays() -> None:
    held = conversation()
    held.receive(subscribed())
    entries = held.receive({"type": "resync", "channel": "trades"})
    assert entries == [Entry(StreamGap("trades", None), {})]
    assert since(held) == {"trades": "c0"}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("forbidden", StreamError),
        ("invalid_filter", StreamError),
        ("auth_failed", CredentialsError),
        ("token_expired", CredentialsError),
        ("internal", PassingError),
        ("rate_limited", PassingError),
    ],
)
def test_errors_are_final_or_passing(code: str, kind: type[Exception]) -> None:
    message = {"type": "error", "code": code, "message": "no", "channel": "trades"}
    with pytest.raises(kind, match=code) as caught:
        conversation().receive(message)
    if isinstance(caught.value, StreamError):
        assert (caught.value.code, caught.value.channel) == (code, "trades")


def test_a_permission_taken_away_is_not_silence() -> None:
    with pytest.raises(StreamError, match="forbidden"):
        conversation().receive({"type": "unsubscribed", "channels": ["trades"]})


def test_what_later_servers_may_say_is_passed_over() -> None:
    held = conversation("news")
    assert held.receive({"type": "weather", "sun": True}) == []
    message = {"type": "item", "channel": "news", "cursor": "n1", "data": {"price": "1"}}
    (entry,) = held.receive(message)
    assert entry.item == Event("item", "news", "n1", {"price": "1"})


def test_changes_of_a_portfolio_become_whole_portfolios_by_book() -> None:
    held = Conversation(("portfolio",), {}, {"portfolio": {"positions": "changes"}}, False, {})
    assert held.begin()[0]["options"] == {"portfolio": {"positions": "changes"}}

    def received(kind: str, book: str, total: str, *symbols: str, **more: Any) -> Event:
        positions = [{"symbol": symbol, "value": "2", "weight": 0.5} for symbol in symbols]
        data = {"book": book, "total_value": total, "positions": positions, **more}
        message = {"type": kind, "channel": "portfolio", "cursor": "c", "data": data}
        item = held.receive(message)[-1].item
        assert isinstance(item, Event)
        return item

    for book in "ab":
        received("portfolio", book, "4", f"{book}1", f"{book}2", f"{book}3")
    for book in "ab":
        event = received("portfolio_changes", book, "8", "new", runs=[[2, 2], [0, 1]])
        assert (event.type, event.data["total_value"]) == ("portfolio", 8)
        weights = {position["symbol"]: position["weight"] for position in event.data["positions"]}
        assert list(weights.items()) == [(f"{book}3", 0.25), ("new", 0.5), (f"{book}1", 0.25)]
