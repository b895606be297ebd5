"""Stores alerts that are raised, some of them again: those of one fingerprint count on one alert.

The row of a fingerprint names its newest alert. Whoever raises it locks that row first, so two
processes that raise it at once make one alert.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.books import NO_BOOK
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.encoding import dumps, loads_stored
from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.notifications import cause_of
from alphapulse_api.domain.occurrences import RECENT, SEVERITIES, again, first, is_told
from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage.bulk import ROWS, insert_rows, keys_as_rows, update_rows
from alphapulse_api.storage.columns import A_TURN, Columns, Key, key_of
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.outbox import invalidation, of_changes
from alphapulse_api.storage.stores import Written
from alphapulse_api.storage.tables.alert_causes import Cause, note_causes
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.once import Pointer, insert_all_once

Alert = dict[str, Any]
_TEXTS: Final = ("text", "text")
_INTO: Final = "alert_fingerprints (book, fingerprint, alert_id)"
# It writes nothing new to a row that exists, and locks it.
_LOCKED: Final = (
    "ON CONFLICT (book, fingerprint) DO UPDATE SET alert_id = alert_fingerprints.alert_id "
    "RETURNING book, fingerprint, alert_id"
)
_COUNTED: Final = ("book", "id", "occurrences", "last_seen_at", "severity", "counted")
_TYPES: Final = (*_TEXTS, "bigint", "timestamptz", "text", "json")


class _Group:
    """What has one fingerprint.

    Attributes:
        before: the newest alert as it is stored; None if there is none.
        alert: the newest alert with what these calls add to it.
        counted: the ids of the occurrences that were counted last.
        place: of a new alert among the rows to insert; None if none is new.
    """

    __slots__ = ("alert", "before", "counted", "place")

    def __init__(self) -> None:
        self.before: Alert | None = None
        self.alert: Alert | None = None
        self.counted: list[str] = []
        self.place: int | None = None

    @property
    def counts(self) -> bool:
        return self.alert is not None and self.alert["status"] != "resolved"

    def count(self, record: Mapping[str, Any]) -> None:
        assert self.alert is not None
        self.alert = again(self.alert, record)
        self.counted = [*self.counted, record["id"]][-RECENT:]

    def open(self, record: Mapping[str, Any], place: int) -> None:
        before = None if self.alert is None else self.alert["id"]
        self.alert, self.counted, self.place = first(record, before), [], place


async def raise_alerts(
    transaction: Transaction,
    columns: Columns,
    records: Sequence[Mapping[str, Any]],
    *,
    engine: Engine,
    directory: BookDirectory,
    fixed: Sequence[str],
    server_set: Sequence[frozenset[str]] | None,
    conflicts: dict[int, Conflict] | None,
    pointer: Pointer,
) -> list[Written]:
    """Store new alerts, count those that are raised again, and publish the latter.

    The arguments besides the engine are those of `insert_all_once`.

    Returns:
        The alert of each record as it is now, and whether it is new.
    """
    groups, known = await _lock(transaction, engine, columns, records)
    rows: list[Mapping[str, Any]] = []
    positions: list[int] = []  # of those rows among the records
    repeats: dict[int, _Group | None] = {}  # by the place of the row
    counted: dict[int, _Group] = {}
    for at, record in enumerate(records):
        group = groups.get(_key(record))
        if group is None or key_of(record) in known or _is(group.alert, record):
            repeats[len(rows)] = group
            rows.append(record)
            positions.append(at)
        elif record["id"] in group.counted:
            counted[at] = group
        elif group.counts:
            group.count(record)
            counted[at] = group
        else:
            group.open(record, len(rows))
            rows.append(record)
            positions.append(at)
        if at % A_TURN == 0:
            await transaction.turn()
    for group in groups.values():
        if group.place is not None and group.alert is not None:
            rows[group.place] = group.alert
    for place, repeated in repeats.items():
        alert = repeated.alert if repeated is not None else None
        rows[place] = _as_raised(rows[place], known.get(key_of(rows[place]), alert))
    refused: dict[int, Conflict] | None = None if conflicts is None else {}
    stored = await insert_all_once(
        transaction, columns, rows, directory=directory, fixed=fixed,
        server_set=server_set and [server_set[at] for at in positions],
        conflicts=refused, pointer=lambda place: pointer(positions[place]),
    )  # fmt: skip
    if conflicts is not None and refused is not None:
        conflicts.clear()
        conflicts.update((positions[place], refusal) for place, refusal in refused.items())
        # What counts on an alert that is refused, is refused with it.
        for at, group in counted.items():
            if group.place in refused:
                conflicts[at] = refused[group.place]
    await _update(transaction, engine, groups, refused or {})
    answers = dict(zip(positions, stored, strict=True))
    for at, group in counted.items():
        alert = group.alert if group.place is None else stored[group.place][0]
        answers[at] = alert or dict(records[at]), False
    return [answers[at] for at in range(len(records))]


async def register(transaction: Transaction, alerts: Sequence[Mapping[str, Any]]) -> None:
    """Let the fingerprints of imported alerts lead to them, unless one leads to an unresolved one.

    Args:
        alerts: those that are new.
    """
    for alert in sorted(alerts, key=lambda alert: alert["created_at"]):
        if (key := _key(alert)) is not None:
            await transaction.execute(
                f"INSERT INTO {_INTO} VALUES ($1, $2, $3) ON CONFLICT (book, fingerprint) "
                "DO UPDATE SET alert_id = excluded.alert_id "
                "WHERE NOT EXISTS (SELECT 1 FROM alerts a WHERE a.book = excluded.book "
                "AND a.id = alert_fingerprints.alert_id AND a.status <> 'resolved')",
                *key,
                alert["id"],
            )


async def forget_fingerprints(transaction: Transaction, keys: Sequence[Sequence[Any]]) -> None:
    """Delete the fingerprints that lead to alerts with these books and ids."""
    if keys:
        rows, args = keys_as_rows(transaction, _TEXTS, keys)
        await transaction.execute(
            f"DELETE FROM alert_fingerprints WHERE (book, alert_id) IN ({rows})", *args
        )


def _key(record: Mapping[str, Any]) -> tuple[str, str] | None:
    fingerprint = record.get("fingerprint")
    return None if fingerprint is None else (record["book"] or NO_BOOK, fingerprint)


def _is(alert: Alert | None, record: Mapping[str, Any]) -> bool:
    return alert is not None and alert["id"] == record["id"]


def _as_raised(record: Mapping[str, Any], stored: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A repeat of the first record of an alert whose severity may have risen since."""
    if stored is None or stored["fingerprint"] is None or record["severity"] == stored["severity"]:
        return record
    risen = max(record["severity"], stored["severity"], key=SEVERITIES.index)
    return {**record, "severity": risen}


async def _lock(
    transaction: Transaction,
    engine: Engine,
    columns: Columns,
    records: Sequence[Mapping[str, Any]],
) -> tuple[dict[tuple[str, str] | None, _Group], dict[Key, Alert]]:
    """Lock the fingerprints of records and their newest alerts.

    Returns:
        The groups by book and fingerprint, and the alerts that have the ids of records already.
    """
    firsts: dict[tuple[str, str], Mapping[str, Any]] = {}
    ids: set[tuple[str, str]] = set()
    for record in records:
        if (key := _key(record)) is not None:
            firsts.setdefault(key, record)
            ids.add((key[0], record["id"]))
    # In one order, so that processes that lock the same rows do not deadlock.
    wanted = [(*key, firsts[key]["id"]) for key in sorted(firsts)]
    types = (*_TEXTS, "text") if len(wanted) >= A_TURN else ()
    newest: dict[tuple[str, str], str] = {}
    for book, fingerprint, alert_id in await insert_rows(
        transaction, _INTO, wanted, _LOCKED, types
    ):
        newest[book, fingerprint] = alert_id
        ids.add((book, alert_id))
    groups: dict[tuple[str, str] | None, _Group] = {key: _Group() for key in newest}
    known: dict[Key, Alert] = {}
    keys = sorted(ids)
    for at in range(0, len(keys), ROWS):
        of_part, args = keys_as_rows(transaction, _TEXTS, keys[at : at + ROWS])
        for *row, counted in await transaction.fetch(
            f"SELECT {columns.select}, counted FROM alerts WHERE (book, id) IN ({of_part}) "
            f"ORDER BY book, id {engine.locked}",
            *args,
        ):
            alert = columns.read(row)
            known[key_of(alert)] = alert
            # A record that was refused may have left its id under another fingerprint.
            if (key := _key(alert)) is not None and newest.get(key) == alert["id"]:
                group = groups[key]
                group.before = group.alert = alert
                group.counted = loads_stored(counted) if counted else []
        await transaction.turn()
    return groups, known


async def _update(
    transaction: Transaction,
    engine: Engine,
    groups: Mapping[tuple[str, str] | None, _Group],
    refused: Mapping[int, Conflict],
) -> None:
    """Store the counts of alerts, and which alert each fingerprint leads to."""
    leads: list[tuple[str, ...]] = []
    counts: list[tuple[Any, ...]] = []
    told: list[Alert] = []
    untold: list[Alert] = []
    causes: list[Cause] = []
    for group in groups.values():
        before, alert = group.before, group.alert
        if alert is None or alert is before or group.place in refused:
            continue
        book, counted = alert["book"] or NO_BOOK, dumps(group.counted).decode()
        if group.place is not None:
            leads.append((book, alert["fingerprint"], alert["id"]))
        if before is not None and before["id"] == alert["id"]:
            (told if is_told(before, alert) else untold).append(alert)
            causes.append((cause_of(before, alert), alert))
        if group.counted:
            seen = to_micros(alert["last_seen_at"])
            count = alert["occurrences"], seen, alert["severity"], counted
            counts.append((book, alert["id"], *count))
    await update_rows(
        transaction, "alert_fingerprints", ("book", "fingerprint", "alert_id"), leads,
        (*_TEXTS, "text"), keys=2,
    )  # fmt: skip
    await update_rows(transaction, "alerts", _COUNTED, counts, _TYPES, keys=2)
    for book in {alert["book"] for alert in told}:
        changes = [
            (alert, CHANNELS["alerts"].identity(alert)[1])
            for alert in told
            if alert["book"] == book
        ]
        for at in range(0, len(changes), ROWS):
            part = changes[at : at + ROWS]
            transaction.publish(
                *await of_changes(
                    transaction, "alerts", book or NO_BOOK, part, relayed=engine.relayed
                )
            )
            await transaction.turn()
    await note_causes(transaction, causes)
    if untold:
        transaction.publish(invalidation("alerts", untold))
