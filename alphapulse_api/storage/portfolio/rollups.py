"""Rollups of the portfolio's value, kept in the transactions that change snapshots.

A bucket has a row if it ended before `rolled_up` of its book and has snapshots, and only then. A
write advances `rolled_up`, and computes the buckets of a late snapshot again. A bucket is computed
from those of the next smaller width, the smallest from snapshots.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from typing import Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.bulk import Rows, insert_rows, select_ranges
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.portfolio.summaries import COLUMNS, Summary, folded, summary_of

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3600.0
STEP_SECONDS: Final = 0.01
SECOND: Final = 1_000_000
# A minute, 5 and 30 minutes, 3 hours, a day, a week. Each divides the next, so at most eight rows
# of one width are folded for a stretch of a chart.
WIDTHS: Final = tuple(SECOND * seconds for seconds in (60, 300, 1800, 10_800, 86_400, 604_800))
AT_ONCE: Final = 500  # snapshots that one write rolls up, 2 ms
SELECT: Final = ", ".join(COLUMNS)
_INTO: Final = f"portfolio_rollups (book, width, start, {SELECT})"
_AGAIN: Final = "ON CONFLICT (book, width, start) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in COLUMNS
)
_TYPES: Final = (
    "text", "bigint", "timestamptz", "timestamptz", "timestamptz", "numeric", "timestamptz",
    "numeric", "timestamptz", *("numeric", "timestamptz") * 4,
)  # fmt: skip

Span = tuple[int, int]
"""Microseconds since the epoch, half-open."""


def floor(at: int, width: int) -> int:
    """The start of the bucket around an instant."""
    return at - at % width


async def advance(transaction: Transaction, book: str, rolled_up: int, until: int) -> int:
    """Roll up the snapshots of a book that are older than `until`, AT_ONCE at most.

    Args:
        transaction: one that holds the lock of the book's row of portfolio_current.
        book: the book.
        rolled_up: of that row.
        until: an instant; later snapshots are left for another call.

    Returns:
        The new value of `rolled_up`; as given if there is nothing to do.
    """
    minute = WIDTHS[0]
    end = floor(min(until, to_micros(now())), minute)
    if end <= rolled_up:
        return rolled_up
    beyond = await transaction.fetch(
        "SELECT as_of FROM portfolio_snapshots WHERE book = $1 AND as_of >= $2 "
        f"ORDER BY as_of LIMIT 1 OFFSET {AT_ONCE}",
        book,
        floor(rolled_up, minute),
    )
    if beyond:
        # The buckets of the snapshots before it, at least one.
        end = min(end, max(floor(beyond[0][0], minute), floor(rolled_up, minute) + minute))
    below = [(floor(rolled_up, minute), end)]
    for width in WIDTHS:
        span = floor(rolled_up, width), floor(end, width)
        if span[0] == span[1]:
            break
        await _roll_up(transaction, book, width, [span] if width != minute else below)
    return end


async def recompute(
    transaction: Transaction,
    book: str,
    rolled_up: int,
    instants: Collection[int],
    *,
    emptied: bool = False,
) -> None:
    """Compute the buckets around changed snapshots again; the arguments are those of `advance`.

    Args:
        instants: of the snapshots.
        emptied: whether snapshots were deleted; then few are left between them.
    """
    touched: Iterable[int] = [at for at in instants if at < rolled_up]
    together = emptied
    for width in WIDTHS:
        starts = sorted({floor(at, width) for at in touched})
        starts = [start for start in starts if start + width <= floor(rolled_up, width)]
        if not starts:
            return
        whole = starts[0], starts[-1] + width
        if width == WIDTHS[0] and not together:
            together = await _are_most(transaction, book, whole, len(starts))
        spans = [whole] if together else _joined((start, start + width) for start in starts)
        if emptied:
            await transaction.execute(
                "DELETE FROM portfolio_rollups WHERE book = $1 AND width = $2 "
                "AND start >= $3 AND start < $4",
                book,
                width,
                *whole,
            )
        await _roll_up(transaction, book, width, spans)
        touched = starts


async def _are_most(transaction: Transaction, book: str, span: Span, buckets: int) -> bool:
    """Whether a span has hardly more snapshots than those in so many of its smallest buckets."""
    more = await transaction.fetch(
        "SELECT as_of FROM portfolio_snapshots WHERE book = $1 AND as_of >= $2 AND as_of < $3 "
        "ORDER BY as_of LIMIT 1 OFFSET $4",
        book,
        *span,
        4 * buckets + AT_ONCE,
    )
    return not more


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Sorted spans, with those that touch joined."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


async def _roll_up(transaction: Transaction, book: str, width: int, spans: Sequence[Span]) -> None:
    """Store the buckets of a width in some spans, from those of the next smaller width."""
    smaller = WIDTHS.index(width) - 1
    if smaller < 0:
        select = "SELECT as_of, total_value FROM portfolio_snapshots"
        conditions = ["book =", "as_of >=", "as_of <"]
        ranges: Rows = [(book, *span) for span in spans]
    else:
        select = f"SELECT start, {SELECT} FROM portfolio_rollups"
        conditions = ["book =", "width =", "start >=", "start <"]
        ranges = [(book, WIDTHS[smaller], *span) for span in spans]
    found = await select_ranges(transaction, select, conditions, ranges, "")
    found.sort(key=itemgetter(0))
    rows: list[Row] = []
    for start, part in _by_bucket(found, width):
        if smaller < 0:
            bucket = summary_of(part)
            assert bucket is not None
        else:
            bucket = folded([Summary.stored(row[1:]) for row in part])
        rows.append((book, width, start, *bucket.row))
    if rows:
        await insert_rows(transaction, _INTO, rows, _AGAIN, _TYPES)


def _by_bucket(rows: Sequence[Row], width: int) -> list[tuple[int, list[Row]]]:
    """Rows that begin with an instant, in order, by the start of their bucket."""
    buckets: list[tuple[int, list[Row]]] = []
    for row in rows:
        start = floor(row[0], width)
        if not buckets or buckets[-1][0] != start:
            buckets.append((start, []))
        buckets[-1][1].append(row)
    return buckets


async def roll_up_forever(engine: Engine) -> None:
    """Run `roll_up` to its end now and every hour, until cancelled."""
    while True:
        try:
            more = True
            while more:
                more = await roll_up(engine)
                await asyncio.sleep(STEP_SECONDS)  # others write meanwhile
        except Unavailable as outage:  # already logged once, by the monitor
            logger.debug("the portfolio was not rolled up: %s", outage.detail)
        await asyncio.sleep(EVERY_SECONDS)


async def roll_up(engine: Engine) -> bool:
    """Roll up some of the snapshots that no write has rolled up; returns whether more are left.

    There are many after an upgrade from a release without rollups, or after an import.
    """

    async def work(transaction: Transaction) -> bool:
        more = False
        books = await transaction.fetch(
            f"SELECT book, rolled_up FROM portfolio_current ORDER BY book {engine.locked}"
        )
        for book, rolled_up in books:
            ((newest,),) = await transaction.fetch(
                "SELECT max(as_of) FROM portfolio_snapshots WHERE book = $1", book
            )
            if newest is None:
                continue
            end = await advance(transaction, book, rolled_up, newest)
            if end != rolled_up:
                await transaction.execute(
                    "UPDATE portfolio_current SET rolled_up = $1 WHERE book = $2", end, book
                )
                more = True
        return more

    return await engine.write(work)
