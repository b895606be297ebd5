"""Records as a call sends them: with their ids, and zones in their times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final, Literal

import uuid_utils

from alphapulse_api.client.decision_rows import Decision
from alphapulse_api.domain.host_objects import extras_in_metadata, fields_of, items_of
from alphapulse_api.domain.plain import plain, zoned
from alphapulse_api.domain.times import localised

# A mapping, or an object with the record's fields; an iterable of them, or a DataFrame.
Record = Mapping[str, Any] | Any
Records = Iterable[Record] | Any
Extras = Literal["refuse", "metadata"]

TIMES: Final = frozenset({
    "timestamp", "executed_at", "created_at", "as_of", "opened_at", "made_at", "valid_until",
    "starts_at", "until",
})  # fmt: skip


class Prepared:
    """Prepares records for the calls that write."""

    _zone: tzinfo | None = None  # the zone of naive datetimes; None refuses them

    def _items(self, records: Records) -> Iterator[Record]:
        """The records of a list; raises `TypeError` for anything else."""
        items = None if fields_of(records) is not None else items_of(records)
        if items is None:
            raise TypeError(f"not a list of records but {type(records).__name__}")
        return items

    def _timed(self, points: Iterable[Record]) -> list[dict[str, Any]]:
        at = datetime.now(UTC)
        return [self._given(point, timestamp=at) for point in points]

    def _named(self, record: Record, extras: Extras, kind: type) -> dict[str, Any]:
        """Add an id, sortable by time, unless the record has one."""
        if extras == "metadata":
            record = extras_in_metadata(record, kind.__annotations__.keys())
        return self._given(record, id=str(uuid_utils.uuid7()))

    def _decided(self, decision: Record, extras: Extras) -> dict[str, Any]:
        """A decision with an id; its signals and trades have zones in their times."""
        body = self._named(decision, extras, Decision)
        for name in ("signals", "trades"):
            if (parts := items_of(body.get(name))) is not None:
                body[name] = [self._given(part) for part in parts]
        return body

    def _given(self, record: Record, **defaults: Any) -> dict[str, Any]:
        """The fields of a record, with defaults for missing ones, and zones for naive datetimes.

        Raises:
            TypeError: if it is not a record.
            ValueError: for a datetime without a zone, unless the client has one.
        """
        fields = fields_of(record)
        if fields is None:
            raise TypeError(f"not a record but {type(record).__name__}")
        given: dict[str, Any] = {**defaults, **fields}
        for name, default in defaults.items():
            if plain(given[name]) is None:
                given[name] = default
        for name in TIMES & given.keys():
            if isinstance(value := plain(given[name]), date):
                given[name] = localised(value, self._zone)
        if "metadata" in given:
            given["metadata"] = zoned(
                plain({"metadata": given["metadata"]})["metadata"], self._zone
            )
        return given
