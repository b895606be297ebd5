"""The channels of the socket, as data: what each carries, and how its events are identified."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.books import BOOK_LABEL, MAIN, PRICE
from alphapulse_api.domain.times import to_micros

BOOKS: Final = "books"
"""The filter by book."""

PRICES: Final = "*prices"
"""Stands for the book of prices that belong to none; everybody may read them. No book has this id.
"""


class Channel(NamedTuple):
    """One logical channel of the socket, as data."""

    name: str
    type: str  # the `type` of its frames
    permission: str
    filters: Mapping[str, str]  # filter name -> field of the event's data that it looks at
    # The book of the event's data, which the filter `books` looks at; None: it belongs to none.
    book: Callable[[Mapping[str, Any]], str | None]
    # Whether a subscription without the filter is about every book, and not the home book alone.
    every_book: bool
    # A slow client of a conflated channel keeps only the newest event of each key; on the others
    # every event counts.
    conflate: Callable[[Mapping[str, Any]], Any] | None
    # The identity of the event's record, and its progress: an event that is not further than the
    # snapshot already sent is not sent again. A late point of a series is new, so the identity of a
    # point is its series and its time. Takes rows of the store and events that were read as JSON.
    identity: Callable[[Mapping[str, Any]], tuple[Any, int]]
    # The channel that carries the events, if they are a further type of another channel.
    part_of: str = ""

    @property
    def public(self) -> str:
        """The channel that clients subscribe to for these events."""
        return self.part_of or self.name

    def passes(self, filters: Mapping[str, frozenset[str]], data: Mapping[str, Any]) -> bool:
        """Whether an event's data pass every filter; those of other types do not apply."""
        for name, values in filters.items():
            if name != BOOKS and name not in self.filters:
                continue
            value = self.book(data) if name == BOOKS else data.get(self.filters[name])
            if values.isdisjoint(value) if isinstance(value, list) else value not in values:
                return False
        return True


def _book(data: Mapping[str, Any]) -> str | None:
    # A host's own accessor serves the main book, and says nothing of books.
    book = data.get("book", MAIN)
    return book if isinstance(book, str) else None


def _book_of_series(data: Mapping[str, Any]) -> str | None:
    labels = data.get("labels")
    if isinstance(labels, Mapping) and isinstance(book := labels.get(BOOK_LABEL), str):
        return book
    return PRICES if data.get("metric_type") == PRICE else None


def _series(data: Mapping[str, Any]) -> tuple[Any, ...]:
    return (data["metric_type"], data["name"], *data["labels"].items())


def _key(data: Mapping[str, Any]) -> tuple[str | None, str]:
    return _book(data), data["id"]


def _micros(value: Any) -> int:
    if value is None:
        return 0  # stored before changes were recorded, or by a host's own accessor
    return to_micros(datetime.fromisoformat(value) if isinstance(value, str) else value)


def _stage(alert: Mapping[str, Any]) -> int:
    """The progress of an alert, in microseconds: a later episode begins at a later time.

    Within an episode it may be resolved before it is acknowledged, and be raised again before
    either; nothing of this is ever undone.
    """
    state = 2 * int(alert["status"] == "resolved") + int(alert["acknowledged"])
    return _micros(alert.get("created_at")) + state + (alert.get("occurrences") or 1) - 1


CHANNELS: Final = {
    channel.name: channel
    for channel in (
        Channel(
            "metrics",
            "metric",
            "view_metrics",
            {"metric_types": "metric_type", "names": "name"},
            _book_of_series,
            True,
            _series,
            lambda data: ((_series(data), _micros(data["timestamp"])), 0),
        ),
        Channel(
            "alerts",
            "alert",
            "view_alerts",
            {"severities": "severity", "sources": "source", BOOKS: "book"},
            _book,
            True,
            None,
            lambda data: (_key(data), _stage(data)),
        ),
        Channel(
            "trades",
            "trade",
            "view_trades",
            {"symbols": "symbol", "strategies": "strategy", BOOKS: "book"},
            _book,
            False,
            None,
            lambda data: (_key(data), _micros(data.get("updated_at"))),
        ),
        Channel(
            "portfolio",
            "portfolio",
            "view_portfolio",
            {BOOKS: "book"},
            _book,
            False,
            _book,
            lambda data: (_book(data), _micros(data["as_of"])),
        ),
    )
}

LOGGED: Final = {
    **CHANNELS,
    **{
        part.name: part
        for part in (
            Channel(
                "signals",
                "signal",
                "view_agents",
                {"symbols": "symbol"},
                _book,
                False,
                None,
                lambda data: (_key(data), 0),
                "trades",
            ),
            Channel(
                "decisions",
                "decision",
                "view_trades",
                {"symbols": "symbols"},
                _book,
                False,
                None,
                lambda data: (_key(data), 0),
                "trades",
            ),
            # No client subscribes to it: its events wake those who wait for commands.
            Channel(
                "commands",
                "command",
                "view_agents",
                {},
                lambda _: None,
                True,
                None,
                lambda data: ((data["id"], data["state"]), 0),
            ),
        )
    },
}
"""What the event log keeps apart: the channels, the further types of their events, and commands. So
signals never evict trades."""


def parts_of(channel: str) -> tuple[str, ...]:
    """What the log keeps of a channel: the channel itself first, then its further types."""
    return (channel, *(name for name, part in LOGGED.items() if part.part_of == channel))
