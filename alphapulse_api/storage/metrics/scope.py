"""Which series a caller may read: those whose label `book` is among its books."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from alphapulse_api.domain.books import ALL, BOOK_LABEL, PRICE, Books
from alphapulse_api.storage.metrics.series import Series, SeriesCatalogue


class Question(NamedTuple):
    """A part of the series that a question is about.

    Attributes:
        metric_type: their type; None: any.
        labels: that all of them have.
        unlabelled: whether only those without a book are meant.
    """

    metric_type: str | None
    labels: Mapping[str, str]
    unlabelled: bool = False


class Scope(NamedTuple):
    """The series that may be read.

    Attributes:
        books: those of the series.
        prices: whether prices that belong to no book may be read, too.
    """

    books: Books = ALL
    prices: bool = True

    @property
    def mark(self) -> str | None:
        """Distinguishes the cursors of different scopes; None: of all series."""
        return None if self.books.ids is None else f"{self.books.text}:{self.prices}"

    def allows(self, metric_type: str, labels: Mapping[str, str]) -> bool:
        """Whether the points of a series may be read."""
        if self.books.ids is None:
            return True
        book = labels.get(BOOK_LABEL)
        return self.prices and metric_type == PRICE if book is None else book in self.books

    def questions(
        self, metric_type: str | None, labels: Mapping[str, str] | None
    ) -> Iterator[Question]:
        """The parts of a question that are answered by an index each; no series is in two."""
        wanted = dict(labels or {})
        if self.books.ids is None:
            yield Question(metric_type, wanted)
            return
        named = wanted.get(BOOK_LABEL)
        for book in self.books.ids:
            if named in (None, book):
                yield Question(metric_type, {**wanted, BOOK_LABEL: book})
        if self.prices and named is None and metric_type in (None, PRICE):
            yield Question(PRICE, wanted, unlabelled=True)

    async def find(
        self,
        catalogue: SeriesCatalogue,
        metric_type: str | None,
        name: str | None,
        labels: Mapping[str, str] | None,
    ) -> dict[int, Series]:
        """Those of a type, a name and labels, by number; raises as `SeriesCatalogue.find`."""
        found: dict[int, Series] = {}
        for question in self.questions(metric_type, labels):
            part = await catalogue.find(question.metric_type, name, question.labels)
            if question.unlabelled:
                part = {n: one for n, one in part.items() if BOOK_LABEL not in one.labels}
            found = part if not found else {**found, **part}
        return found
