"""The fields and base schemas of query strings, where every value arrives as text."""

from __future__ import annotations

import re
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields

from alphapulse_api.domain.books import EVERY
from alphapulse_api.schemas.fields import BookId, Choice, Text, Timestamp, clean

MAX_LIMIT: Final = 10_000
MAX_BOOKS: Final = 100  # that one question may name
_SPREADSHEET: Final = (
    "csv only: cells of text that a spreadsheet would take for a formula begin with an apostrophe"
)


class QueryInteger(fields.Integer):
    """A whole number between two bounds, in ASCII digits."""

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.low = low
        self.high = high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise ValidationError("Not a whole number.")
        if not self.low <= int(value) <= self.high:
            raise ValidationError(f"Must be between {self.low} and {self.high}.")
        return int(value)


class QueryBoolean(fields.Boolean):
    """true or false; 1 and 0 are understood."""

    _WORDS: Final = {"true": True, "1": True, "false": False, "0": False}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        try:
            return self._WORDS[value.lower()]
        except KeyError:
            raise ValidationError("Must be true or false.") from None


class CommaList(fields.String):
    """A comma list of words out of a closed list.

    Args:
        choice: one word of it.
    """

    def __init__(self, choice: type[Choice], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choice = choice
        self.words = choice.words

    def _deserialize(  # type: ignore[override]
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> list[str]:
        given = [word.strip().lower() for word in value.split(",")]
        for word in given:
            if word not in self.words:
                raise ValidationError(f"{word!r} is not one of {', '.join(self.words)}.")
        return sorted(set(given))


class CommaText(Text):
    """A comma list that the store reads.

    Args:
        longest: characters at most.
        choice: one word of it; the store may know other spellings.
    """

    def __init__(self, longest: int, choice: type[Choice], **kwargs: Any) -> None:
        super().__init__(longest, **kwargs)
        self.choice = choice


class BookList(fields.String):
    """Books: a comma list of ids, or * for every book that the caller has.

    Args:
        several: whether there may be several.
    """

    def __init__(self, *, several: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.several = several
        self._id = BookId()

    def _deserialize(  # type: ignore[override]
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> tuple[str, ...]:
        given = tuple(sorted({book.strip() for book in value.split(",")}))
        if given == (EVERY,) and self.several:
            return given
        if EVERY in given and not self.several:
            raise ValidationError("Must be one book.")
        if len(given) > (MAX_BOOKS if self.several else 1):
            most = f"at most {MAX_BOOKS} books" if self.several else "one book"
            raise ValidationError(f"Must be {most}.")
        for book in given:
            self._id.deserialize(book)
        return given


class LabelPairs(fields.List[str]):
    """Repeatable key:value pairs as one dict."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(fields.String(), **kwargs)

    def _deserialize(  # type: ignore[override]
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, str]:
        pairs: dict[str, str] = {}
        for text in value:
            key, colon, wanted = clean(text).partition(":")
            if not colon or not key:
                raise ValidationError("Labels are written key:value.")
            if pairs.setdefault(key, wanted) != wanted:
                raise ValidationError(f"No series has two values of {key!r}.")
        return dict(sorted(pairs.items()))


def page_of(rows: int) -> dict[str, Any]:
    """The metadata of a limit with this default."""
    return {"description": f"rows of a page; default {rows}", "default": rows}


class Sort(Choice):
    """The order by time."""

    words = ("asc", "desc")


class InBooksQuery(Schema):
    """In which books."""

    book = BookList(
        metadata={
            "description": "repeated, or one comma list; * stands for every book that the caller "
            "has. Default: the caller's home book"
        }
    )


class EveryBookQuery(Schema):
    """In which books; in every one by default."""

    book = BookList(
        metadata={
            "description": "repeated, or one comma list. Default: *, every book that the caller has"
        }
    )


class OneBookQuery(Schema):
    """In which book."""

    book = BookList(several=False, metadata={"description": "default: the caller's home book"})


class RangeQuery(Schema):
    """A half-open range of time."""

    start_time = Timestamp(metadata={"description": "inclusive"})
    end_time = Timestamp(metadata={"description": "exclusive; default: now"})


class Formatted(Schema):
    """In which format; an Accept header says the same."""

    format = Choice("json", "csv", "ndjson", "arrow")
    spreadsheet = QueryBoolean(metadata={"description": _SPREADSHEET})


class ExportFormat(Choice):
    """The format of a file: CSV, JSON in lines, or an Arrow IPC stream."""

    words = ("csv", "ndjson", "arrow")


class SortedQuery(RangeQuery):
    """A range of time, and in which order it is read."""

    sort = Sort(metadata={"description": "by time; default: desc, newest first"})


class ExportQuery(Schema):
    """In which format a file is; an Accept header says the same."""

    format = ExportFormat(metadata={"description": "default: csv"})
    spreadsheet = QueryBoolean(metadata={"description": _SPREADSHEET})


class ListQuery(Formatted):
    """Which page; csv, ndjson and arrow without a limit stream everything that matches."""

    limit = QueryInteger(1, MAX_LIMIT, metadata=page_of(100))
    cursor = Text(
        1024,
        shortest=0,
        metadata={"description": "`X-Next-Cursor` of the page before; empty: the first page"},
    )


class LongListQuery(ListQuery):
    """The same of rows that are short."""

    limit = QueryInteger(1, MAX_LIMIT, metadata=page_of(1000))


class NoQuery(Schema):
    """No parameters at all."""


class RecordQuery(Schema):
    """Which one of several records with the same id."""

    book = BookList(
        metadata={
            "description": "needed where several of the caller's books have a record of this id"
        }
    )
