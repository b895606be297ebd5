"""Prepares calls for sending: those that nobody awaits are merged into chunks of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.embed.calls import MERGED, STAMPS, Call, partition_of, stamped_record
from alphapulse_api.embed.frames import CHUNK_RECORDS
from alphapulse_api.embed.queue import Given, call_of

_NONE: Final[dict[str, Any]] = {}
Refuse = Callable[[str, int, Exception], None]  # method, how many records, why


@dataclass(slots=True)
class _Group:
    """Records of one method that travel as one call.

    Attributes:
        at: the moment of their calls, if a record has no time of its own.
    """

    method: str
    at: int
    timed: bool
    extras: dict[str, Any]
    records: list[Any] = field(default_factory=list)

    def takes(self, method: str, at: int, timed: bool, extras: dict[str, Any]) -> bool:
        """Whether another record may join."""
        return (
            self.method == method
            and len(self.records) < CHUNK_RECORDS
            and ((self.timed and timed) or self.at == at)
            and self.extras == extras
        )

    def call(self) -> Call:
        """The call of these records."""
        call = Call(self.method, self.at, self.records, True, (), self.extras, waits=False)
        call.timed = self.timed
        return call


def sendable(given: Sequence[Given], refuse: Refuse) -> Iterator[Call]:
    """The calls with their bodies, in order within each partition.

    Args:
        given: as the host handed them over. Calls whose callers wait are encoded already.
        refuse: called for records that cannot be encoded; they cost no other record.
    """
    groups: dict[str, _Group] = {}
    for one in given:
        if type(one) is tuple and one[0] in MERGED:
            method, nanoseconds, record = one
            yield from _joined(groups, method, nanoseconds // 1000, (record,), _NONE, refuse)
            continue
        call = call_of(one)
        if not call.waits and call.method in MERGED:
            yield from _joined(groups, call.method, call.at, call.records, call.extras, refuse)
            continue
        if (group := groups.pop(partition_of(call.method), None)) is not None:
            yield from _encoded(group.call(), refuse)
        if call.waits:
            yield call
        else:
            yield from _encoded(call, refuse)
    for group in groups.values():
        yield from _encoded(group.call(), refuse)


def _joined(
    groups: dict[str, _Group],
    method: str,
    at: int,
    records: Sequence[Any],
    extras: dict[str, Any],
    refuse: Refuse,
) -> Iterator[Call]:
    """Let records join the group of their partition; the groups that are complete then."""
    partition = partition_of(method)
    time = STAMPS[method].time
    group = groups.get(partition)
    for record in records:
        try:
            value = stamped_record(record, method, at)
        except Exception as error:
            refuse(method, 1, error)
            continue
        timed = type(value) is not dict or value.get(time) is not None
        if group is None or not group.takes(method, at, timed, extras):
            if group is not None:
                yield from _encoded(group.call(), refuse)
            group = groups[partition] = _Group(method, at, timed, extras)
        group.records.append(value)


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
