"""Calls of a host carried out in their order, many at a time where their order allows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from alphapulse_api.domain.errors import Problem, Unavailable
from alphapulse_api.domain.times import called_at
from alphapulse_api.embed.calls import MERGED, Call
from alphapulse_api.record.feed import Feed

BATCH: Final = 5000  # records a transaction, about
ABREAST: Final = 100  # single calls that may be under way together

Numbered = tuple[int, Call]
Reasons = list[str]  # why records of a call were refused


def next_run(calls: deque[Numbered]) -> list[Numbered]:
    """Take away the calls at the front that may be carried out together.

    Calls that nobody waits for are merged, if they are of one kind. Others start in their order
    and share a commit. A batch runs by itself: it is checked in slices, and calls that start after
    it could overtake it.
    """
    number, first = calls.popleft()
    run = [(number, first)]
    if first.waits:
        while calls and not first.many and len(run) < ABREAST and _single(calls[0][1]):
            run.append(calls.popleft())
    elif first.method in MERGED:
        count = first.count
        while calls and (count := count + calls[0][1].count) <= BATCH and _same(first, calls[0][1]):
            run.append(calls.popleft())
    return run


def _single(call: Call) -> bool:
    return call.waits and not call.many


def _same(first: Call, call: Call) -> bool:
    return (
        not call.waits
        and MERGED.get(call.method) == MERGED[first.method]
        and ((first.timed and call.timed) or first.at == call.at)
    )


async def carried_out(feed: Feed, call: Call) -> Any:
    """What the feed's method returns."""
    with called_at(call.at):
        return await getattr(feed, call.method)(*call.arguments(), **call.options)


async def stored_each(feed: Feed, run: Sequence[Numbered]) -> list[Reasons]:
    """Store the records of calls that nobody waits for; each stands alone.

    Returns:
        For each call, the reasons of its records that were refused.

    Raises:
        Unavailable: if the database is away; what is stored by then is stored once, however often
            it is tried again.
    """
    _, first = run[0]
    if first.method not in MERGED:
        return [await _alone(carried_out(feed, first), first.count)]
    records = [record for _, call in run for record in call.records]
    refused = await _each(feed, MERGED[first.method], records, first)
    reasons: list[Reasons] = []
    begin = 0
    for _, call in run:
        end = begin + len(call.records)
        reasons.append([refused[n] for n in range(begin, end) if n in refused])
        begin = end
    return reasons


async def _each(feed: Feed, method: str, records: list[Any], first: Call) -> dict[int, str]:
    """Store records by a batch; returns the reasons of those refused, by position."""
    try:
        with called_at(first.at):
            result = await getattr(feed, method)(records, on_error="continue")
    except Unavailable:
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


async def _alone(work: Coroutine[Any, Any, Any], count: int) -> Reasons:
    try:
        await work
    except Unavailable:
        raise
    except Exception as error:
        return [reason_of(error)] * count
    return []


def reason_of(error: Exception) -> str:
    """Why a record was refused, in one sentence."""
    if isinstance(error, Problem):
        return error.detail
    return f"{type(error).__name__}: {error}"


def reasons_in(result: Any) -> Reasons:
    """Why records of a batch were refused whose caller has the result, too."""
    if isinstance(result, dict) and "results" in result and result.get("refused"):
        return [r["error"] for r in result["results"] if "error" in r]
    return []
