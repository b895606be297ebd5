"""The methods of a host's feed that take lists of records: points and trades."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, overload

from alphapulse_api.domain.host_objects import fields_of
from alphapulse_api.embed.calling import Calling, Stored, unusual
from alphapulse_api.record.importing import Imported, import_calls
from alphapulse_api.record.inputs import Extras, Record, Records, listing
from alphapulse_api.runtime.slices import finish
from alphapulse_api.schemas.batches import STOP


class Recording(Calling):
    """Records points and trades; see `HostFeed`."""

    def record_metrics(
        self, points: Record | Records, *, wait: bool = True, timeout: float | None = None
    ) -> int:
        """Store one point or up to 10,000; returns how many were stored, or queued."""
        if not wait and type(points) is dict and self._hand_over("record_metrics", points):
            return 1
        count: int
        if type(points) is dict or fields_of(points) is not None:
            count = self._call("record_metrics", (), (points,), False, wait, timeout)
        else:
            count = self._call("record_metrics", (), _listed(points), True, wait, timeout)
        return count

    @overload
    def record_trade(
        self,
        trade: Record,
        *,
        extras: Extras = "refuse",
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def record_trade(
        self,
        trade: Record,
        *,
        extras: Extras = "refuse",
        wait: Literal[False],
        timeout: float | None = None,
    ) -> int: ...
    def record_trade(
        self,
        trade: Record,
        *,
        extras: Extras = "refuse",
        wait: bool = True,
        timeout: float | None = None,
    ) -> Stored | int:
        """Store one trade; returns it as stored."""
        if (
            not wait
            and type(trade) is dict
            and extras == "refuse"
            and self._hand_over("record_trade", trade)
        ):
            return 1
        answer: Stored | int = self._call(
            "record_trade", (), (trade,), False, wait, timeout, **unusual(extras)
        )
        return answer

    @overload
    def record_trades(
        self,
        trades: Records,
        *,
        extras: Extras = "refuse",
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> list[Stored]: ...
    @overload
    def record_trades(
        self,
        trades: Records,
        *,
        extras: Extras = "refuse",
        wait: Literal[False],
        timeout: float | None = None,
    ) -> int: ...
    def record_trades(
        self,
        trades: Records,
        *,
        extras: Extras = "refuse",
        wait: bool = True,
        timeout: float | None = None,
    ) -> list[Stored] | int:
        """Store up to 10,000 trades, all or none; returns them as stored."""
        answer: list[Stored] | int = self._call(
            "record_trades", (), _listed(trades), True, wait, timeout, **unusual(extras)
        )
        return answer

    @overload
    def record_trades_batch(
        self,
        trades: Records,
        *,
        on_error: str = STOP,
        extras: Extras = "refuse",
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def record_trades_batch(
        self,
        trades: Records,
        *,
        on_error: str = STOP,
        extras: Extras = "refuse",
        wait: Literal[False],
        timeout: float | None = None,
    ) -> int: ...
    def record_trades_batch(
        self,
        trades: Records,
        *,
        on_error: str = STOP,
        extras: Extras = "refuse",
        wait: bool = True,
        timeout: float | None = None,
    ) -> Stored | int:
        """Store up to 10,000 trades; returns what became of each, as `Feed` does."""
        answer: Stored | int = self._call(
            "record_trades_batch",
            (),
            _listed(trades, on_error),
            True,
            wait,
            timeout,
            on_error=on_error,
            **unusual(extras),
        )
        return answer

    @overload
    def record_metrics_batch(
        self,
        points: Records,
        *,
        on_error: str = STOP,
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def record_metrics_batch(
        self,
        points: Records,
        *,
        on_error: str = STOP,
        wait: Literal[False],
        timeout: float | None = None,
    ) -> int: ...
    def record_metrics_batch(
        self,
        points: Records,
        *,
        on_error: str = STOP,
        wait: bool = True,
        timeout: float | None = None,
    ) -> Stored | int:
        """Store up to 10,000 points; returns what became of each, as `Feed` does."""
        answer: Stored | int = self._call(
            "record_metrics_batch",
            (),
            _listed(points, on_error),
            True,
            wait,
            timeout,
            on_error=on_error,
        )
        return answer

    def raise_alerts_batch(
        self,
        alerts: Records,
        *,
        on_error: str = STOP,
        extras: Extras = "refuse",
        timeout: float | None = None,
    ) -> Stored:
        """Store up to 10,000 alerts; returns what became of each, as `Feed` does."""
        given, more = _listed(alerts, on_error), unusual(extras)
        answer: Stored = self._call(
            "raise_alerts_batch", (), given, True, True, timeout, on_error=on_error, **more
        )
        return answer

    def record_signals_batch(
        self,
        agent_id: str,
        signals: Records,
        *,
        on_error: str = STOP,
        extras: Extras = "refuse",
        timeout: float | None = None,
    ) -> Stored:
        """Store up to 10,000 signals of an agent; returns what became of each, as `Feed` does."""
        given, more, before = _listed(signals, on_error), unusual(extras), (agent_id,)
        answer: Stored = self._call(
            "record_signals_batch", before, given, True, True, timeout, on_error=on_error, **more
        )
        return answer

    def record_decisions_batch(
        self,
        decisions: Records,
        *,
        on_error: str = STOP,
        extras: Extras = "refuse",
        timeout: float | None = None,
    ) -> Stored:
        """Store up to 10,000 decisions; returns what became of each, as `Feed` does."""
        given, more = _listed(decisions, on_error), unusual(extras)
        answer: Stored = self._call(
            "record_decisions_batch", (), given, True, True, timeout, on_error=on_error, **more
        )
        return answer

    def record_usage_batch(
        self,
        usage: Records,
        *,
        on_error: str = STOP,
        extras: Extras = "refuse",
        timeout: float | None = None,
    ) -> Stored:
        """Store up to 10,000 records of usage; returns what became of each, as `Feed` does."""
        given, more = _listed(usage, on_error), unusual(extras)
        answer: Stored = self._call(
            "record_usage_batch", (), given, True, True, timeout, on_error=on_error, **more
        )
        return answer

    def report_system_batch(
        self, samples: Records, *, on_error: str = STOP, timeout: float | None = None
    ) -> Stored:
        """Store up to 10,000 system samples; returns what became of each, as `Feed` does."""
        given = _listed(samples, on_error)
        answer: Stored = self._call(
            "report_system_batch", (), given, True, True, timeout, on_error=on_error
        )
        return answer

    def report_alerts(self, reports: Records, *, timeout: float | None = None) -> list[Stored]:
        """Store another system's reports on its alerts, all or none, as `Feed` does."""
        given = _listed(reports)
        answer: list[Stored] = self._call("report_alerts", (), given, True, True, timeout)
        return answer

    def import_history(
        self,
        *,
        equity: Any = None,
        trades: Records | None = None,
        book: str | None = None,
        currency: str | None = None,
        extras: Extras = "refuse",
        timeout: float | None = None,
    ) -> Imported:
        """Import the history of a backtest or of a previous system; see `Feed`.

        Args:
            equity: as `Feed` takes it.
            trades: as `Feed` takes them.
            book: as `Feed` takes it.
            currency: the currency of the equity curve; default: that of the book, else USD.
            extras: what to do with unknown fields of trades.
            timeout: seconds for each batch of 1000 records; None means the dashboard's timeout.

        Returns:
            How many points and trades are new.
        """
        new = Counter[str]()
        for call in import_calls(equity, trades, book=book, currency=currency, extras=extras):
            with call.located():
                new[call.method] += self._call(
                    call.method, (), call.records, True, True, timeout, **call.options
                )
        return Imported(new["import_equity"], new["import_trades"])


def _listed(records: Records, on_error: str = STOP) -> list[Any]:
    """Check the list; raises `ValidationProblem` if it is not a list or is too long."""
    return finish(listing(records, on_error))
