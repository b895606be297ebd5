"""Stores snapshots of the portfolio: their values, their positions as changes, their rollups."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

from alphapulse_api.domain.encoded import Encoded
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.newest import overtakes
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.domain.versions import Precondition
from alphapulse_api.storage.bulk import insert_rows
from alphapulse_api.storage.columns import BOOK_LIST
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.outbox import invalidation
from alphapulse_api.storage.portfolio.admission import Admission
from alphapulse_api.storage.portfolio.attempts import Attempt, Newest, NotYet, Stored
from alphapulse_api.storage.portfolio.comparing import Comparison, same_snapshot, says
from alphapulse_api.storage.portfolio.frames import (
    NOTHING,
    Content,
    content_of,
    following,
)
from alphapulse_api.storage.portfolio.reading import SNAPSHOT, Reader, Snapshot
from alphapulse_api.storage.portfolio.state import locked, newest_place, update
from alphapulse_api.storage.portfolio.transitions import moved, released, rolled_up
from alphapulse_api.storage.portfolio.turns import Turn
from alphapulse_api.storage.tables.book_directory import BookDirectory

_INTO: Final = f"portfolio_snapshots (book, {SNAPSHOT.select}, frame_key, frame_number)"
_VALUES: Final = ", ".join(f"${number}" for number in range(1, len(SNAPSHOT.names) + 4))
_INSERT: Final = (
    f"INSERT INTO {_INTO} VALUES ({_VALUES}) ON CONFLICT (book, as_of) DO NOTHING "
    f"RETURNING ({BOOK_LIST})"
)
_REPLACE: Final = (
    "UPDATE portfolio_snapshots SET total_value = $3, cash = $4, positions_value = $5, "
    "currency = $6, frame_key = $7, frame_number = $8 WHERE book = $1 AND as_of = $2"
)
_KNOWN: Final = (
    "SELECT total_value, cash, positions_value, currency, frame_key, frame_number "
    "FROM portfolio_snapshots WHERE book = $1 AND as_of = $2"
)
_FRAME: Final = (
    "INSERT INTO portfolio_frames (book, frame_key, frame_number, as_of, performance, body) "
    "VALUES ($1, $2, $3, $4, $5, $6)"
)
_FRAMES: Final = (
    "SELECT performance, body FROM portfolio_frames "
    "WHERE book = $1 AND frame_key = $2 AND frame_number <= $3 ORDER BY frame_number"
)
_TYPES: Final = ("text", "timestamptz", *("numeric",) * 3, "text", "bigint", "bigint")


class Writer:
    """Stores the snapshots of one book, in the order of the calls.

    Args:
        engine: the database.
        book: the book.
        reader: of the same book.
        directory: the books.
        ahead: microseconds by which the clock of a sender may be ahead.
    """

    def __init__(
        self, engine: Engine, book: str, reader: Reader, directory: BookDirectory, ahead: int
    ) -> None:
        self._admission = Admission(directory, book)
        self._engine = engine
        self._book = book
        self._reader = reader
        self._ahead = ahead
        # The state once the waiting writes are committed. If a write finds another frame than the
        # one on which its own was built, it is done again.
        self._newest: Newest | None = None
        self._last: Turn | None = None

    def __repr__(self) -> str:
        return f"<Writer of {self._book!r}>"

    @property
    def busy(self) -> bool:
        """Whether calls are in progress, which are stored in the order in which they began."""
        return self._last is not None and not self._last.ended.is_set()

    @property
    def size(self) -> int:
        """About how many bytes the remembered frame takes."""
        return 0 if self._newest is None else sum(map(len, self._newest.content.positions.values()))

    async def store(
        self,
        snapshot: Snapshot,
        shown: Encoded,
        *,
        latest: bool,
        precondition: Precondition | None = None,
    ) -> tuple[int | None, str | None]:
        """Store a snapshot, replacing one with the same time.

        Args:
            snapshot: the snapshot.
            shown: its published form.
            latest: whether it becomes the current one whatever its time.
            precondition: the condition on the current one.

        Returns:
            If it is the current one, its revision: how often the current snapshot or its content
            has changed; and the version of the current one.

        Raises:
            Problem: 412, if `precondition` does not hold.
        """
        turn = self._last = Turn(self._last)
        try:
            return await self._store_in_turn(turn, snapshot, shown, latest, precondition)
        finally:
            turn.end()

    async def _store_in_turn(
        self,
        turn: Turn,
        snapshot: Snapshot,
        shown: Encoded,
        latest: bool,
        precondition: Precondition | None,
    ) -> tuple[int | None, str | None]:
        content = Content(snapshot.holdings.stored, dumps(snapshot.performance).decode())
        compared: Comparison | None = None
        while True:
            newest = self._newest or await self._read_newest()
            newest = self._newest = self._newest or newest
            # From here until the write is in the engine's queue, no other call runs.
            frame = None
            if content != NOTHING:
                frame = following(newest.place, newest.content, content)
                self._newest = Newest(frame.place, content)
            base = newest.place
            attempt = Attempt(snapshot, shown, frame, base, compared, latest, precondition)
            try:
                result = await self._engine.write(partial(self._store, turn, attempt))
            except BaseException:
                self._newest = None
                raise
            if isinstance(result, Stored):
                self._note(result, attempt, newest)
                return result.revision, result.state.version
            self._newest = None
            await turn.wait()
            if result.unread is not None:
                stored = await self._reader.at(to_micros(snapshot.as_of))
                same = stored is not None and says(stored) == says(snapshot)
                compared = Comparison(*result.unread, same)

    async def add(self, snapshots: Mapping[int, Snapshot], *, last: bool) -> int:
        """Store past snapshots without positions, all or none; known times are skipped.

        Args:
            snapshots: by time in microseconds, at least one.
            last: whether the newest becomes the current one, unless a newer one exists.

        Returns:
            How many are new.
        """
        rows = [
            (self._book, *SNAPSHOT.store(snapshot.record), None, None)
            for snapshot in snapshots.values()
        ]
        oldest, newest = min(snapshots), max(snapshots)

        async def work(transaction: Transaction) -> int:
            state = await locked(self._engine, transaction, self._book, oldest)
            ending = f"ON CONFLICT (book, as_of) DO NOTHING RETURNING as_of, ({BOOK_LIST})"
            inserted = await insert_rows(transaction, _INTO, rows, ending, _TYPES)
            added = [row[0] for row in inserted]
            if added:
                currency = snapshots[newest].record["currency"]
                await self._admission.check(transaction, inserted[-1][1], currency)
                transaction.publish(invalidation("portfolio", [{"book": self._book}]))
                state = await rolled_up(transaction, self._book, state, added)
            known = state.as_of
            newer = known is None or (
                newest != known and overtakes(newest, known, to_micros(now()), self._ahead)
            )
            if last and newer:
                shown = self._reader.shown(snapshots[newest])
                state = await moved(transaction, self._engine, self._book, state, newest, shown)
            await update(transaction, self._book, state)
            return len(added)

        return await self._engine.write(work)

    async def _store(
        self, turn: Turn, attempt: Attempt, transaction: Transaction
    ) -> Stored | NotYet:
        """Make an attempt, unless an earlier call must be done first."""
        turn.done = False  # an earlier run of the transaction was rolled back
        if not turn.has_come:
            return NotYet()
        result = await self._try(attempt, transaction)
        turn.done = isinstance(result, Stored)
        return result

    async def _try(self, attempt: Attempt, transaction: Transaction) -> Stored | NotYet:
        snapshot, shown, frame, base, compared, latest, precondition = attempt
        values = SNAPSHOT.store(snapshot.record)
        as_of = values[0]
        state = await locked(self._engine, transaction, self._book, as_of)
        if precondition is not None:
            precondition.check(state.version, "portfolio")
        if frame is not None and state.place.token != base.token:
            return NotYet()
        key, number = (None, None) if frame is None else frame.place[:2]
        replaced: int | None = None
        inserted = await transaction.fetch(_INSERT, self._book, *values, key, number)
        token = inserted[0][0] if inserted else None
        await self._admission.check(transaction, token, snapshot.record["currency"])
        if not inserted:
            (known,) = await transaction.fetch(_KNOWN, self._book, as_of)
            same = same_snapshot(values[1:], frame, base, known, compared)
            if same is None:
                return NotYet((known[-2], known[-1]))
            if same:
                revision = state.revision if as_of == state.as_of else None
                return Stored(False, revision, state)
            await transaction.execute(_REPLACE, self._book, *values, key, number)
            replaced = known[-2]
        if frame is not None:
            await transaction.execute(
                _FRAME, self._book, key, number, as_of, frame.performance, frame.body
            )
            state = state._replace(place=frame.place)
        if replaced is not None:
            state = await released(transaction, self._book, state, as_of, replaced)
        state = await rolled_up(transaction, self._book, state, (as_of,))
        moves = (
            latest
            or state.as_of is None
            or overtakes(as_of, state.as_of, to_micros(now()), self._ahead)
        )
        if moves:
            state = await moved(transaction, self._engine, self._book, state, as_of, shown)
        else:
            transaction.publish(invalidation("portfolio", [{"book": self._book}]))
        await update(transaction, self._book, state)
        return Stored(True, state.revision if moves else None, state)

    def _note(self, result: Stored, attempt: Attempt, base: Newest) -> None:
        """Remember the frame to compare the next snapshot with, and the snapshot for readers."""
        snapshot, shown, frame, *_ = attempt
        if not result.changed and frame is not None:
            # The frame was not stored; writes that were built on it are done again.
            ours = self._newest is not None and self._newest.place is frame.place
            self._newest = base if ours else None
        elif result.changed and result.revision is not None:
            key, number = (None, None) if frame is None else frame.place[:2]
            values = SNAPSHOT.store(snapshot.record)
            token = result.state.place.token
            self._reader.keep((*values, key, number, token, result.revision), snapshot, shown)

    async def _read_newest(self) -> Newest:
        place = await newest_place(self._engine, self._book)
        if place.number < 0:
            return Newest(place, NOTHING)
        frames = await self._engine.fetch(_FRAMES, self._book, place.key, place.number)
        if len(frames) <= place.number:  # removed meanwhile; then the token has changed
            return Newest(place._replace(number=-1), NOTHING)
        read = partial(content_of, [(performance, body) for performance, body in frames])
        return Newest(place, await asyncio.to_thread(read))
