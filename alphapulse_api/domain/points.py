"""Checked metric points in columns.

Only batches of points have tens of thousands of records. Dicts cost two containers a point, which
the garbage collector visits again and again. Columns cost none, and hold the few series of the
points once.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Self, overload

from alphapulse_api.domain.books import BOOK_LABEL, Books
from alphapulse_api.domain.encoding import canonical
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.domain.tags import tags_of_series
from alphapulse_api.domain.times import from_micros, to_micros

Key = tuple[str, str, str]  # type, name, labels as canonical JSON
Place = tuple[Key, int]  # of a point: its series, and its instant in microseconds


class SeriesName:
    """The identity of a series, which its points share; immutable.

    Attributes:
        metric_type: of the series.
        name: of the series.
        labels: of the series.
        key: the same three, to compare and to store.
    """

    __slots__ = ("key", "labels", "metric_type", "name")

    def __init__(self, metric_type: str, name: str, labels: Mapping[str, str]) -> None:
        self.metric_type = metric_type
        self.name = name
        self.labels = labels
        self.key: Key = (metric_type, name, canonical(labels))

    def __repr__(self) -> str:
        return f"<SeriesName {self.key}>"


class ForeignSeries(NotFound):
    """The labels of series name books that the sender does not have.

    Args:
        books: by the key of the series.

    Attributes:
        keys: those of the series.
    """

    def __init__(self, books: Mapping[Key, str]) -> None:
        super().__init__(f"There is no book {min(books.values())!r}.")
        self.keys = frozenset(books)


class Points(Sequence[dict[str, Any]]):
    """A batch of points; as a sequence, their dicts, each made on access.

    Attributes:
        series: of each point.
        instants: of each point, in microseconds since the epoch.
        values: of each point; neither infinite nor NaN. Zero has no sign, because not every store
            keeps one.
    """

    __slots__ = ("instants", "series", "values")

    def __init__(self) -> None:
        self.series: list[SeriesName] = []
        self.instants: list[int] = []
        self.values: list[float | None] = []

    @classmethod
    def of(cls, points: Iterable[Mapping[str, Any]]) -> Self:
        """The columns of points that were validated and have a time.

        Raises:
            ValueError: if a time has no zone.
        """
        made = cls()
        for point in points:
            made.add(point)
        return made

    def add(self, point: Mapping[str, Any]) -> None:
        """Append such a point."""
        value = point["value"]
        self.instants.append(to_micros(point["timestamp"]))
        self.series.append(SeriesName(point["metric_type"], point["name"], point["labels"]))
        self.values.append(value or (None if value is None else 0.0))

    def without(self, keys: Container[Key]) -> Points:
        """The points whose series are not among the keys."""
        rest = Points()
        for series, at, value in zip(self.series, self.instants, self.values, strict=True):
            if series.key not in keys:
                rest.series.append(series)
                rest.instants.append(at)
                rest.values.append(value)
        return rest

    def within(self, books: Books) -> Points:
        """The points in their books: a series without the label `book` gets that of the home book.

        Raises:
            ForeignSeries: for series whose label names a book that is not among them.
        """
        if books.ids is None:
            return self
        placed: dict[SeriesName, SeriesName] = {}
        foreign: dict[Key, str] = {}
        for series in set(self.series):
            book = series.labels.get(BOOK_LABEL)
            if book is None:
                labels = dict(sorted({**series.labels, BOOK_LABEL: books.home}.items()))
                placed[series] = SeriesName(series.metric_type, series.name, labels)
            elif book not in books:
                foreign[series.key] = book
        if foreign:
            raise ForeignSeries(foreign)
        points = Points()
        points.series = [placed.get(series, series) for series in self.series]
        points.instants, points.values = self.instants, self.values
        return points

    @property
    def kinds(self) -> set[tuple[str, str | None]]:
        """The metric types among them, each with the books in the labels of its series."""
        return {(series.metric_type, series.labels.get(BOOK_LABEL)) for series in set(self.series)}

    @property
    def tags(self) -> Sequence[str]:
        """The tags of the cached answers that the points make stale."""
        return tags_of_series(self.kinds)

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        series = self.series[index]
        return {
            "metric_type": series.metric_type,
            "name": series.name,
            "timestamp": from_micros(self.instants[index]),
            "value": self.values[index],
            "labels": dict(series.labels),
        }
