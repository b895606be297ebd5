"""Writes that share a commit: what waits for one, and how each of them ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from alphapulse_api.data.engine.base import Work
from alphapulse_api.tasks import heard

GROUP_LIMIT: Final = 1000  # units of work a commit: bounds how long the first of them waits


class Job(NamedTuple):
    """A unit of work, and where its caller awaits the result."""

    work: Work[Any]
    answer: asyncio.Future[Any]


class Outcome(NamedTuple):
    """How a job ended: with a value, or with an error."""

    job: Job
    value: Any
    error: Exception | None


def new_answer(loop: asyncio.AbstractEventLoop) -> asyncio.Future[Any]:
    """A job's future. What fails when its caller has gone away is nobody's to hear of."""
    answer: asyncio.Future[Any] = loop.create_future()
    answer.add_done_callback(heard)
    return answer


def tell(outcomes: Iterable[Outcome]) -> None:
    """Answer the callers; on their loop."""
    for (_, answer), value, error in outcomes:
        if answer.done():
            continue
        if error is None:
            answer.set_result(value)
        else:
            answer.set_exception(error)
