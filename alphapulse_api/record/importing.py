"""History as a host has it, in batches: an equity curve, and trades.

The host's side of `import_history`. It converts only what distinguishes a repeat from a new record:
the pairs of an equity curve become records, and a trade without an id gets one made of its content.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.encoding import canonical
from alphapulse_api.domain.errors import Conflict, ValidationProblem
from alphapulse_api.domain.host_objects import fields_of, is_series, items_of
from alphapulse_api.domain.plain import plain
from alphapulse_api.record.inputs import Extras
from alphapulse_api.schemas.fields.base import kind_of

BATCH: Final = 1000  # records a call; each call is stored as a whole
_ID_BYTES: Final = 16
_INDEX: Final = "DatetimeIndex"


class Imported(NamedTuple):
    """How many records of a history were new.

    Attributes:
        equity: points of the equity curve.
        trades: trades.
    """

    equity: int
    trades: int


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
    equity: Any, trades: Any, *, currency: str = "USD", extras: Extras = "refuse"
) -> Iterator[ImportCall]:
    """The calls that import a history, in order; the last one of each kind says that it is.

    Raises:
        ValidationProblem: if one of the two is no list.
    """
    if equity is not None:
        yield from _calls("import_equity", _points(equity), {"currency": currency})
    if trades is not None:
        options = {} if extras == "refuse" else {"extras": extras}
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


def _points(equity: Any) -> Iterator[Any]:
    """The points of an equity curve that have a value."""
    pairs: Iterable[Any]
    if isinstance(equity, Mapping) or is_series(equity):
        pairs = equity.items()
    else:
        if type(getattr(equity, "index", None)).__name__ == _INDEX:
            equity = equity.reset_index(names="timestamp")
        pairs = _items("equity", equity)
    for pair in pairs:
        point = fields_of(pair)
        if point is None and isinstance(pair, (tuple, list)) and len(pair) == 2:
            point = {"timestamp": pair[0], "total_value": pair[1]}
        if point is None:
            yield pair  # which is refused
        elif "total_value" not in point or plain(point["total_value"]) is not None:
            yield point


class ContentIds:
    """Gives the records of one history ids: the same ones whenever it is imported.

    Args:
        owner: whose history it is, where another may have records that look the same.
    """

    def __init__(self, owner: str = "") -> None:
        self._owner = owner
        self._repeats: Counter[bytes] = Counter()

    def identified(self, record: Any) -> Any:
        """The record with an id; as it is, if it has one, or if it is refused for what it holds."""
        fields = fields_of(record)
        if fields is None or fields.get("id") is not None:
            return record
        values = plain(fields)
        try:
            text = f"{canonical(values)}{self._owner}".encode()
        except (TypeError, ValueError):
            return record
        digest = hashlib.blake2b(text, digest_size=_ID_BYTES).digest()
        self._repeats[digest] += 1
        # Two fills of an order may look the same.
        number = f"-{self._repeats[digest]}" if self._repeats[digest] > 1 else ""
        return {**values, "id": f"import-{digest.hex()}{number}"}
