"""ai-hedge-fund (`aihf`, virattt/ai-hedge-fund): its cycles as decisions, with every thesis.

    runner.run(directory, data_client, on_record=aihf.OnRecord(feed))  # a paper fund, live
    aihf.record_backtest(feed, result, book="bt-1")                     # of `backtest_fund`

An executed cycle becomes one decision: the signals of its analysts, what risk cut, its orders and
fills. Recording the same cycle again changes nothing. The functions take the package's records, and
do not import the package.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from alphapulse_api.adapters.records import identifier, without_none
from alphapulse_api.adapters.sending import Sender
from alphapulse_api.embed.feed import HostFeed

logger = logging.getLogger(__name__)

NEW_YORK: Final = ZoneInfo("America/New_York")  # whose clock the package's sessions follow
CLOSE: Final = time(16)
CURRENCY: Final = "USD"
_CENT: Final = Decimal("0.01")


class OnRecord:
    """A callback for `paper.runner.run`: records each session when it has ended.

    The signals of an assessment are recorded when it is made, its decision when it is executed. No
    fault of the dashboard reaches the fund; `failed` counts the calls that failed.

    Args:
        feed: a synchronous feed, such as that of `Dashboard.in_process`.
        book: the book of the fund; default: the home book.
    """

    def __init__(self, feed: HostFeed, *, book: str | None = None) -> None:
        self._feed = feed
        self._book = book
        self._sender = Sender(feed, logger.warning)

    @property
    def failed(self) -> int:
        """Calls that failed."""
        return self._sender.failed

    def __call__(self, session: Any) -> None:
        if session.executed is not None:
            whole = decision(session.executed, book=self._book, live=True)
            given = whole.pop("signals")
            whole["signal_ids"] = [signal["id"] for signal in given]
            self._record_signals(given)  # those of an assessment that was refreshed are new
            with self._sender.guarded():
                self._feed.record_decision(whole)
        if session.decision is not None:
            self._record_signals(signals(session.decision, book=self._book, live=True))
        with self._sender.guarded():
            self._feed.update_portfolio(portfolio(session, book=self._book))

    def _record_signals(self, given: Iterable[dict[str, Any]]) -> None:
        by_agent: dict[str, list[dict[str, Any]]] = {}
        for signal in given:
            by_agent.setdefault(signal["agent_id"], []).append(signal)
        for agent_id, batch in by_agent.items():
            with self._sender.guarded():
                # The ones that are stored already have the time of their first recording.
                self._feed.record_signals_batch(agent_id, batch, on_error="continue")


def record_backtest(feed: HostFeed, result: Any, *, book: str) -> int:
    """Record a backtest in a book of its own; returns the number of its decisions.

    Args:
        feed: a synchronous feed.
        result: what `backtest_fund` returns.
        book: opened with the mode `backtest`, unless it exists.
    """
    feed.open_book(book, mode="backtest", currency=CURRENCY)
    for session in result.records:
        if session.executed is not None:
            feed.record_decision(decision(session.executed, book=book))
    equity = [
        (instant(session), value) for session, value in zip(result.dates, result.nav, strict=True)
    ]
    feed.import_history(equity=equity, currency=CURRENCY, book=book)
    return len(result.cycles)


def decision(cycle: Any, *, book: str | None = None, live: bool = False) -> dict[str, Any]:
    """An executed cycle as a decision, with its signals and trades.

    Args:
        cycle: a `CycleRecord`.
        book: of the decision.
        live: whether it happens now. Its times are then those of the clock; otherwise they are
            the closes or bars that the cycle names.
    """
    cycle_id = _cycle_id(cycle)
    made_at = None if live else instant(cycle.as_of)
    return without_none(
        {
            "id": cycle_id,
            "book": book,
            "agent_id": identifier(cycle.fund),
            "cycle_id": cycle_id,
            "made_at": made_at,
            "outcome": "ordered" if cycle.orders else "no_trade",
            "signals": list(signals(cycle, book=book, live=live)),
            "votes": list(_votes(cycle)),
            "targets": list(_targets(cycle)),
            "constraints": list(_constraints(cycle)),
            "trades": list(_trades(cycle, live=live)),
            "metadata": {
                "as_of": cycle.as_of,
                "equity_before": cycle.equity_before,
                "slippage": round(cycle.slippage, 6),
                "universe": len(cycle.universe),
            },
        }
    )


def signals(
    assessment: Any, *, book: str | None = None, live: bool = False
) -> Iterator[dict[str, Any]]:
    """The signals of an assessment, one an analyst, strategy and ticker.

    Args:
        assessment: a `DecisionRecord` or a `CycleRecord`.
        book: of the signals.
        live: as for `decision`.
    """
    cycle_id = _cycle_id(assessment)
    for strategy in assessment.strategies:
        for signal in strategy.signals:
            known = signal.metadata
            abstained = known.get("abstained") is True
            confidence = known.get("confidence")
            yield without_none(
                {
                    "id": identifier(cycle_id, strategy.name, signal.model_name, signal.ticker),
                    "book": book,
                    "agent_id": identifier(signal.model_name),
                    "symbol": signal.ticker,
                    "direction": _direction(signal.value),
                    "conviction": signal.value,
                    "confidence": None if confidence is None else confidence / 100,
                    "abstained": abstained,
                    "reason": known.get("abstain_reason"),
                    "thesis": None if abstained else signal.reasoning,
                    "timestamp": None if live else instant(assessment.as_of),
                    "model": known.get("model"),
                    "prompt_hash": known.get("prompt_key"),
                    "cycle_id": cycle_id,
                    "metadata": without_none(
                        {
                            "strategy": strategy.name,
                            "cached": known.get("cached"),
                            "components": signal.components or None,
                        }
                    ),
                }
            )


def portfolio(session: Any, *, book: str | None = None) -> dict[str, Any]:
    """The book after a session (`SessionRecord` or `CycleRecord`) as a portfolio."""
    return without_none(
        {
            "book": book,
            "total_value": session.nav,
            "cash": session.cash,
            "currency": CURRENCY,
            "positions": [
                {
                    "symbol": ticker,
                    "side": "short" if shares < 0 else "long",
                    "quantity": abs(shares),
                    "current_price": session.marks.get(ticker),
                }
                for ticker, shares in session.positions.items()
                if shares
            ],
        }
    )


def instant(session: str) -> datetime:
    """The end of a session: the close of a day (YYYY-MM-DD), or a bar (YYYY-MM-DDTHH:MM:SS)."""
    if "T" in session:
        return datetime.fromisoformat(session).replace(tzinfo=NEW_YORK)
    return datetime.combine(date.fromisoformat(session), CLOSE, NEW_YORK)


def _cycle_id(assessment: Any) -> str:
    return identifier("aihf", assessment.fund, assessment.as_of)


def _direction(conviction: float) -> str:
    if conviction == 0:
        return "hold"
    return "buy" if conviction > 0 else "sell"


def _votes(cycle: Any) -> Iterator[dict[str, Any]]:
    """Each analyst's share of the fund: of its strategy's slice, its weight in the blend."""
    slices = {strategy.name: strategy.slice for strategy in cycle.strategies}
    for strategy in cycle.spec.strategies:
        total = sum(model.weight for model in strategy.models)
        for model in strategy.models:
            share = slices.get(strategy.name, 0.0) * model.weight / total
            yield {"agent_id": identifier(model.name), "weight": round(share, 9)}


def _targets(cycle: Any) -> Iterator[dict[str, Any]]:
    traded: dict[str, int] = {}
    for fill in cycle.fills:
        signed = fill.quantity if fill.side == "buy" else -fill.quantity
        traded[fill.ticker] = traded.get(fill.ticker, 0) + signed
    for ticker in sorted({*cycle.final_weights, *cycle.positions, *traded}):
        quantity = traded.get(ticker, 0)
        held = cycle.positions.get(ticker, 0) - quantity
        mark = cycle.marks.get(ticker)
        known = mark is not None and cycle.equity_before
        yield without_none(
            {
                "symbol": ticker,
                "weight_before": held * mark / cycle.equity_before if known else None,
                "weight_target": cycle.final_weights.get(ticker, 0.0),
                "quantity": quantity,
            }
        )


def _constraints(cycle: Any) -> Iterator[dict[str, Any]]:
    for clamp in cycle.clamps:
        yield without_none(
            {
                "name": clamp.limit,
                "symbol": clamp.ticker,
                "before": clamp.before,
                "after": clamp.after,
            }
        )
    for skip in cycle.skipped:
        yield {"name": "skipped", "symbol": skip.ticker, "reason": skip.reason}


def _trades(cycle: Any, *, live: bool) -> Iterator[dict[str, Any]]:
    """The fills. The package knows the commission of a cycle only: each has its share by value."""
    values = [Decimal(fill.quantity) * Decimal(str(fill.price)) for fill in cycle.fills]
    whole = sum(values)
    left = Decimal(str(round(cycle.commission, 2)))
    executed_at = None if live else instant(cycle.execution_as_of or cycle.as_of)
    commission = left
    for number, fill in enumerate(cycle.fills):
        last = number == len(values) - 1
        fee = left if last else (commission * values[number] / whole).quantize(_CENT)
        left -= fee
        order = cycle.orders[number] if len(cycle.orders) == len(cycle.fills) else None
        yield without_none(
            {
                "id": identifier(_cycle_id(cycle), number, fill.ticker),
                "symbol": fill.ticker,
                "side": fill.side,
                "quantity": fill.quantity,
                "price": fill.price,
                "decided_price": None if order is None else order.price,
                "fee": fee,
                "fee_currency": CURRENCY,
                "agent_id": identifier(cycle.fund),
                "executed_at": executed_at,
            }
        )
