"""Books, and their portfolios side by side."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import Schema, fields

from alphapulse_api.domain.books import MODES
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import BookId, Choice, Money, Text, Timestamp
from alphapulse_api.schemas.queries import ListQuery


class BookMode(Choice):
    """Whether the money of a book is real."""

    words = MODES


class BookRequest(Schema):
    """A book to open or to change; what is left out stays as it is."""

    # A book that was read may be sent back; the path names it, and the server sets the rest.
    read_only: ClassVar = frozenset({"id", "opened_at", "closed_at"})

    title = Text(256, allow_none=True)
    mode = BookMode(
        allow_none=True,
        metadata={"description": "required to open a book; the first record fixes it"},
    )
    currency = Text(
        16,
        allow_none=True,
        metadata={"description": "of its portfolio, whose first update fixes it"},
    )
    closed = fields.Boolean(
        truthy={True},
        falsy={False},
        allow_none=True,
        metadata={"description": "true: takes late facts and corrections, and nothing new"},
    )


class Book(Answer):
    """An account, a strategy or a run with money of its own."""

    id = BookId()
    title = Text(256, allow_none=True)
    mode = BookMode()
    currency = Text(
        16, allow_none=True, metadata={"description": "null before the first portfolio"}
    )
    opened_at = Timestamp()
    closed_at = Timestamp(allow_none=True, metadata={"description": "null: it is open"})


class BooksQuery(ListQuery):
    """Which books, and which page of them."""

    mode = BookMode()


class BookPortfolio(Answer):
    """The current portfolio of a book, without its positions."""

    book = BookId()
    title = Text(256, allow_none=True)
    mode = BookMode()
    closed_at = Timestamp(allow_none=True)
    currency = Text(16, allow_none=True)
    total_value = Money(
        signed=True, allow_none=True, metadata={"description": "null before the first update"}
    )
    cash = Money(signed=True, allow_none=True)
    positions_value = Money(signed=True, allow_none=True)
    as_of = Timestamp(allow_none=True)
    stale = fields.Boolean(
        allow_none=True, metadata={"description": "older than portfolio.stale_after"}
    )


class PortfolioTotal(Answer):
    """The sum of the open books of one mode and one currency."""

    mode = BookMode()
    currency = Text(16)
    books = fields.Integer(metadata={"description": "how many are summed"})
    total_value = Money(signed=True)
    cash = Money(signed=True)
    positions_value = Money(signed=True)


class PortfolioOverview(Answer):
    """The current portfolio of each book; totals never add different modes or currencies."""

    portfolios = fields.List(fields.Nested(BookPortfolio))
    totals = fields.List(fields.Nested(PortfolioTotal))
    stale_after = fields.Float(
        metadata={"description": "the age in seconds from which a portfolio is stale"}
    )
