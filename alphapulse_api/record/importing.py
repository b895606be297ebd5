"""The host's side of `import_history`: divides an equity curve and trades into batches.

It converts only as much as recognising repeats needs: the pairs of an equity curve become records,
and a trade without an id gets one made of its content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.errors import Conflict, ValidationProblem
from alphapulse_api.domain.histories import ContentIds, Imported, equity_points
from alphapulse_api.domain.host_objects import fields_of, items_of
from alphapulse_api.record.inputs import Extras
from alphapulse_api.schemas.fields.base import kind_of

__all__ = ["BATCH", "ImportCall", "Imported", "import_calls"]

BATCH: Final = 1000  # records a call; each call is stored as a whole


class ImportCall(NamedTuple):
    """A call of the feed that stores one batch.

    Attributes:
        method: "import_equity" or "import_trades".
        records: the batch.
        options: the keyword arguments.
        first: the position of its first record in what the host gave.
    """

    method: str
    records: list[Any]
    options: dict[str, Any]
    first: int

    @contextmanager
    def located(self) -> Iterator[None]:
        """Let the errors of the call point into the whole history, as /trades/12345/price."""
        try:
            yield
        except ValidationProblem as problem:
            errors = [self._moved(error) for error in problem.errors]
            count = len(errors) + problem.extra.get("errors_omitted", 0)
            raise ValidationProblem(errors, count) from None
        except Conflict as conflict:
            errors = [self._moved(error) for error in conflict.extra.get("errors", ())]
            raise Conflict(conflict.detail, errors=errors) from None

    def _moved(self, error: Mapping[str, Any]) -> dict[str, Any]:
        name = self.method.removeprefix("import_")
        pointer = str(error.get("pointer", ""))
        number, _, below = pointer.removeprefix("/").partition("/")
        if number.isdigit():
            place = f"/{name}/{self.first + int(number)}"
            return {**error, "pointer": f"{place}/{below}" if below else place}
        return {**error, "pointer": pointer or f"/{name}"}


def import_calls(
    equity: Any,
    trades: Any,
    *,
    book: str | None = None,
    currency: str | None = None,
    extras: Extras = "refuse",
) -> Iterator[ImportCall]:
    """The calls that import a history, in order; the last one of each kind is marked.

    Raises:
        ValidationProblem: if the equity curve or the trades are not a list.
    """
    place = {} if book is None else {"book": book}
    if equity is not None:
        yield from _calls(
            "import_equity",
            equity_points(equity, partial(_items, "equity")),
            place if currency is None else {**place, "currency": currency},
        )
    if trades is not None:
        options = place if extras == "refuse" else {**place, "extras": extras}
        yield from _calls(
            "import_trades", map(ContentIds().identified, _items("trades", trades)), options
        )


def _calls(method: str, items: Iterator[Any], options: dict[str, Any]) -> Iterator[ImportCall]:
    first = 0
    batch = list(islice(items, BATCH))
    while batch:
        following = list(islice(items, BATCH))
        last = {} if following else {"last": True}
        yield ImportCall(method, batch, {**options, **last}, first)
        first += len(batch)
        batch = following


def _items(name: str, value: Any) -> Iterator[Any]:
    items = None if fields_of(value) is not None else items_of(value)
    if items is None:
        detail = f"Not a list of records but {kind_of(value)}."
        raise ValidationProblem([{"pointer": f"/{name}", "detail": detail}])
    return items
