"""The calls of models: those that were reported by themselves, and sums over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from alphapulse_api.domain.books import HOME, Books
from alphapulse_api.domain.errors import Conflict, ValidationProblem
from alphapulse_api.domain.times import to_micros, zone_of
from alphapulse_api.storage.columns import BOOLEAN, DECIMAL, FLOAT, JSON, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.outbox import invalidation
from alphapulse_api.storage.page import Page, page_of_records
from alphapulse_api.storage.query import Listing, check_range
from alphapulse_api.storage.stores import DecisionStore, Written
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.booked import in_books
from alphapulse_api.storage.tables.once import insert_all_once
from alphapulse_api.storage.tables.signal_accessor import make_agents
from alphapulse_api.storage.tables.usage_linked import usage_of_decision
from alphapulse_api.storage.tables.usage_reading import (
    grouped,
    page_of,
    rows_of_entries,
    spans_of,
)
from alphapulse_api.storage.tables.usage_spans import decide_what_counts
from alphapulse_api.storage.tables.usage_sums import Called, count

RECORDS: Final = Columns(
    "usage_records",
    {
        "id": PLAIN,
        "timestamp": TIME,
        "received_at": TIME,
        "agent_id": PLAIN,
        "decision_id": PLAIN,
        "cycle_id": PLAIN,
        "provider": PLAIN,
        "model": PLAIN,
        "input_tokens": PLAIN,
        "output_tokens": PLAIN,
        "cached_tokens": PLAIN,
        "cost": DECIMAL,
        "currency": PLAIN,
        "duration": FLOAT,
        "calls": PLAIN,
        "tool_calls": PLAIN,
        "metadata": JSON,
        "book": PLAIN,
        "span": BOOLEAN,
        "counted": BOOLEAN,
    },
)
_FIXED: Final = tuple(
    name for name in RECORDS.names if name not in ("id", "book", "received_at", "span", "counted")
)
HIDDEN: Final = ("span", "counted")


class UsageDataAccessor:
    """Reads and writes what thinking cost.

    Args:
        engine: where it is stored.
        decisions: the decisions of the same books.
        books: the books that it reads.
        directory: what the process knows of the books.
    """

    def __init__(
        self,
        engine: Engine,
        decisions: DecisionStore,
        books: Books = HOME,
        directory: BookDirectory | None = None,
    ) -> None:
        self._directory = directory or BookDirectory(engine)
        self._engine = engine
        self._decisions = decisions
        self._books = books

    async def get_usage(
        self,
        group_by: str = "agent",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        agent_id: str | None = None,
        timezone: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page of sums: a row a group and currency; calls of unknown cost have no currency.

        Args:
            group_by: agent, model, book, day or decision (newest first).
            start_time: rounded down to 15 minutes, but for decisions.
            end_time: rounded up to 15 minutes, but for decisions.
            agent_id: only calls of this agent, or decisions of it.
            timezone: the IANA name of the zone in which days begin; default: UTC.
            limit: groups a page.
            cursor: of the page.

        Raises:
            ValidationProblem: for an empty range, an unknown zone or a foreign cursor.
        """
        check_range(start_time, end_time)
        if group_by == "decision":
            return await self._by_decision(start_time, end_time, agent_id, limit, cursor)
        zone = UTC if timezone is None else zone_of(timezone)
        if zone is None:
            raise ValidationProblem.parameter("timezone", f"{timezone!r} is not an IANA time zone")
        listing = Listing(
            "usage", group_by=group_by, agent_id=agent_id, timezone=timezone,
            start_time=start_time and to_micros(start_time),
            end_time=end_time and to_micros(end_time), books=self._books.text,
        )  # fmt: skip
        whole_days = group_by != "day" or zone is UTC
        spans = spans_of(start_time, end_time, days=whole_days)
        books = await self._ids()
        groups = await grouped(self._engine, books, group_by, spans, agent_id, zone)
        return page_of(groups, group_by, listing, limit, cursor)

    async def _ids(self) -> Sequence[str]:
        """The ids of the books."""
        if self._books.ids is not None:
            return self._books.ids
        return [book for (book,) in await self._engine.fetch("SELECT id FROM books ORDER BY id")]

    async def _by_decision(
        self,
        start_time: datetime | None,
        end_time: datetime | None,
        agent_id: str | None,
        limit: int,
        cursor: str | None,
    ) -> Page:
        page = await self._decisions.get_decisions(
            agent_id=agent_id, start_time=start_time, end_time=end_time, limit=limit, cursor=cursor
        )
        rows = []
        for decision in page:
            entries = await usage_of_decision(self._engine, decision)
            rows += rows_of_entries({"decision_id": decision["id"]}, entries)
        return page_of_records(rows, page.next_cursor)

    async def add_usage(
        self,
        records: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated records, each once, and count them.

        Args:
            records: the columns' values; `span` says whether it is a span of a trace.
            server_set: as `insert_all_once` takes it.
            conflicts: as `insert_all_once` takes it.
            events: has no effect: usage has no channel.

        Returns:
            Each record as stored, and whether it is new.

        Raises:
            Conflict: if an id exists with other content.
        """

        async def work(transaction: Transaction) -> list[Written]:
            given = [{"span": False, "counted": True, **r} for r in in_books(self._books, records)]
            await decide_what_counts(transaction, given)
            await make_agents(transaction, {str(record["agent_id"]) for record in given})
            written = await insert_all_once(
                transaction, RECORDS, given,
                directory=self._directory, fixed=_FIXED, server_set=server_set,
                conflicts=conflicts,
            )  # fmt: skip
            await count(
                transaction,
                (
                    Called(record["book"], record["timestamp"], record["agent_id"], record)
                    for record, new in written
                    if new and record["counted"]
                ),
            )
            transaction.publish(invalidation("usage", given))
            return [
                ({name: value for name, value in record.items() if name not in HIDDEN}, new)
                for record, new in written
            ]

        return await self._engine.write(work)
