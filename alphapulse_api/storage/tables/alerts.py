"""Alerts: raised by programs, acknowledged and resolved by people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from alphapulse_api.domain.books import HOME, Books
from alphapulse_api.domain.deeds import HOST, Actor
from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.notifications import cause_of
from alphapulse_api.domain.occurrences import SEVERITIES
from alphapulse_api.domain.outbox import TOGETHER
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.listing import by_time_in, not_default, read_page
from alphapulse_api.storage.outbox import invalidation, of_new
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where, check_range
from alphapulse_api.storage.stores import NONE_SET, Written
from alphapulse_api.storage.tables.alert_causes import note_causes
from alphapulse_api.storage.tables.alert_changes import ACKNOWLEDGE, RESOLVE, change_alert
from alphapulse_api.storage.tables.alert_columns import COLUMNS, RAISED, SET_AT_CREATION
from alphapulse_api.storage.tables.alert_occurrences import raise_alerts, register
from alphapulse_api.storage.tables.alert_reports import store_reports
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.booked import in_books, listed, sought, the_one
from alphapulse_api.storage.tables.once import Pointer, by_position, insert_all_once

ALERTS_A_PART: Final = 200
Alert = dict[str, Any]


class AlertDataAccessor:
    """Reads and writes alerts: dicts with times as datetimes.

    Args:
        books: the books whose alerts it reads. An alert is written to the book that it names, or to
            the home book; None: it belongs to no book.
        directory: what the process knows of the books.
    """

    def __init__(
        self, engine: Engine, books: Books = HOME, directory: BookDirectory | None = None
    ) -> None:
        self._engine = engine
        self._books = books
        self._directory = directory or BookDirectory(engine)

    async def get_alerts(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        severity: Sequence[str] | None = None,
        acknowledged: bool | None = None,
        source: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        *,
        status: str | None = None,
        unresolved: bool = False,
        sort: str | None = None,
    ) -> Page:
        """One page, newest first unless `sort` is "asc".

        Args:
            severity: one or more severities, any of which matches.
            unresolved: whether to leave out resolved alerts.

        Raises:
            ValidationProblem: for an empty range or a foreign cursor.
        """
        check_range(start_time, end_time)
        where = Where()
        where.any_of("book", await sought(self._engine, self._books))
        where.between("created_at", start_time, end_time)
        by_severity = severity
        if severity is None and acknowledged is False and source is None:
            by_severity = SEVERITIES  # the index of unacknowledged alerts begins with the severity
        where.any_of("severity", by_severity)
        where.equal(status=status, source=source)
        # Spelled like the conditions of the indexes.
        if acknowledged is not None:
            where.add("acknowledged" if acknowledged else "NOT acknowledged")
        if unresolved or status not in (None, "resolved"):
            where.add("status <> 'resolved'")
        listing = Listing(
            "alerts",
            severity=severity,
            acknowledged=acknowledged,
            status=status,
            source=source,
            unresolved=unresolved,
            sort=not_default(sort),
            books=listed(self._books),
        )
        order = by_time_in(self._books, "created_at", sort)
        return await read_page(self._engine, COLUMNS, order, listing, where, limit, cursor)

    async def get_alert(self, alert_id: str) -> Alert:
        """The alert with that id.

        Raises:
            NotFound: if there is none.
            Conflict: if several of the books have one.
        """
        return await the_one(self._engine, COLUMNS, self._books, alert_id, "alert")

    async def add_alert(
        self, alert: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> Written:
        """Store a validated alert, or count it on the unresolved one with its fingerprint.

        Returns:
            The alert as stored, and whether it is new.

        Args:
            server_set: the fields that the server set, in which a repeat may differ.

        Raises:
            Conflict: if the id exists with other content.
        """
        (stored,) = await self._add([alert], [server_set], None, True, lambda _: "/id")
        return stored

    async def add_alerts(
        self,
        alerts: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated alerts, all of them or none; or count them on unresolved ones.

        Args:
            alerts: new ones are active; past ones contain their state, and do not count on others.
            server_set: as `insert_all_once` takes it.
            conflicts: as `insert_all_once` takes it.
            events: whether to publish new alerts and to tell people; not for an imported history.

        Returns:
            Each alert as stored, and whether it is new.

        Raises:
            Conflict: if an id exists with other content; then nothing is stored.
        """
        return await self._add(alerts, server_set, conflicts, events, by_position)

    async def _add(
        self,
        alerts: Sequence[Mapping[str, Any]],
        server_set: Sequence[frozenset[str]] | None,
        conflicts: dict[int, Conflict] | None,
        events: bool,
        pointer: Pointer,
    ) -> list[Written]:
        records = [{**RAISED, **alert} for alert in in_books(self._books, alerts)]
        again = events and any(record.get("fingerprint") is not None for record in records)
        insert = partial(raise_alerts, engine=self._engine) if again else insert_all_once

        async def work(transaction: Transaction) -> list[Written]:
            stored = await insert(
                transaction, COLUMNS, records,
                directory=self._directory, fixed=SET_AT_CREATION, server_set=server_set,
                conflicts=conflicts, pointer=pointer,
            )  # fmt: skip
            new = [alert for alert, is_new in stored if is_new]
            for at in range(0, len(new) if events else 0, TOGETHER):
                transaction.publish(*of_new("alerts", new[at : at + TOGETHER]))
                await transaction.turn()
            if events:
                await note_causes(transaction, [(cause_of(None, alert), alert) for alert in new])
            elif new:
                await register(transaction, new)
                transaction.publish(invalidation("alerts", new))
            return stored

        return await self._engine.write(work)

    async def report_alerts(self, reports: Sequence[Mapping[str, Any]]) -> list[Written]:
        """Store what another system says of its alerts, all of it or nothing.

        Args:
            reports: alerts with an id and a `created_at`, and a `resolved_at` once resolved.

        Returns:
            Of each report the alert as it is now, and whether the report changed it.
        """
        return await store_reports(
            self._engine, COLUMNS, self._directory, in_books(self._books, reports)
        )

    async def unresolved_in_parts(
        self, severities: Collection[str] | None = None, sources: Collection[str] | None = None
    ) -> AsyncIterator[Page]:
        """All alerts that are not resolved, newest first, in pages.

        Args:
            severities: only these; default: all.
            sources: only of these; default: all.
        """
        where = Where()
        where.any_of("book", await sought(self._engine, self._books))
        where.add("status <> 'resolved'")
        where.any_of("severity", severities and sorted(severities))
        where.any_of("source", sources and sorted(sources))
        listing = Listing("unresolved alerts")
        order = by_time_in(self._books, "created_at")
        cursor = None
        while True:
            page = await read_page(
                self._engine, COLUMNS, order, listing, where, ALERTS_A_PART, cursor
            )
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    async def acknowledge_alert(
        self, alert_id: str, user: str, comments: str | None = None
    ) -> Alert:
        """Acknowledge an alert and return it; if it is acknowledged already, change nothing.

        Raises:
            NotFound: if there is no such alert.
        """
        return (await self.try_to_acknowledge(alert_id, user, comments))[0]

    async def resolve_alert(self, alert_id: str) -> Alert:
        """Resolve an alert and return it; if it is resolved already, change nothing.

        Raises:
            NotFound: if there is no such alert.
        """
        return (await self.try_to_resolve(alert_id))[0]

    async def try_to_acknowledge(
        self, alert_id: str, user: str, comments: str | None = None, *, actor: Actor = HOST
    ) -> Written:
        """Like `acknowledge_alert`; also return whether this call changed the alert.

        Args:
            actor: who does it, for the audit log.
        """
        return await change_alert(
            self._engine, COLUMNS, self._books, alert_id, ACKNOWLEDGE, actor,
            user, to_micros(now()), comments,
        )  # fmt: skip

    async def try_to_resolve(self, alert_id: str, *, actor: Actor = HOST) -> Written:
        """Like `resolve_alert`; also return whether this call changed the alert."""
        return await change_alert(
            self._engine, COLUMNS, self._books, alert_id, RESOLVE, actor, to_micros(now())
        )
