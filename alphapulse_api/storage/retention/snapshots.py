"""Deletes snapshots of the portfolio that are too old, with their positions, in steps.

A key frame stays while any snapshot needs it. The current snapshot stays, whatever its age.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from alphapulse_api.storage.bulk import keys_as_rows
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.outbox import invalidation
from alphapulse_api.storage.portfolio.frames import WHOLE, remove_unused
from alphapulse_api.storage.portfolio.rollups import recompute
from alphapulse_api.storage.steps import Steps

PAGE: Final = 200  # snapshots a read
SNAPSHOT_BYTES: Final = 300  # of a snapshot, with its rollups


class _Snapshot(NamedTuple):
    as_of: int
    size: int  # bytes, with the frame that was made for it
    key: int | None


async def delete_snapshots(engine: Engine, steps: Steps, before: int) -> int:
    """Delete the snapshots from before that instant (microseconds); returns how many."""
    gone = 0
    for (book,) in await engine.fetch("SELECT book FROM portfolio_current ORDER BY book"):
        position: int | None = None
        while True:
            page = await _page(engine, book, before, position)
            left = page
            while left:
                step = _within(left, steps.size)
                left = left[len(step) :]
                delete = partial(_delete, engine, book, step)
                gone += await steps.run(delete, sum(snapshot.size for snapshot in step))
            if len(page) < PAGE:
                break
            position = page[-1].as_of
    return gone


async def _page(engine: Engine, book: str, before: int, position: int | None) -> list[_Snapshot]:
    """The oldest snapshots after a position."""
    body, whole = engine.size("f.body"), engine.size("w.positions")
    after = "" if position is None else "AND s.as_of > $4"
    rows = await engine.fetch(
        f"SELECT s.as_of, {SNAPSHOT_BYTES} + coalesce({body}, 0) + coalesce({whole}, 0), "
        "s.frame_key FROM portfolio_snapshots s LEFT JOIN portfolio_frames f "
        "ON f.book = s.book AND f.frame_key = s.frame_key AND f.frame_number = s.frame_number "
        "LEFT JOIN portfolio_whole w ON s.frame_key = 0 AND w.as_of = s.as_of "
        f"WHERE s.book = $1 AND s.as_of < $2 {after} ORDER BY s.as_of LIMIT $3",
        book,
        before,
        PAGE,
        *(() if position is None else (position,)),
    )
    return [_Snapshot(row[0], int(row[1]), row[2]) for row in rows]


def _within(snapshots: Sequence[_Snapshot], size: int) -> list[_Snapshot]:
    """The first snapshots that have at most so many bytes together; at least one."""
    for count, snapshot in enumerate(snapshots):
        size -= snapshot.size
        if size < 0:
            return list(snapshots[: max(count, 1)])
    return list(snapshots)


async def _delete(
    engine: Engine, book: str, snapshots: Sequence[_Snapshot], transaction: Transaction
) -> int:
    """Delete those of the snapshots that are not the current one; returns how many."""
    ((current, rolled_up),) = await transaction.fetch(
        f"SELECT as_of, rolled_up FROM portfolio_current WHERE book = $1 {engine.locked}", book
    )
    expired = [snapshot for snapshot in snapshots if snapshot.as_of != current]
    if not expired:
        return 0
    instants = [snapshot.as_of for snapshot in expired]
    rows, args = keys_as_rows(transaction, ("timestamptz",), [(at,) for at in instants])
    # The frame of a snapshot may have changed since it was read.
    found = await transaction.fetch(
        f"SELECT frame_key FROM portfolio_snapshots WHERE book = ${len(args) + 1} "
        f"AND as_of IN ({rows})",
        *args,
        book,
    )
    keys = {row[0] for row in found if row[0] is not None}
    gone = await transaction.execute(
        f"DELETE FROM portfolio_snapshots WHERE book = ${len(args) + 1} AND as_of IN ({rows})",
        *args,
        book,
    )
    if WHOLE in keys:
        await transaction.execute(f"DELETE FROM portfolio_whole WHERE as_of IN ({rows})", *args)
    await remove_unused(transaction, book, keys)
    await recompute(transaction, book, rolled_up, instants, emptied=True)
    if gone:
        transaction.publish(invalidation("portfolio", [{"book": book}]))
    return gone
