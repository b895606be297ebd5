"""Plain records for which nobody waits, as they travel: many of them as one JSON text.

While the host encodes it holds its interpreter lock, and a tick of its loop may be due. orjson
takes 0.1 µs a record, where to look at each value, to give ids and times, and pickle take 2.5. So
the dashboard's process does the first three, and orjson finds out whether the values are plain: it
refuses what JSON cannot say exactly, such as a Decimal or an integer of more than 64 bits.

A repeat gets the same ids, since they follow from the batch: its random number, the moment a record
was handed over, and the record's place.
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
# What orjson would write in a way of its own; enums and UUIDs it writes as `domain.plain` does.
_OPTIONS: Final = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)

Handed = tuple[int, dict[str, Any]]  # when, in nanoseconds since the epoch, and the record


def is_stampable(method: str, record: dict[str, Any]) -> bool:
    """Whether a record will have a time, so that it may share a batch with those of other calls.

    One with an id and no time keeps the time left out; see `Stamp`. One that orjson could not write
    in a bounded time is left to `plain`, which refuses it.
    """
    stamp = STAMPS[method]
    timed = not stamp.identified or record.get("id") is None or record.get(stamp.time) is not None
    return timed and is_bounded(record)


def encode(method: str, records: Sequence[Handed]) -> bytes:
    """The body of their frame.

    Raises:
        TypeError: if a value is not plain, or nested too deeply.
    """
    return orjson.dumps((method, os.urandom(_RANDOM_BYTES).hex(), records), option=_OPTIONS)


def decode(body: bytes) -> Call:
    """The call of these records, each with its id and its time."""
    method, random, handed = orjson.loads(body)
    tail = _tail(random)
    records = []
    for place, (nanoseconds, record) in enumerate(handed):
        make_id = partial(_id, nanoseconds // 1_000_000, place, tail)
        records.append(stamped_record(record, method, nanoseconds // 1000, make_id))
    return Call(method, handed[0][0] // 1000, records, True, waits=False, timed=True)


def _tail(random: str) -> str:
    """The end of a batch's ids: the variant of RFC 9562 and 62 bits of its random number."""
    return f"{int(random[0], 16) & 3 | 8:x}{random[1:4]}-{random[4:]}"


def _id(milliseconds: int, place: int, tail: str) -> str:
    """A UUID of version 7, whose counter is the place in the batch: ids keep the order."""
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}-7{place:03x}-{tail}"
