"""The calls that import history: they take any number of records and may be repeated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from alphapulse_api.client import values
from alphapulse_api.client.books import BookCalls
from alphapulse_api.client.decision_rows import Decision
from alphapulse_api.client.http import segment
from alphapulse_api.client.prepared import Extras, Record, Records
from alphapulse_api.client.rows import Alert, Signal, Trade
from alphapulse_api.domain.histories import ContentIds, Imported, equity_points
from alphapulse_api.domain.host_objects import extras_in_metadata

RECORDS: Final = 10_000  # of one request


class Importing(BookCalls):
    """Every import of the API as a method.

    Imported records are stored but not published one by one: subscribers get a `resync` after every
    10000 records. Importing the same history again changes nothing.
    """

    async def import_history(
        self,
        *,
        equity: Any = None,
        trades: Records | None = None,
        book: str | None = None,
        currency: str | None = None,
        extras: Extras = "refuse",
    ) -> Imported:
        """Import the history of a backtest or of another system, of any length.

        Args:
            equity: the portfolio's value over time, oldest first: (time, value) pairs, a mapping
                or series of values by time, or records and frames with `timestamp`, `total_value`
                and, if known, `cash`.
            trades: with their `executed_at`. A trade without an `id` gets one derived from its
                content.
            book: that the history belongs to; default: the caller's home book, or the one that a
                trade names.
            currency: the currency of the equity curve; default: that of the book, else USD.
            extras: "metadata" moves fields of trades that the API does not know to the metadata.

        Returns:
            How many points and trades are new.
        """
        points = 0
        if equity is not None:
            given = map(self._given, equity_points(equity, self._items))
            asked = {"currency": currency, "book": book}
            params = {name: value for name, value in asked.items() if value is not None}
            points = await self._import("portfolio/history", given, params)
        new = 0
        if trades is not None:
            new = await self.import_trades(trades, book=book, extras=extras)
        return Imported(points, new)

    async def import_trades(
        self, trades: Records, *, book: str | None = None, extras: Extras = "refuse"
    ) -> int:
        """Import trades, each with its `executed_at`; return how many are new.

        Args:
            trades: the records.
            book: of those that name none; default: the caller's home book.
            extras: as `import_history` takes it.
        """
        past = self._past(trades, extras, Trade)
        if book is not None:
            past = ({"book": book, **trade} for trade in past)
        return await self._import("trades", past)

    async def import_alerts(self, alerts: Records, *, extras: Extras = "refuse") -> int:
        """Import alerts, each with its `created_at`, in the states they were left in.

        Returns how many are new.
        """
        return await self._import("alerts", self._past(alerts, extras, Alert))

    async def import_signals(
        self, agent_id: str, signals: Records, *, extras: Extras = "refuse"
    ) -> int:
        """Import an agent's signals, each with its `timestamp`; return how many are new."""
        past = self._past(signals, extras, Signal, agent_id)
        return await self._import(f"agents/{segment(agent_id)}/signals", past)

    async def import_decisions(self, decisions: Records, *, extras: Extras = "refuse") -> int:
        """Import decisions, each with its `made_at`; return how many are new."""
        return await self._import("decisions", self._past(decisions, extras, Decision))

    async def import_metrics(self, points: Records) -> int:
        """Import metric points, each with its `timestamp`; return how many are stored."""
        return await self._import("metrics", map(self._given, self._items(points)))

    async def import_system(self, samples: Records) -> int:
        """Import system samples, each with its `timestamp`; return how many are new."""
        return await self._import("system", map(self._given, self._items(samples)))

    def _past(
        self, records: Records, extras: Extras, kind: type, owner: str = ""
    ) -> Iterator[dict[str, Any]]:
        """The records with ids derived from their content, so that a repeat is recognised."""
        ids = ContentIds(owner)
        for record in self._items(records):
            known: Record = record
            if extras == "metadata":
                known = extras_in_metadata(record, kind.__annotations__.keys())
            yield ids.identified(self._given(known))

    async def _import(
        self, resource: str, records: Iterable[Any], params: dict[str, str] | None = None
    ) -> int:
        new, left = 0, iter(records)
        while batch := list(islice(left, RECORDS)):
            lines = b"".join(values.request_body(record) + b"\n" for record in batch)
            path = f"/api/{resource}/import"
            answer = await self._request("POST", path, params=params, lines=lines)
            new += answer.content["new"]
        return new
