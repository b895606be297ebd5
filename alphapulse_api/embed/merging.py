"""Calls made ready to be sent: those that nobody waits for are merged, a chunk of records each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.embed.calls import MERGED, STAMPS, Call, lane_of, stamped_record
from alphapulse_api.embed.frames import CHUNK_RECORDS

Refuse = Callable[[str, int, Exception], None]  # method, how many records, why


@dataclass(slots=True)
class _Group:
    """Records of one method that travel as one call.

    Attributes:
        at: the moment of their calls, if a record has no time of its own.
    """

    method: str
    at: datetime
    timed: bool
    extras: dict[str, Any]
    records: list[Any] = field(default_factory=list)

    def takes(self, call: Call, timed: bool) -> bool:
        """Whether a record of the call may join."""
        return (
            self.method == call.method
            and self.extras == call.extras
            and len(self.records) < CHUNK_RECORDS
            and ((self.timed and timed) or self.at == call.at)
        )

    def call(self) -> Call:
        """The call of these records."""
        call = Call(self.method, self.at, self.records, True, (), self.extras, waits=False)
        call.timed = self.timed
        return call


def sendable(calls: Sequence[Call], refuse: Refuse) -> Iterator[Call]:
    """The calls with their bodies, in order within each lane.

    Args:
        calls: as the host made them. Those with a caller who waits are encoded already.
        refuse: called for records that cannot be encoded; they cost no other record.
    """
    groups: dict[str, _Group] = {}
    for call in calls:
        method = call.method
        lane = lane_of(method)
        group = groups.get(lane)
        if call.waits or method not in MERGED:
            if group is not None:
                yield from _encoded(groups.pop(lane).call(), refuse)
            if call.waits:
                yield call
            else:
                yield from _encoded(call, refuse)
            continue
        time = STAMPS[method].time
        for record in call.records:
            try:
                value = stamped_record(record, method, call.at)
            except Exception as error:
                refuse(method, 1, error)
                continue
            timed = type(value) is not dict or value.get(time) is not None
            if group is None or not group.takes(call, timed):
                if group is not None:
                    yield from _encoded(group.call(), refuse)
                group = groups[lane] = _Group(method, call.at, timed, call.extras)
            group.records.append(value)
    for group in groups.values():
        yield from _encoded(group.call(), refuse)


def _encoded(call: Call, refuse: Refuse) -> Iterator[Call]:
    try:
        call.body = call.encode()
    except ValidationProblem as error:
        if len(call.records) <= 1:
            refuse(call.method, call.count, error)
            return
        half = len(call.records) // 2
        for records in (call.records[:half], call.records[half:]):
            part = Call(call.method, call.at, records, True, (), call.extras, waits=False)
            yield from _encoded(part, refuse)
        return
    yield call
