"""Calls of a feed, as they travel: stamped in the host, so that one that is sent again is a repeat.

The dashboard's process may die after it has stored a record and before it has answered. Its
successor is sent the same call again; and since every record has its id and its time before it is
first sent, the feed finds that it is stored.
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
    """What a method's records get before they are sent.

    Attributes:
        time: the field with a record's time.
        identified: whether records have an id. One without gets an id and a time. One with an id
            keeps its time left out, which makes it agree with a repeat by the caller; its call
            travels with the moment it was made at.
        ordered: whether the store orders records by receipt where the time is left out.
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
    "report_system": Stamp("timestamp"),
    "raise_alerts_batch": Stamp("created_at", identified=True),
    "record_signals_batch": Stamp("timestamp", identified=True),
    "report_system_batch": Stamp("timestamp"),
    "update_portfolio": Stamp("as_of", ordered=True),
}
# What many of can be stored by one call, each by itself, and the method that does it.
MERGED: Final[Mapping[str, str]] = {
    "record_metrics": "record_metrics_batch",
    "record_metrics_batch": "record_metrics_batch",
    "record_trade": "record_trades_batch",
    "record_trades": "record_trades_batch",
    "record_trades_batch": "record_trades_batch",
}


class Answer:
    """Where the caller of one call waits for its answer."""

    __slots__ = ("_done", "frame")

    def __init__(self) -> None:
        self.frame: Frame | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def set(self, frame: Frame | None) -> None:
        """Let the caller go on; None: the dashboard closed before there was an answer."""
        self.frame = frame
        self._done.release()

    def wait(self, seconds: float | None) -> bool:
        """Wait for the answer; returns whether it came in time."""
        return self._done.acquire(timeout=-1 if seconds is None else max(seconds, 0.0))


HEALTH: Final = "health"  # no method of a feed: a question beside them
# Calls are carried out in their order within a partition. Nothing depends on the order between
# partitions, and a point and a trade a tick are two batches, not a thousand.
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
        at: when the host made it, in microseconds since the epoch: in a chunk of records, pickle
            takes ten times as long for a datetime as for a number.
        records: the records it takes, one or many.
        many: whether the method was given a list.
        before: the arguments before the records.
        options: the keyword arguments.
        waits: whether a caller waits for the result.
        timed: whether every record is stamped, so that the call's own moment says nothing.
        body: the encoded call, where its caller has encoded it.
        kind: of the frame that carries the body.
        answer: where its caller waits.
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
        """How many records it counts as: a call without any, such as an acknowledgement, as one."""
        if self.method == HEALTH:
            return 0
        return len(self.records) if self.many else 1

    @property
    def extras(self) -> dict[str, Any]:
        """The option for unknown fields, if it was given: records of one kind may share a batch."""
        return {name: value for name, value in self.options.items() if name == "extras"}

    def arguments(self) -> tuple[Any, ...]:
        """The positional arguments of the method."""
        if self.many:
            return (*self.before, list(self.records))
        return (*self.before, *self.records)

    def stamped(self) -> Iterator[Sequence[Any]]:
        """The records as plain values, with ids and times, in parts of a chunk each."""
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
            ValidationProblem: if it holds what cannot be encoded.
        """
        try:
            return body_of(self.encoded())
        except ValidationProblem:
            raise
        except Exception as error:
            # Nested too deeply, in a circle, or changed by another thread meanwhile.
            raise unencodable(error) from error

    @classmethod
    def decoded(cls, body: bytes) -> Call:
        """The call whose chunks make up the body."""
        chunks = chunks_of(body)
        method, at, many, before, options, waits = loads(next(chunks))
        records = [record for chunk in chunks for record in loads(chunk)]
        timed = not waits and method in STAMPS and is_timed(records, method)
        return cls(method, at, records, many, tuple(before), options, waits, timed)


def unencodable(error: Exception) -> ValidationProblem:
    """The refusal of records that cannot be sent."""
    detail = f"The record cannot be encoded: {type(error).__name__}: {error}."
    return ValidationProblem([{"pointer": "", "detail": detail}])


def is_timed(records: Sequence[Any], method: str) -> bool:
    """Whether stamped records stand without the moment of their call."""
    stamp = STAMPS[method]
    return all(not isinstance(r, dict) or r.get(stamp.time) is not None for r in records)


def instant() -> int:
    """This moment, as `Call.at`."""
    return time_ns() // 1000


def new_id() -> str:
    """The id of a record without one."""
    return str(uuid_utils.uuid7())


def stamped_record(record: Any, method: str, at: int, make_id: Callable[[], str] = new_id) -> Any:
    """A record as plain values, with an id and a time.

    What is no mapping at all stays: the feed refuses it.
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
    """Whether `plain` would change nothing; found out in a tenth of its time."""
    for value in record.values():
        kind = type(value)
        if kind in _PLAIN:
            continue
        if kind is not float or value - value != 0:  # NaN and infinities
            return False
    return all(type(name) is str for name in record)
