"""Prepares calls for sending: merges those without a waiting caller into chunks of records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.embed.calls import MERGED, STAMPS, Call, partition_of, stamped_record
from alphapulse_api.embed.frames import CHUNK_RECORDS, Kind
from alphapulse_api.embed.plain_batches import Handed, encode, is_stampable
from alphapulse_api.embed.queue import Given, call_of

_NONE: Final[dict[str, Any]] = {}
Refuse = Callable[[str, int, Exception], None]  # method, how many records, why


@dataclass(slots=True)
class _Group:
    """Records of one method that are sent as one call.

    Attributes:
        at: the time of their calls, for records that have no time.
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


@dataclass(slots=True)
class _PlainGroup:
    """Records of one method that were handed over one by one and are not stamped yet."""

    method: str
    handed: list[Handed] = field(default_factory=list)


_Groups = dict[str, "_Group | _PlainGroup"]


def sendable(given: Sequence[Given], refuse: Refuse) -> Iterator[Call]:
    """The encoded calls, in order within each partition.

    Args:
        given: as the host handed them over. Calls with a waiting caller are already encoded.
        refuse: called for records that cannot be encoded; all others are sent.
    """
    groups: _Groups = {}
    for one in given:
        if type(one) is tuple and (method := one[0]) in MERGED:
            _, nanoseconds, record = one
            if is_stampable(method, record):
                yield from _joined_plain(groups, method, (nanoseconds, record), refuse)
            else:
                yield from _joined(groups, method, nanoseconds // 1000, (record,), _NONE, refuse)
            continue
        call = call_of(one)
        if not call.waits and call.method in MERGED:
            yield from _joined(groups, call.method, call.at, call.records, call.extras, refuse)
            continue
        if (group := groups.pop(partition_of(call.method), None)) is not None:
            yield from _encoded_group(group, refuse)
        if call.waits:
            yield call
        else:
            yield from _encoded(call, refuse)
    for group in groups.values():
        yield from _encoded_group(group, refuse)


def _joined_plain(groups: _Groups, method: str, handed: Handed, refuse: Refuse) -> Iterable[Call]:
    """Add a record to the plain group of its partition; return the calls that this completes."""
    partition = partition_of(method)
    group = groups.get(partition)
    if (
        isinstance(group, _PlainGroup)
        and group.method == method
        and len(group.handed) < CHUNK_RECORDS
    ):
        group.handed.append(handed)
        return ()
    groups[partition] = _PlainGroup(method, [handed])
    return () if group is None else _encoded_group(group, refuse)


def _joined(
    groups: _Groups,
    method: str,
    at: int,
    records: Sequence[Any],
    extras: dict[str, Any],
    refuse: Refuse,
) -> Iterator[Call]:
    """Add records to the group of their partition; yield the calls that this completes."""
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
        if not isinstance(group, _Group) or not group.takes(method, at, timed, extras):
            if group is not None:
                yield from _encoded_group(group, refuse)
            group = groups[partition] = _Group(method, at, timed, extras)
        group.records.append(value)


def _encoded_group(group: _Group | _PlainGroup, refuse: Refuse) -> Iterator[Call]:
    if isinstance(group, _Group):
        yield from _encoded(group.call(), refuse)
        return
    method, handed = group.method, group.handed
    try:
        body = encode(method, handed)
    except TypeError:  # some values have to be converted first
        groups: _Groups = {}
        for nanoseconds, record in handed:
            yield from _joined(groups, method, nanoseconds // 1000, (record,), _NONE, refuse)
        for each in groups.values():
            yield from _encoded_group(each, refuse)
    else:
        records = [record for _, record in handed]
        yield Call(method, 0, records, True, waits=False, body=body, kind=Kind.RECORDS)


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
