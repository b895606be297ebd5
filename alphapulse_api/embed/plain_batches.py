"""Batches of plain records without a waiting caller, encoded as one JSON text.

Encoding holds the host's interpreter lock and may delay a tick of its event loop. orjson takes
0.1 µs per record; checking each value, adding ids and times, and pickling take 2.5 µs. So the
dashboard's process adds ids and times, and orjson does the check: it refuses what JSON cannot
represent exactly, such as a Decimal or an integer of more than 64 bits.

A batch that is sent again gets the same ids. They are derived from the batch's random number, the
time at which a record was handed over, and the record's position.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import orjson

from alphapulse_api.domain.value_bounds import is_bounded
from alphapulse_api.embed.calls import STAMPS, Call, stamped_record

_RANDOM_BYTES: Final = 8
# Refuse types that orjson and `domain.plain` convert differently; they agree on enums and UUIDs.
_OPTIONS: Final = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)

Handed = tuple[int, dict[str, Any]]  # time of the call in nanoseconds since the epoch, and record


def is_stampable(method: str, record: dict[str, Any]) -> bool:
    """Whether a record will get a time, so that it can share a batch with those of other calls.

    A record with an id and no time gets none; see `Stamp`. A record that orjson could not encode in
    bounded time is left to `plain`, which refuses it.
    """
    stamp = STAMPS[method]
    timed = not stamp.identified or record.get("id") is None or record.get(stamp.time) is not None
    return timed and is_bounded(record)


def encode(method: str, records: Sequence[Handed]) -> bytes:
    """Encode the body of the records' frame.

    Raises:
        TypeError: if a value is not plain, or nested too deeply.
    """
    return orjson.dumps((method, os.urandom(_RANDOM_BYTES).hex(), records), option=_OPTIONS)


def decode(body: bytes) -> Call:
    """Decode a batch to a call, whose records all get an id and a time."""
    method, random, handed = orjson.loads(body)
    tail = _tail(random)
    records = []
    for place, (nanoseconds, record) in enumerate(handed):
        make_id = partial(_id, nanoseconds // 1_000_000, place, tail)
        records.append(stamped_record(record, method, nanoseconds // 1000, make_id))
    return Call(method, handed[0][0] // 1000, records, True, waits=False, timed=True)


def _tail(random: str) -> str:
    """The suffix of a batch's ids: the variant (RFC 9562) and 62 bits of its random number."""
    return f"{int(random[0], 16) & 3 | 8:x}{random[1:4]}-{random[4:]}"


def _id(milliseconds: int, place: int, tail: str) -> str:
    """A UUID of version 7. Its counter is the position in the batch, so ids sort in batch order."""
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}-7{place:03x}-{tail}"
