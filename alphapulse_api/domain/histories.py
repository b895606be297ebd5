"""Histories as programs hold them: an equity curve in many forms, and records without ids."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.encoding import canonical
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.host_objects import fields_of, is_series
from alphapulse_api.domain.plain import plain

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


def equity_points(equity: Any, items: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
    """The points of an equity curve that have a value, as records.

    Args:
        equity: pairs of a time and a value, a mapping or series of values by time, records, or a
            frame of them.
        items: returns the items of a list; raises an error for anything else.
    """
    pairs: Iterable[Any]
    if isinstance(equity, Mapping) or is_series(equity):
        pairs = equity.items()
    else:
        if type(getattr(equity, "index", None)).__name__ == _INDEX:
            equity = equity.reset_index(names="timestamp")
        pairs = items(equity)
    for pair in pairs:
        point = fields_of(pair)
        if point is None and isinstance(pair, (tuple, list)) and len(pair) == 2:
            point = {"timestamp": pair[0], "total_value": pair[1]}
        if point is None:
            yield pair  # which is refused
        elif "total_value" not in point or plain(point["total_value"]) is not None:
            yield point


class ContentIds:
    """Gives the records of one history ids, the same ones at every import.

    Args:
        owner: the owner of the history, if others may have records that look the same.
    """

    def __init__(self, owner: str = "") -> None:
        self._owner = owner
        self._repeats: Counter[bytes] = Counter()

    def identified(self, record: Any) -> Any:
        """The record with an id; unchanged if it has one, or has values that are refused later."""
        fields = fields_of(record)
        if fields is None or fields.get("id") is not None:
            return record
        try:
            values = plain(fields)
            text = f"{canonical(values)}{self._owner}".encode()
        except (TypeError, ValueError, ValidationProblem):
            return record
        digest = hashlib.blake2b(text, digest_size=_ID_BYTES).digest()
        self._repeats[digest] += 1
        # Two fills of an order may look the same.
        number = f"-{self._repeats[digest]}" if self._repeats[digest] > 1 else ""
        return {**values, "id": f"import-{digest.hex()}{number}"}
