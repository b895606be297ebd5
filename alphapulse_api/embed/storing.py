"""Carries out a host's calls in order, many at a time where the order allows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from alphapulse_api.domain.errors import DashboardClosed, Unavailable
from alphapulse_api.domain.times import called_at, from_micros
from alphapulse_api.embed.calls import MERGED, Call
from alphapulse_api.record.counting import reason_of
from alphapulse_api.record.feed import Feed

BATCH: Final = 5000  # records per transaction, approximately
ABREAST: Final = 100  # single calls that may run concurrently

Numbered = tuple[int, Call]
Reasons = list[str]  # the reasons why records of a call were refused


def next_run(calls: deque[Numbered]) -> list[Numbered]:
    """Remove the calls at the front of a partition that may be carried out together.

    Calls without a waiting caller are merged if a batch can store their records. Other single calls
    start in order and share a commit. A batch with a waiting caller runs alone: it is checked in
    slices, so calls that start after it could overtake it.
    """
    number, first = calls.popleft()
    run = [(number, first)]
    if is_merged(first):
        count = first.count
        while (
            calls and (count := count + calls[0][1].count) <= BATCH and _joins(first, calls[0][1])
        ):
            run.append(calls.popleft())
    elif not first.many:
        while calls and len(run) < ABREAST and not (calls[0][1].many or is_merged(calls[0][1])):
            run.append(calls.popleft())
    return run


def is_merged(call: Call) -> bool:
    """Whether the call's records may be stored with those of other calls."""
    return not call.waits and call.method in MERGED


def _joins(first: Call, call: Call) -> bool:
    if not is_merged(call) or call.extras != first.extras:
        return False
    return (first.timed and call.timed) or first.at == call.at


async def carried_out(feed: Feed, call: Call) -> Any:
    """Call the feed's method as of the time of the call, and return its result."""
    with called_at(from_micros(call.at)):
        return await getattr(feed, call.method)(*call.arguments(), **call.options)


async def stored_each(feed: Feed, run: Sequence[Numbered]) -> list[Reasons]:
    """Store the records of merged calls; each record is accepted or refused alone.

    Returns:
        For each call, the reasons for its refused records.

    Raises:
        Unavailable: if the database is unavailable. A retry does not store records twice.
        DashboardClosed: if the feed accepts no more calls.
    """
    _, first = run[0]
    records = [record for _, call in run for record in call.records]
    refused = await _each(feed, MERGED[first.method], records, first)
    reasons: list[Reasons] = []
    begin = 0
    for _, call in run:
        end = begin + len(call.records)
        reasons.append([refused[n] for n in range(begin, end) if n in refused])
        begin = end
    return reasons


async def stored_alone(feed: Feed, call: Call) -> Reasons:
    """Run a call without a waiting caller; return the reason for each refused record.

    Raises:
        Unavailable, DashboardClosed: as `stored_each`.
    """
    try:
        await carried_out(feed, call)
    except (DashboardClosed, Unavailable):
        raise
    except Exception as error:
        return [reason_of(error)] * call.count
    return []


async def _each(feed: Feed, method: str, records: list[Any], first: Call) -> dict[int, str]:
    """Store records as a batch; return the reasons of the refused ones, by position."""
    try:
        with called_at(from_micros(first.at)):
            result = await getattr(feed, method)(records, on_error="continue", **first.extras)
    except (DashboardClosed, Unavailable):
        raise
    except Exception as error:
        if len(records) == 1:
            return {0: reason_of(error)}
        # Bisect, so that one record that fails the whole batch does not lose the others.
        half = len(records) // 2
        refused = await _each(feed, method, records[:half], first)
        for n, reason in (await _each(feed, method, records[half:], first)).items():
            refused[half + n] = reason
        return refused
    return {n: r["error"] for n, r in enumerate(result["results"]) if "error" in r}
