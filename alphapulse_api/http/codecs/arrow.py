"""Rows as an Arrow IPC stream: typed columns that polars, pandas and pyarrow open as they are.

The types of the columns come from the answer's marshmallow schema, so an empty answer has the same
columns as a full one. Text that repeats is dictionary-encoded. Labels are JSON text: every reader
reads text the same way and can group by it, neither of which holds for a map. Each batch brings its
own dictionary, which replaces the previous one, because polars does not read deltas.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from marshmallow import fields

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.fields import (
    Choice,
    Figure,
    Figures,
    Labels,
    Metadata,
    Money,
    Timestamp,
)
from alphapulse_api.storage.page import typed

if TYPE_CHECKING:
    import pyarrow as pa

MISSING: Final = (
    'Arrow needs pyarrow, which is not installed here: pip install "alphapulse_api[arrow]"'
)
STEP_ROWS: Final = 100  # converted in one step
# Text fields with few distinct values. Words of a closed list and labels always count as such.
REPEATED: Final = frozenset({
    "metric_type", "name", "symbol", "strategy", "agent_id", "agent_type", "fee_currency",
    "order_type", "source", "rule_id", "metric_name", "acknowledged_by", "component", "book",
    "rating", "model", "cycle_id", "actor", "role", "key_id", "address",
    "fingerprint",
})  # fmt: skip


def installed() -> bool:
    """Whether pyarrow is installed; it is imported with the first request for Arrow."""
    return find_spec("pyarrow") is not None


class ArrowStream:
    """One answer as an Arrow IPC stream.

    Args:
        columns: the columns of the answer, in order.
    """

    def __init__(self, columns: Mapping[str, fields.Field[Any]]) -> None:
        import pyarrow as pa

        self._columns = columns
        self._schema = pa.schema([(name, _type(name, field)) for name, field in columns.items()])
        self._sink = _Sink()
        self._writer = pa.ipc.new_stream(self._sink, self._schema)

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> Steps[bytes]:
        """Encode the stream's next bytes in steps: one batch.

        Raises:
            Exception: for a value that its column cannot hold, which only a host's own accessor can
                return.
        """
        import pyarrow as pa

        if rows:
            records: list[Mapping[str, Any]] = []
            for at in range(0, len(rows), STEP_ROWS):
                records += typed(rows, at, at + STEP_ROWS)
                yield
            arrays = []
            for name, field in self._columns.items():
                values = [row.get(name) for row in records]
                arrays.append(_array(values, field, self._schema.field(name).type))
                yield
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        return self._sink.take()

    def end(self) -> bytes:
        """The stream's last bytes; a stream without rows is well-formed too."""
        self._writer.close()
        return self._sink.take()


class _Sink(io.RawIOBase):
    """The file that pyarrow writes to, emptied after each batch."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position  # in the whole stream: pyarrow aligns by it

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _type(name: str, field: fields.Field[Any]) -> pa.DataType:
    import pyarrow as pa

    match field:
        case Timestamp():
            return pa.timestamp("us", tz="UTC")
        case Figure() | fields.Float():
            return pa.float64()
        case fields.Integer():
            return pa.int64()
        case fields.Boolean():
            return pa.bool_()
        case Choice() | Labels():
            return pa.dictionary(pa.int32(), pa.utf8())
    # Exact decimals are text too: no type of fixed scale holds the digits of every venue's quotes.
    return pa.dictionary(pa.int32(), pa.utf8()) if name in REPEATED else pa.utf8()


def _array(values: Sequence[Any], field: fields.Field[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if text := _text(field):
        values = [None if value is None else text(value) for value in values]
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode()
    try:
        return pa.array(values, kind)
    except (TypeError, ValueError):
        # A host's own accessor may write a time or a number otherwise, as it may in a body.
        return pa.array([v if v is None else field.deserialize(v) for v in values], kind)


def _text(field: fields.Field[Any]) -> Callable[[Any], str] | None:
    """The function that turns a field's values into text; None if they stay as they are."""
    match field:
        case Money():
            return _digits
        case Labels() | Figures() | Metadata() | fields.List():
            return _json
    return None


def _digits(value: Any) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _json(value: Any) -> str:
    return dumps(value).decode()
