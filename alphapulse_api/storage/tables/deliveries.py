"""The log of notifications: what was sent to whom, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from alphapulse_api.storage.columns import ANY_BOOK, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.listing import by_time, not_default, read_page
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where, check_range

COLUMNS: Final = Columns(
    "deliveries",
    {
        "id": PLAIN,
        "receiver": PLAIN,
        "book": ANY_BOOK,
        "alert_id": PLAIN,
        "title": PLAIN,
        "severity": PLAIN,
        "cause": PLAIN,
        "state": PLAIN,
        "created_at": TIME,
        "due_at": TIME,
        "attempts": PLAIN,
        "delivered_at": TIME,
        "last_error": PLAIN,
        "message_id": PLAIN,
        "silence_id": PLAIN,
    },
)


class NotificationDataAccessor:
    """Reads the log of notifications."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get_notifications(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        receiver: str | None = None,
        state: Sequence[str] | None = None,
        alert_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
    ) -> Page:
        """One page, newest first unless `sort` is "asc".

        Args:
            start_time: of the change that a notification is about.
            end_time: the same.
            receiver: to whom.
            state: one or more states, any of which matches.
            alert_id: about which alert.

        Raises:
            ValidationProblem: for an empty range or a foreign cursor.
        """
        check_range(start_time, end_time)
        where = Where()
        where.between("created_at", start_time, end_time)
        where.equal(receiver=receiver, alert_id=alert_id)
        if receiver is None:
            where.add("receiver <> ''")  # changes that are not routed yet
        where.any_of("state", state)
        listing = Listing(
            "notifications",
            receiver=receiver,
            state=state,
            alert_id=alert_id,
            sort=not_default(sort),
        )
        order = by_time("created_at", sort)
        return await read_page(self._engine, COLUMNS, order, listing, where, limit, cursor)
