"""The row of a book in portfolio_current: the current snapshot, the newest frame, the rollups."""

from __future__ import annotations

from typing import Final, NamedTuple

from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.portfolio.frames import WHOLE, Place

_PLACE: Final = "frame_key, frame_number, frame_token, key_bytes, change_bytes"
_BOOK: Final = (
    "INSERT INTO portfolio_current "
    f"(book, as_of, revision, {_PLACE}, rolled_up) VALUES ($1, NULL, 0, 0, -1, '', 0, 0, $2) "
    "ON CONFLICT (book) DO NOTHING"
)
_STATE: Final = (
    f"SELECT as_of, revision, rolled_up, {_PLACE} FROM portfolio_current WHERE book = $1"
)
_UPDATE: Final = (
    "UPDATE portfolio_current SET as_of = $2, revision = $3, rolled_up = $4, frame_key = $5, "
    "frame_number = $6, frame_token = $7, key_bytes = $8, change_bytes = $9 WHERE book = $1"
)
_NEWEST: Final = f"SELECT {_PLACE} FROM portfolio_current WHERE book = $1"


class State(NamedTuple):
    """The state of a book.

    Attributes:
        as_of: the time of the current snapshot; None before the first.
        revision: how often that or its content has changed.
        rolled_up: the instant up to which the history is rolled up.
        place: the place of the newest frame.
    """

    as_of: int | None
    revision: int
    rolled_up: int
    place: Place

    @property
    def version(self) -> str | None:
        """The version of the current snapshot; None before the first."""
        return None if self.as_of is None else version_of(self.revision, self.as_of)

    @classmethod
    def of(cls, row: Row) -> State:
        """The state from the columns of the row."""
        as_of, revision, rolled_up, *place = row
        return cls(as_of, revision, rolled_up, Place(*place))


def version_of(revision: int, as_of: int) -> str:
    """The version of a current snapshot, without a hyphen.

    Its time is part of it, because after a restore of the database revisions repeat.
    """
    return f"{revision:x}.{as_of % 2**64:x}"


async def locked(engine: Engine, transaction: Transaction, book: str, as_of: int) -> State:
    """The state of a book, which is locked, so that processes change it one by one.

    Args:
        as_of: the start of the history, if there is none yet.
    """
    await transaction.execute(_BOOK, book, as_of)
    (row,) = await transaction.fetch(f"{_STATE} {engine.locked}", book)
    return State.of(row)


async def update(transaction: Transaction, book: str, state: State) -> None:
    """Store the state of a book, which is locked."""
    await transaction.execute(_UPDATE, book, *state[:3], *state.place)


async def newest_place(engine: Engine, book: str) -> Place:
    """Where the newest frame of a book is."""
    rows = await engine.fetch(_NEWEST, book)
    return Place(*rows[0]) if rows else Place(WHOLE, -1, "", 0, 0)
