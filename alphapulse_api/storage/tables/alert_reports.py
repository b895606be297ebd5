"""Alerts as another system reports them: stored, changed, resolved and opened again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.books import NO_BOOK
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.episodes import opened, reported
from alphapulse_api.domain.notifications import cause_of
from alphapulse_api.domain.outbox import TOGETHER
from alphapulse_api.storage.columns import A_TURN, Columns, key_of
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.outbox import of_change, of_new
from alphapulse_api.storage.stores import Written
from alphapulse_api.storage.tables.alert_causes import Cause, note_causes
from alphapulse_api.storage.tables.book_directory import BookDirectory, closed
from alphapulse_api.storage.tables.open_books import insert_open

Alert = dict[str, Any]
_STAGE: Final = CHANNELS["alerts"].identity


async def store_reports(
    engine: Engine,
    columns: Columns,
    directory: BookDirectory,
    reports: Sequence[Mapping[str, Any]],
) -> list[Written]:
    """Store what another system says of its alerts, all of it or nothing.

    Args:
        engine: of the table.
        columns: of the table `alerts`.
        directory: the books.
        reports: validated, with their books, in the order in which they were sent.

    Returns:
        Of each report the alert as it is now, and whether the report changed it.

    Raises:
        Conflict: if a new alert is in a closed book.
    """

    async def work(transaction: Transaction) -> list[Written]:
        # In the order of ids, so that processes that lock the same rows do not deadlock.
        first = {}
        for report in sorted(reversed(reports), key=_sorted_by):
            first[key_of(report)] = opened(report)
        added, known, barred = await insert_open(transaction, columns, first, directory)
        for at, report in enumerate(reports):
            if key_of(report) in barred:
                raise closed(str(report["book"]), f"/{at}/book")
        fresh = [first[key] for key in first if key in added]
        for at in range(0, len(fresh), TOGETHER):
            transaction.publish(*of_new("alerts", fresh[at : at + TOGETHER]))
            await transaction.turn()
        causes: list[Cause] = [(cause_of(None, alert), alert) for alert in fresh]
        known.update((key_of(alert), alert) for alert in fresh)
        changed: set[int] = set()
        order = sorted(range(len(reports)), key=lambda at: _sorted_by(reports[at]))
        answer: dict[int, Alert] = {}
        for count, at in enumerate(order):
            report = reports[at]
            key = key_of(report)
            if key in added:
                added.remove(key)
                changed.add(at)
            # The common case, a repeat, locks nothing.
            elif reported(known[key], report) is not None:
                states = await _changed(engine, columns, transaction, report)
                if states is not None:
                    before, after = states
                    causes.append((cause_of(before, after), after))
                    known[key] = after
                    changed.add(at)
            answer[at] = known[key]
            if count % A_TURN == 0:
                await transaction.turn()
        await note_causes(transaction, causes)
        return [(answer[at], at in changed) for at in range(len(reports))]

    return await engine.write(work)


def _sorted_by(report: Mapping[str, Any]) -> tuple[str, str]:
    return report["book"] or NO_BOOK, str(report["id"])


async def _changed(
    engine: Engine, columns: Columns, transaction: Transaction, report: Mapping[str, Any]
) -> tuple[Alert, Alert] | None:
    """The alert that a report changes, before and after; None if it changes nothing."""
    book = report["book"] or NO_BOOK
    found = await transaction.fetch(
        f"SELECT {columns.select} FROM alerts WHERE book = $1 AND id = $2 {engine.locked}",
        book,
        report["id"],
    )
    before = columns.read(found[0]) if found else None
    after = reported(before, report) if before is not None else None
    if before is None or after is None:
        return None
    assignments = ", ".join(f"{name} = ${n}" for n, name in enumerate(columns.names, 1))
    await transaction.execute(
        f"UPDATE alerts SET {assignments} WHERE book = ${len(columns.names) + 1} AND id = $1",
        *columns.store(after),
        book,
    )
    _, stage = _STAGE(after)
    rows = await of_change(
        transaction,
        "alerts",
        after,
        stage,
        record_id=after["id"],
        relayed=engine.relayed,
    )
    transaction.publish(*rows)
    return before, after
