"""Calls of a feed in transit, stamped by the host so that resending one is idempotent.

The dashboard's process may die after it has stored a record and before it has answered. The host
then sends the same call to the successor. Every record gets its id and its time before it is first
sent, so the feed recognises a record that is already stored.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import time_ns
from typing import Any, Final, NamedTuple

import uuid_utils

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.plain import plain
from alphapulse_api.embed.frames import Frame, Kind, body_of, chunks_of, dumps, loads, parts


class Stamp(NamedTuple):
    """What is added to a method's records before they are sent.

    Attributes:
        time: the name of the time field.
        identified: whether records have an id. A record without an id gets an id and a time. A
            record with an id but no time stays without one, so that a repeat by the caller is equal
            to it; the time of its call is sent with the call.
        ordered: whether the store orders records without a time by receipt.
    """

    time: str
    identified: bool = False
    ordered: bool = False


STAMPS: Final[Mapping[str, Stamp]] = {
    "record_metrics": Stamp("timestamp"),
    "record_metrics_batch": Stamp("timestamp"),
    "record_trade": Stamp("executed_at", identified=True),
    "record_trades": Stamp("executed_at", identified=True),
    "record_trades_batch": Stamp("executed_at", identified=True),
    "raise_alert": Stamp("created_at", identified=True),
    "record_signal": Stamp("timestamp", identified=True),
    "record_decision": Stamp("made_at", identified=True),
    "record_usage": Stamp("timestamp", identified=True),
    "report_system": Stamp("timestamp"),
    "raise_alerts_batch": Stamp("created_at", identified=True),
    "record_signals_batch": Stamp("timestamp", identified=True),
    "record_decisions_batch": Stamp("made_at", identified=True),
    "record_usage_batch": Stamp("timestamp", identified=True),
    "report_system_batch": Stamp("timestamp"),
    "update_portfolio": Stamp("as_of", ordered=True),
}
# Methods whose records can be merged into one batch, each record accepted or refused alone, and the
# method that stores the batch.
MERGED: Final[Mapping[str, str]] = {
    "record_metrics": "record_metrics_batch",
    "record_metrics_batch": "record_metrics_batch",
    "record_trade": "record_trades_batch",
    "record_trades": "record_trades_batch",
    "record_trades_batch": "record_trades_batch",
}


class Answer:
    """A future for the answer to one call, on which its caller blocks."""

    __slots__ = ("_done", "frame")

    def __init__(self) -> None:
        self.frame: Frame | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def set(self, frame: Frame | None) -> None:
        """Wake the caller; None: the dashboard closed before there was an answer."""
        self.frame = frame
        self._done.release()

    def wait(self, seconds: float | None) -> bool:
        """Wait for the answer; returns whether it came in time."""
        return self._done.acquire(timeout=-1 if seconds is None else max(seconds, 0.0))


HEALTH: Final = "health"  # a health check, which is not a method of the feed
TAKE: Final = "take_command"
# Calls that record nothing, and wait for others than the store: they are in no partition.
ASIDE: Final = frozenset({HEALTH, TAKE})
# Calls of one partition are carried out in order. Nothing depends on the order across partitions.
# With them, a host that alternates points and trades needs two batches instead of a thousand.
PARTITIONS: Final = ("points", "trades", "others")
_PARTITION_OF: Final = {
    method: "points" if merged == "record_metrics_batch" else "trades"
    for method, merged in MERGED.items()
}


def partition_of(method: str) -> str:
    """The partition of a method's calls."""
    return _PARTITION_OF.get(method, "others")


_PLAIN: Final = frozenset({str, int, bool, type(None)})


@dataclass(slots=True)
class Call:
    """One call of a feed's method.

    Attributes:
        method: its name.
        at: when the host made it, in microseconds since the epoch. It is a number because pickle
            takes ten times as long for a datetime.
        records: the records passed to it, one or many.
        many: whether the method was given a list.
        before: the arguments before the records.
        options: the keyword arguments.
        waits: whether a caller waits for the result.
        timed: whether every record has a time, so that `at` is not needed.
        body: the encoded call, if its caller has encoded it.
        kind: the kind of the frame that carries the body.
        answer: the future on which its caller blocks, if it does.
    """

    method: str
    at: int
    records: Sequence[Any] = ()
    many: bool = False
    before: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    waits: bool = True
    timed: bool = False
    body: bytes = b""
    kind: Kind = Kind.CALL
    answer: Answer | None = None

    @property
    def count(self) -> int:
        """The number of records; a call without any, such as an acknowledgement, counts as one."""
        if self.method in ASIDE:
            return 0
        return len(self.records) if self.many else 1

    @property
    def extras(self) -> dict[str, Any]:
        """The option for unknown fields, if given; only records with the same one share a batch."""
        return {name: value for name, value in self.options.items() if name == "extras"}

    def arguments(self) -> tuple[Any, ...]:
        """The positional arguments of the method."""
        if self.many:
            return (*self.before, list(self.records))
        return (*self.before, *self.records)

    def stamped(self) -> Iterator[Sequence[Any]]:
        """The records as plain values with ids and times, one chunk at a time."""
        for part in parts(self.records):
            if self.timed:
                yield part
            else:
                yield [stamped_record(record, self.method, self.at) for record in part]

    def encoded(self) -> Iterator[bytes]:
        """The chunks of the call."""
        yield dumps(
            (self.method, self.at, self.many, plain(self.before), plain(self.options), self.waits)
        )
        for part in self.stamped():
            yield dumps(part)

    def encode(self) -> bytes:
        """The body of its frame.

        Raises:
            ValidationProblem: if a value cannot be encoded.
        """
        try:
            return body_of(self.encoded())
        except ValidationProblem:
            raise
        except Exception as error:
            # Nested too deeply, circular, or changed by another thread meanwhile.
            raise unencodable(error) from error

    @classmethod
    def decoded(cls, body: bytes) -> Call:
        """Decode a call from the body of its frame."""
        chunks = chunks_of(body)
        method, at, many, before, options, waits = loads(next(chunks))
        records = [record for chunk in chunks for record in loads(chunk)]
        timed = not waits and method in STAMPS and is_timed(records, method)
        return cls(method, at, records, many, tuple(before), options, waits, timed)


def unencodable(error: Exception) -> ValidationProblem:
    """The error for records that cannot be encoded."""
    detail = f"The record cannot be encoded: {type(error).__name__}: {error}."
    return ValidationProblem([{"pointer": "", "detail": detail}])


def is_timed(records: Sequence[Any], method: str) -> bool:
    """Whether all stamped records have a time, so that the time of their call is not needed."""
    stamp = STAMPS[method]
    return all(not isinstance(r, dict) or r.get(stamp.time) is not None for r in records)


def instant() -> int:
    """The current time, as in `Call.at`."""
    return time_ns() // 1000


def new_id() -> str:
    """A new id for a record without one."""
    return str(uuid_utils.uuid7())


def stamped_record(record: Any, method: str, at: int, make_id: Callable[[], str] = new_id) -> Any:
    """A record as plain values, with an id and a time.

    A record that is not a mapping is passed on, and the feed refuses it.
    """
    record = {**record} if type(record) is dict and _is_plain(record) else plain(record)
    stamp = STAMPS.get(method)
    if stamp is None or type(record) is not dict:
        return record
    if stamp.identified:
        if record.get("id") is not None:
            return record
        record["id"] = make_id()
    if not stamp.ordered and record.get(stamp.time) is None:
        record[stamp.time] = at
    return record


def _is_plain(record: dict[Any, Any]) -> bool:
    """Whether `plain` would change nothing; ten times as fast as calling it."""
    for value in record.values():
        kind = type(value)
        if kind in _PLAIN:
            continue
        if kind is not float or value - value != 0:  # NaN and infinities
            return False
    return all(type(name) is str for name in record)
