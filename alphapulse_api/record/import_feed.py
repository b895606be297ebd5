"""The methods of a feed that import history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable
from typing import Any

from alphapulse_api.record.calls import to_its_end
from alphapulse_api.record.import_recorder import ImportRecorder
from alphapulse_api.record.importing import Imported, import_calls
from alphapulse_api.record.inputs import Extras, Records
from alphapulse_api.record.list_feed import ListFeed


class ImportFeed(ListFeed):
    """Imports history; see `Feed`."""

    _imports: ImportRecorder

    async def import_history(
        self,
        *,
        equity: Any = None,
        trades: Records | None = None,
        currency: str = "USD",
        extras: Extras = "refuse",
    ) -> Imported:
        """Store the past of a backtest, or of the system that you come from, of any length.

        It is stored in batches of 1000, each as a whole. To import the same history again changes
        nothing, so after a failure call it again. Subscribers get no event for each record, but
        one `resync` of the trades, and the newest point of the equity curve as the portfolio, if
        there is no newer one.

        Args:
            equity: the portfolio's value over time, oldest first: (time, value) pairs, a mapping
                or `pandas.Series` of values by time, or records and frames with `timestamp` (or
                a `DatetimeIndex`), `total_value` and, if known, `cash`. Points without a value,
                and those of times that have a snapshot, are left out.
            trades: as `record_trades` takes them, with their `executed_at`. One without an `id`
                gets one made of its content.
            currency: of the equity curve.
            extras: what becomes of unknown fields of trades.

        Returns:
            How many points and trades are new.

        Raises:
            ValidationProblem, Conflict: as for single records; pointers count from the beginning,
                such as "/trades/12345/price". The batches before that one are stored.
        """
        new = Counter[str]()
        for call in import_calls(equity, trades, currency=currency, extras=extras):
            with call.located():
                new[call.method] += await getattr(self, call.method)(call.records, **call.options)
        return Imported(new["import_equity"], new["import_trades"])

    @to_its_end
    async def import_equity(
        self, points: Records, *, currency: str = "USD", last: bool = False
    ) -> int:
        """Store one batch of an equity curve; see `import_history`.

        Args:
            points: records, oldest first.
            currency: of the values.
            last: whether it is the last batch, whose newest point may be the current portfolio.

        Returns:
            How many points are new.
        """

        def work(given: list[Any]) -> Awaitable[int]:
            return self._imports.record_equity(given, currency, last)

        return await self._counted("import_equity", points, work)

    @to_its_end
    async def import_trades(
        self, trades: Records, *, extras: Extras = "refuse", last: bool = False
    ) -> int:
        """Store one batch of past trades; see `import_history`.

        Args:
            trades: the records.
            extras: what becomes of unknown fields.
            last: whether it is the last batch, after which subscribers get a `resync`.

        Returns:
            How many trades are new.
        """

        def work(given: list[Any]) -> Awaitable[int]:
            return self._imports.record_trades(given, extras, last)

        return await self._counted("import_trades", trades, work)
