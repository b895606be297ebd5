"""Cache tags: what a cached answer depends on, and what a write makes stale.

An answer depends on one tag. If it is about one book, that is the tag of the book with its
narrowest filter or, without a filter, of the book; otherwise it is the tag of the resource. A write
invalidates the tag of its resource, of its book, and one for each value that is written in the
book; combinations of values have no tags. So a write in one book leaves the answers about other
books valid, and a write of one symbol those about other symbols.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.books import MAIN

# The fields of each resource in books whose values have tags; the narrowest filter first.
TAGGED: Final[Mapping[str, tuple[str, ...]]] = {
    "trades": ("symbol", "agent_id"),
    "agents": ("agent_id",),
    "decisions": ("cycle_id", "symbols", "agent_id"),
    "alerts": (),
    "portfolio": (),
}

# The fields that are lists, each value of which has a tag; and the filter for one of the values.
LISTS: Final[Mapping[str, str]] = {"symbols": "symbol"}

# The resources with answers that depend on one value in every book: an agent belongs to none.
OF_EVERY_BOOK: Final = frozenset({"agents"})

_WITH_BOOK: Final = ("portfolio", "trades")  # with answers that show what a book is


def tag(resource: str, book: str | None, field: str | None = None, value: str = "") -> str:
    """The tag of the records of a book (None: of any) whose field, if one is given, has the value.

    Example:
        >>> tag("trades", "beta", "symbol", "AAPL")
        'trades:book=beta;symbol=AAPL'
    """
    conditions = [] if book is None else [f"book={book}"]
    if field is not None:
        conditions.append(f"{field}={value}")
    return f"{resource}:{';'.join(conditions)}".replace("\n", " ")  # tags are stored one a line


def tag_of_filters(resource: str, book: str | None, filters: Mapping[str, Any]) -> str:
    """The tag that an answer depends on.

    Args:
        resource: what it lists.
        book: the only book that it is about; None if there may be several.
        filters: the values that each field may have: one, or a collection.
    """
    if book is None or resource not in TAGGED:
        return resource
    for field in TAGGED[resource]:
        name = LISTS.get(field, field)
        match filters.get(name):
            case str(value) | [str(value)]:
                return tag(resource, book, name, value)
    return tag(resource, book)


def tags_of(resource: str, records: Iterable[Mapping[str, Any]]) -> Sequence[str]:
    """The tags of the answers that written records make stale.

    Args:
        resource: what was written.
        records: with their books (a record without the field is in the main book), or an update of
            an agent, which is in none.
    """
    fields = TAGGED.get(resource, ())
    tags = {resource: None}  # in order, each once
    for record in records:
        book = record.get("book", MAIN) if resource in TAGGED else None
        if book:
            tags[tag(resource, book)] = None
        for field in fields:
            name = LISTS.get(field, field)
            value = record.get(field)
            for one in (value or ()) if field in LISTS else (value,):
                if book and one is not None:
                    tags[tag(resource, book, name, one)] = None
                if resource in OF_EVERY_BOOK and one is not None:
                    tags[tag(resource, None, name, one)] = None
    return tuple(tags)


def tags_of_book(book: str) -> Sequence[str]:
    """The tags of the answers that a change of a book makes stale.

    Among them are those about all of its trades: profit is shown with the mode and the currency of
    its book.
    """
    in_book = (tag(resource, book) for resource in _WITH_BOOK)
    return ("books", *_WITH_BOOK, *in_book)


def tags_of_series(series: Iterable[tuple[str, str | None]]) -> Sequence[str]:
    """The tags of the answers that changed metrics make stale.

    Args:
        series: the type of each series that changed, and the book in its labels.
    """
    tags = {"metrics"}
    for metric_type, book in series:
        tags.add(f"metrics:{metric_type}")
        if book is not None:
            tags.update((tag("metrics", book), f"{tag('metrics', book)};{metric_type}"))
    return tuple(sorted(tags))
