"""The objects that a host may pass as a record, or as a list of records.

| given | taken as |
|---|---|
| mapping | a record |
| dataclass, named tuple, attrs, pydantic and msgspec objects | a record of its public fields |
| `pandas.Series` with names (a row of a DataFrame) | a record |
| `pandas` or `polars` DataFrame, `pyarrow` Table | a list: each row is a record |
| the index of a `pandas` DataFrame | fields, if it has names; times without a name are refused |
| any other iterable but text, bytes and sets | a list |

Libraries are recognised by attributes and names, so that none of them has to be installed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from typing import Any, Final

from alphapulse_api.domain.errors import ValidationProblem

ROWS: Final = 200  # of a frame that are converted at a time: some 0.8 ms
_TIMES: Final = frozenset({"executed_at", "timestamp", "created_at", "as_of"})  # of records
_NOT_LISTS: Final = (str, bytes, bytearray, memoryview, Set, Mapping)


def fields_of(value: Any) -> Mapping[Any, Any] | None:
    """The fields of a record, by name; None if the value is no record."""
    if isinstance(value, Mapping):
        return value
    kind = type(value)
    names: Iterable[str]
    if isinstance(value, tuple):
        # A name such as `_2` is how pandas names a column that is no identifier: it must be kept.
        return {name: getattr(value, name) for name in getattr(kind, "_fields", ())} or None
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif (attributes := getattr(kind, "__attrs_attrs__", None)) is not None:
        names = [attribute.name for attribute in attributes]
    elif hasattr(kind, "model_dump") and hasattr(kind, "model_fields"):
        names = [*kind.model_fields, *(value.model_extra or ())]
    elif (of_struct := getattr(kind, "__struct_fields__", None)) is not None:
        names = of_struct
    elif _is(kind, "pandas", "Series"):
        row: dict[Any, Any] = value.to_dict()
        return row if row and all(isinstance(name, str) for name in row) else None
    else:
        return None
    return {n: getattr(value, n) for n in names if not n.startswith("_")} or None


def items_of(value: Any) -> Iterator[Any] | None:
    """The items of a list, a frame or another iterable, one by one; None if it is none of them."""
    if isinstance(value, (list, tuple)):
        return iter(value)
    if isinstance(value, _NOT_LISTS):
        return None
    kind = type(value)
    if _is(kind, "pandas", "DataFrame"):
        indexed = _index_names(value)
        return _rows(len(value), lambda first: _records(value.iloc[first : first + ROWS], indexed))
    if _is(kind, "polars", "DataFrame"):
        return _rows(len(value), lambda first: value.slice(first, ROWS).to_dicts())
    if _is(kind, "pyarrow", "Table"):
        return _rows(len(value), lambda first: value.slice(first, ROWS).to_pylist())
    if _is(kind, "numpy", "ndarray") and value.ndim == 0:
        return None  # it is one value
    # Looked up in the class, because a field of a record may have any name.
    return iter(value) if hasattr(kind, "__iter__") else None


def _index_names(frame: Any) -> list[str]:
    """The levels of a frame's index that are fields: those with a name that no column has.

    Raises:
        ValidationProblem: if an index without a name has times, and no other field has any.
    """
    index = frame.index
    times = type(index).__name__ == "DatetimeIndex"
    if times and index.name is None and _TIMES.isdisjoint(frame.columns):
        detail = (
            "The index has times and no name: name it after the field that it is, as "
            'frame.rename_axis("executed_at"), or drop it, as frame.reset_index(drop=True).'
        )
        raise ValidationProblem([{"pointer": "", "detail": detail}])
    return [name for name in index.names if name is not None and name not in frame.columns]


def _records(frame: Any, indexed: list[str]) -> list[dict[Any, Any]]:
    records: list[dict[Any, Any]] = frame.to_dict("records")
    for name in indexed:
        for record, value in zip(records, frame.index.get_level_values(name), strict=True):
            record[name] = value
    return records


def is_series(value: Any) -> bool:
    """Whether it is a `pandas.Series`."""
    return _is(type(value), "pandas", "Series")


def _rows(count: int, part: Any) -> Iterator[Any]:
    for first in range(0, count, ROWS):
        yield from part(first)


def _is(kind: type, library: str, name: str) -> bool:
    return any(
        base.__name__ == name and base.__module__.partition(".")[0] == library
        for base in kind.__mro__
    )


def extras_in_metadata(record: Any, known: Collection[str]) -> Any:
    """A record with the fields that are not known moved into its `metadata`.

    A field whose name is in the metadata with another value stays, and is refused as unknown later:
    neither value may be lost. Anything but a record is returned unchanged.
    """
    fields = fields_of(record)
    if fields is None or not (extras := {n: v for n, v in fields.items() if n not in known}):
        return record
    metadata = fields_of(fields.get("metadata")) or {}
    rest = {
        name: value
        for name, value in fields.items()
        if name in known or (name in metadata and not _same(value, metadata[name]))
    }
    return {**rest, "metadata": {**extras, **metadata}}


def _same(value: Any, other: Any) -> bool:
    try:
        return bool(value is other or value == other)
    except Exception:  # an array has no single truth value
        return False
