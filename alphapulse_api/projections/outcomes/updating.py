"""Looks at outcomes again: those that are due, and those that late prices touch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import FIRST_MICROS, now, to_micros
from alphapulse_api.domain.track_record.outcomes import SETTLED
from alphapulse_api.projections.deadline import Deadline
from alphapulse_api.projections.outcomes.evaluating import Expected, Result, evaluate
from alphapulse_api.projections.outcomes.prices import PriceReader
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.long_reads import long_reads

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 30.0
STEP: Final = 100  # outcomes of a transaction
MARKS: Final = 500  # of a transaction

_EXPECTED: Final = (
    "SELECT book, signal_id, symbol, received_at, horizon, check_at, change IS NOT NULL "
    "FROM signal_outcomes"
)
_DUE: Final = f"{_EXPECTED} WHERE check_at <= $1 ORDER BY check_at LIMIT {STEP}"
_OF_AGENT: Final = (
    f"{_EXPECTED} WHERE check_at IS NOT NULL AND book = $1 AND agent_id = $2 "
    f"AND (received_at, signal_id) > ($3, $4) ORDER BY received_at, signal_id LIMIT $5"
)
_ENDED: Final = SETTLED  # after the horizon, before which no exit price is settled
_STORE: Final = (
    f"UPDATE signal_outcomes SET "
    f"{', '.join(f'{name} = ${n}' for n, name in enumerate(Result._fields, 4))} "
    "WHERE book = $1 AND signal_id = $2 AND check_at = $3"
)
_MARKED: Final = f"SELECT id, symbol, from_at, until_at FROM price_marks ORDER BY id LIMIT {MARKS}"
_REOPEN: Final = (
    "UPDATE signal_outcomes SET check_at = $1 WHERE symbol = $2 AND spans_until >= $3 "
    "AND spans_from <= $4"
)


async def update_all(engine: Engine) -> None:
    """Look at everything that is due now."""
    await reopen_touched(engine)
    while rows := await engine.fetch(_DUE, to_micros(now()) - _ENDED):
        await _update(engine, list(map(_expected, rows)))


async def update_agent(engine: Engine, book: str, agent_id: str) -> None:
    """Look at everything of an agent that may have changed.

    Raises:
        Unavailable: if that takes too long.
    """
    deadline = Deadline("the track record")
    await reopen_touched(engine)
    ended = to_micros(now()) - _ENDED
    last: tuple[int, str] = FIRST_MICROS, ""
    while rows := await engine.fetch(_OF_AGENT, book, agent_id, *last, STEP):
        found = list(map(_expected, rows))
        await _update(engine, [each for each in found if each.received_at + each.horizon <= ended])
        if len(rows) < STEP:
            return
        deadline.check()
        last = found[-1].received_at, found[-1].signal_id


async def reopen_touched(engine: Engine) -> None:
    """Let outcomes that late prices touch be looked at again."""
    while marks := await engine.fetch(_MARKED):

        async def work(transaction: Transaction, marks: Sequence[Sequence[Any]] = marks) -> None:
            at = to_micros(now()) - _ENDED
            for _, symbol, from_at, until_at in marks:
                await transaction.execute(_REOPEN, at, symbol, from_at, until_at)
            await transaction.execute(
                f"DELETE FROM price_marks WHERE {engine.among('id', '$1')}",
                engine.listed(mark[0] for mark in marks),
            )

        await engine.write(work)


async def update_forever(engine: Engine) -> None:
    """Keep outcomes up to date, until cancelled."""
    while True:
        try:
            with long_reads():
                await update_all(engine)
        except Unavailable as outage:  # already logged once, by the monitor
            logger.debug("the outcomes of signals wait: %s", outage.detail)
        await asyncio.sleep(EVERY_SECONDS)


def _expected(row: Sequence[Any]) -> Expected:
    book, signal_id, symbol, received_at, horizon, check_at, priced = row
    return Expected(book, signal_id, symbol, received_at, horizon, check_at, bool(priced))


async def _update(engine: Engine, outcomes: Sequence[Expected]) -> None:
    """Look at some outcomes."""
    if not outcomes:
        return
    prices, at = PriceReader(engine), to_micros(now())
    found = [(expected, await evaluate(prices, expected, at)) for expected in outcomes]

    async def work(transaction: Transaction) -> None:
        for expected, result in found:
            if expected.priced and result.change is None and result.check_at is None:
                continue  # retention has deleted the prices since
            key = expected.book, expected.signal_id, expected.check_at
            await transaction.execute(_STORE, *key, *result)

    await engine.write(work)
