"""The audit log: who did what. Entries are written in the transaction of the deed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import uuid_utils

from alphapulse_api.domain.deeds import Deed
from alphapulse_api.domain.times import now
from alphapulse_api.storage.columns import JSON, NUMBER, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.listing import by_time, not_default, read_page
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where, check_range

COLUMNS: Final = Columns(
    "audit",
    {
        "id": PLAIN,
        "at": TIME,
        "actor": PLAIN,
        "role": PLAIN,
        "auth": PLAIN,
        "key_id": PLAIN,
        "address": PLAIN,
        "request_id": PLAIN,
        "action": PLAIN,
        "target_kind": PLAIN,
        "target_id": PLAIN,
        "book": PLAIN,
        "before": JSON,
        "after": JSON,
        "count": NUMBER,
    },
)
Entry = dict[str, Any]


class AuditDataAccessor:
    """Reads the audit log, and writes entries about what has no transaction here."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get_audit(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        actor: str | None = None,
        action: Sequence[str] | None = None,
        target: str | None = None,
        address: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
    ) -> Page:
        """One page of entries, newest first unless `sort` is "asc".

        Args:
            action: one or more actions, any of which matches.
            target: the id of a target, of any kind.

        Raises:
            ValidationProblem: for an empty range or a foreign cursor.
        """
        check_range(start_time, end_time)
        where = Where()
        where.between("at", start_time, end_time)
        where.any_of("action", action)
        where.equal(actor=actor, target_id=target, address=address)
        listing = Listing(
            "audit",
            actor=actor,
            action=action,
            target=target,
            address=address,
            sort=not_default(sort),
        )
        order = by_time("at", sort)
        return await read_page(self._engine, COLUMNS, order, listing, where, limit, cursor)

    async def add(self, deed: Deed) -> None:
        """Store an entry about a deed that is done."""

        async def work(transaction: Transaction) -> None:
            await note(transaction, deed)

        await self._engine.write(work)


async def note(transaction: Transaction, deed: Deed) -> None:
    """Store an entry about a deed, in the transaction of the deed."""
    await transaction.execute(COLUMNS.insert, *COLUMNS.store(entry_of(deed)))


async def let_go(transaction: Transaction, keys: Sequence[Sequence[Any]]) -> None:
    """Allow that the entries with these keys (time and id) are deleted, and all older ones."""
    if keys:
        await transaction.execute(
            "UPDATE audit_expiry SET before = $1", max(at for at, _ in keys) + 1
        )


def entry_of(deed: Deed) -> Entry:
    """A new entry about a deed that is done now."""
    actor = deed.actor
    return {
        "id": str(uuid_utils.uuid7()),
        "at": now(),
        "actor": actor.name,
        "role": actor.role,
        "auth": actor.auth,
        "key_id": actor.key_id,
        "address": actor.address,
        "request_id": actor.request_id,
        "action": deed.action,
        "target_kind": deed.target_kind,
        "target_id": deed.target_id,
        "book": deed.book,
        "before": deed.before,
        "after": deed.after,
        "count": 1,
    }
