"""How a snapshot that was stored changes the state of its book, in the same transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from alphapulse_api.domain.encoded import Encoded
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.outbox import of_change
from alphapulse_api.storage.portfolio.frames import WHOLE, Place, remove_unused
from alphapulse_api.storage.portfolio.rollups import advance, recompute
from alphapulse_api.storage.portfolio.state import State

_ADVANCES: Final = 4  # of the rollups after a batch of history


async def released(
    transaction: Transaction, book: str, state: State, as_of: int, key: int
) -> State:
    """Delete what a replaced snapshot alone had, and return the state after that."""
    if key == WHOLE:
        await transaction.execute("DELETE FROM portfolio_whole WHERE as_of = $1", as_of)
    elif await remove_unused(transaction, book, (key,)) and key == state.place.key:
        return state._replace(place=Place(key, -1, secrets.token_hex(8), 0, 0))
    return state


async def rolled_up(
    transaction: Transaction, book: str, state: State, instants: Sequence[int]
) -> State:
    """Bring the rollups up to date after snapshots were stored."""
    until = state.rolled_up
    await recompute(transaction, book, until, instants)
    for _ in range(_ADVANCES):
        further = await advance(transaction, book, until, max(instants))
        if further == until:
            break
        until = further
    return state._replace(rolled_up=until)


async def moved(
    transaction: Transaction, engine: Engine, book: str, state: State, as_of: int, shown: Encoded
) -> State:
    """Make a stored snapshot the current one, and publish it."""
    revision = state.revision + 1
    rows = await of_change(
        transaction,
        "portfolio",
        shown,
        revision,
        record_id=str(as_of),
        relayed=engine.relayed,
        reference=True,
    )
    transaction.publish(*rows)
    return state._replace(as_of=as_of, revision=revision)
