"""Calls of a host carried out in their order, many at a time where their order allows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from alphapulse_api.domain.errors import DashboardClosed, Unavailable
from alphapulse_api.domain.times import called_at, from_micros
from alphapulse_api.embed.calls import MERGED, Call
from alphapulse_api.record.counting import reason_of
from alphapulse_api.record.feed import Feed

BATCH: Final = 5000  # records a transaction, about
ABREAST: Final = 100  # single calls that may be under way together

Numbered = tuple[int, Call]
Reasons = list[str]  # why records of a call were refused


def next_run(calls: deque[Numbered]) -> list[Numbered]:
    """Take away the calls at the front of a partition that may be carried out together.

    Calls that nobody waits for are merged, if their records can be stored by a batch. Other calls
    start in their order and share a commit. A batch with a caller runs by itself: it is checked in
    slices, and calls that start after it could overtake it.
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
    """Whether the call's records may be stored with those of others."""
    return not call.waits and call.method in MERGED


def _joins(first: Call, call: Call) -> bool:
    if not is_merged(call) or call.extras != first.extras:
        return False
    return (first.timed and call.timed) or first.at == call.at


async def carried_out(feed: Feed, call: Call) -> Any:
    """What the feed's method returns."""
    with called_at(from_micros(call.at)):
        return await getattr(feed, call.method)(*call.arguments(), **call.options)


async def stored_each(feed: Feed, run: Sequence[Numbered]) -> list[Reasons]:
    """Store the records of merged calls; each stands alone.

    Returns:
        For each call, the reasons of its records that were refused.

    Raises:
        Unavailable: if the database is away; what is stored by then is stored once, however often
            it is tried again.
        DashboardClosed: if the feed takes no more calls.
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
    """Run a call that nobody awaits; return the reason of refusal for each record.

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
    """Store records by a batch; returns the reasons of those refused, by position."""
    try:
        with called_at(from_micros(first.at)):
            result = await getattr(feed, method)(records, on_error="continue", **first.extras)
    except (DashboardClosed, Unavailable):
        raise
    except Exception as error:
        if len(records) == 1:
            return {0: reason_of(error)}
        # One record that the batch chokes on must not cost the others.
        half = len(records) // 2
        refused = await _each(feed, method, records[:half], first)
        for n, reason in (await _each(feed, method, records[half:], first)).items():
            refused[half + n] = reason
        return refused
    return {n: r["error"] for n, r in enumerate(result["results"]) if "error" in r}
