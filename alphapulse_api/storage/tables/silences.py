"""Silences: alerts that nobody is told of for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.deeds import Actor, Deed, changed_fields
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.domain.notifications import SILENCED
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.columns import JSON, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.listing import by_time, not_default, read_page
from alphapulse_api.storage.outbox import new_id
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where
from alphapulse_api.storage.stores import NONE_SET, Written
from alphapulse_api.storage.tables.audit import note

COLUMNS: Final = Columns(
    "silences",
    {
        "id": PLAIN,
        "matchers": JSON,
        "comment": PLAIN,
        "created_by": PLAIN,
        "created_at": TIME,
        "starts_at": TIME,
        "until": TIME,
    },
)
_FIXED: Final = ("matchers", "comment", "created_by", "starts_at", "until")
_BY_ID: Final = f"SELECT {COLUMNS.select} FROM silences WHERE id = $1"
_IN_FORCE: Final = (
    f"SELECT {COLUMNS.select} FROM silences WHERE until > $1 AND starts_at <= $1 ORDER BY id"
)
# What the silence held back is looked at again at once.
_RELEASE: Final = (
    "UPDATE deliveries SET due_at = $2 WHERE silence_id = $1 AND due_at IS NOT NULL "
    f"AND state = '{SILENCED}'"
)
Silence = dict[str, Any]


class SilenceDataAccessor:
    """Reads, creates and ends silences.

    Attributes:
        on_change: called after a silence was created or ended; does nothing by default.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.on_change: Callable[[], object] = lambda: None

    async def get_silences(
        self,
        active: bool | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
    ) -> Page:
        """One page, newest first unless `sort` is "asc".

        Args:
            active: whether only those that are in force now, or only the others.

        Raises:
            ValidationProblem: for a foreign cursor.
        """
        where, at = Where(), to_micros(now())
        if active is not None:
            in_force = "(starts_at <= {} AND until > {})"
            where.add(in_force if active else f"NOT {in_force}", at, at)
        listing = Listing("silences", active=active, sort=not_default(sort))
        order = by_time("created_at", sort)
        return await read_page(self._engine, COLUMNS, order, listing, where, limit, cursor)

    async def get_silence(self, silence_id: str) -> Silence:
        """The silence with that id.

        Raises:
            NotFound: if there is none.
        """
        return await _the_one(self._engine, silence_id)

    async def add_silence(
        self, silence: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET, actor: Actor
    ) -> Written:
        """Store a validated silence; return it as stored, and whether it is new.

        Args:
            silence: the columns' values.
            server_set: the fields that the server set, in which a repeat may differ.
            actor: who does it, for the audit log.

        Raises:
            Conflict: if the id exists with other content.
        """
        record: Silence = {"id": new_id(), "created_at": now(), **silence}

        async def work(transaction: Transaction) -> Written:
            new = await transaction.execute(
                f"{COLUMNS.insert} ON CONFLICT (id) DO NOTHING", *COLUMNS.store(record)
            )
            stored = await _the_one(transaction, record["id"])
            if not new:
                # One that was ended is still the same silence.
                fixed = [name for name in _FIXED if name != "until" or stored["until"] > now()]
                conflict = COLUMNS.conflict(stored, record, fixed, server_set, "/id")
                if conflict is not None:
                    raise conflict
            else:
                await note(transaction, Deed(actor, "silence.create", stored["id"], after=stored))
            return stored, new > 0

        written = await self._engine.write(work)
        self.on_change()
        return written

    async def end_silence(self, silence_id: str, *, actor: Actor) -> Silence:
        """End a silence now and return it; one that is over stays as it is.

        Args:
            silence_id: its id.
            actor: who does it, for the audit log.

        Raises:
            NotFound: if there is none.
        """

        async def work(transaction: Transaction) -> Silence:
            at = now()
            before = await _the_one(transaction, silence_id, self._engine.locked)
            if before["until"] <= at:
                return before
            # One that has not begun ends where it begins: its span is never negative.
            after = {**before, "starts_at": min(before["starts_at"], at), "until": at}
            await transaction.execute(
                "UPDATE silences SET starts_at = $2, until = $3 WHERE id = $1",
                silence_id,
                to_micros(after["starts_at"]),
                to_micros(at),
            )
            await transaction.execute(_RELEASE, silence_id, to_micros(at))
            changes = changed_fields(before, after)
            await note(transaction, Deed(actor, "silence.end", silence_id, None, *changes))
            return after

        silence = await self._engine.write(work)
        self.on_change()
        return silence


async def in_force(store: Engine | Transaction, at: int) -> list[Silence]:
    """The silences that are in force at an instant, in microseconds."""
    return COLUMNS.records(await store.fetch(_IN_FORCE, at))


async def _the_one(store: Engine | Transaction, silence_id: str, locked: str = "") -> Silence:
    rows: Sequence[Row] = await store.fetch(f"{_BY_ID} {locked}", silence_id)
    if not rows:
        raise NotFound(f"There is no silence {silence_id!r}.")
    return COLUMNS.read(rows[0])
