"""Rows of an answer, which are turned into dicts on first access."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

from alphapulse_api.storage.engine.base import Row

T = TypeVar("T")
Record = dict[str, Any]
Make = Callable[[Sequence[Row], bool], list[Record]]


class Page(Sequence[Record]):
    """A sequence of dicts, and the cursor of the page after them (None on the last page).

    An answer in text needs neither datetimes nor Decimals, so the dicts that have them are made
    on first access; `plain` returns the same rows in the form that text takes.

    Args:
        rows: as the driver returned them.
        make: makes dicts of them, plain ones if its second argument is true.
        next_cursor: the cursor of the page after this one.
        approximate: the fields that are not exact.
        bulk: returns about how many bytes a row takes; None if all rows are short.
    """

    __slots__ = ("_bulk", "_make", "_records", "_rows", "approximate", "next_cursor")

    def __init__(
        self,
        rows: Sequence[Row] = (),
        make: Make | None = None,
        next_cursor: str | None = None,
        approximate: Sequence[str] = (),
        bulk: Callable[[Row], int] | None = None,
    ) -> None:
        self._bulk = bulk
        self._rows = rows
        self._make = make
        self._records: list[Record] | None = None
        self.next_cursor = next_cursor
        self.approximate = approximate

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        return self._looked_at()[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._looked_at())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Page):
            return self._looked_at() == other._looked_at()
        return self._looked_at() == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Page {self._looked_at()!r} next_cursor={self.next_cursor!r}>"

    def plain(self, start: int = 0, stop: int | None = None) -> list[Record]:
        """New dicts, with times as RFC 3339 and decimals as text, as JSON has them."""
        return self._make(self._rows[start:stop], True) if self._make is not None else []

    def typed(self, start: int = 0, stop: int | None = None) -> list[Record]:
        """New dicts, with times as datetimes and decimals as Decimals."""
        return self._make(self._rows[start:stop], False) if self._make is not None else []

    def parts(self, size: int) -> Iterator[Page]:
        """The same rows in pages of about so many bytes; at least one."""
        begin = taken = 0
        if self._bulk is not None:
            for at, row in enumerate(self._rows):
                taken += self._bulk(row)
                if taken >= size:
                    yield Page(self._rows[begin : at + 1], self._make)
                    begin, taken = at + 1, 0
        if begin < len(self._rows) or not begin:
            yield Page(self._rows[begin:], self._make)

    def _looked_at(self) -> list[Record]:
        if self._records is None:
            self._records = self.typed()
        return self._records


def page_of_records(records: Sequence[Record], next_cursor: str | None) -> Page:
    """A page of rows that were computed, and not read from a table."""
    return Page([(row,) for row in records], lambda rows, _: [row[0] for row in rows], next_cursor)


def plain(rows: Sequence[T], start: int = 0, stop: int | None = None) -> Sequence[T] | list[Record]:
    """Rows for text: those of a page in their plain form, a host's own rows unchanged."""
    return rows.plain(start, stop) if isinstance(rows, Page) else list(rows[start:stop])


def typed(rows: Sequence[T], start: int, stop: int) -> Sequence[T] | list[Record]:
    """Rows for columns: those of a page in their typed form, a host's own rows unchanged."""
    return rows.typed(start, stop) if isinstance(rows, Page) else list(rows[start:stop])


def parts(rows: Sequence[T], size: int) -> Iterator[Sequence[T] | Page]:
    """Rows in parts of about so many bytes, at least one; a host's own rows are one part."""
    if isinstance(rows, Page):
        yield from rows.parts(size)
    else:
        yield rows
