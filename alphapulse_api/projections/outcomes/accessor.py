"""The track record of an agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.books import HOME, Books
from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.errors import NotFound, ValidationProblem
from alphapulse_api.domain.lots import ZERO
from alphapulse_api.domain.times import FIRST_MICROS, now, to_micros
from alphapulse_api.domain.track_record.figures import Figures, figures_of
from alphapulse_api.domain.track_record.intervals import Estimate, mean
from alphapulse_api.domain.track_record.outcomes import Outcome, separate
from alphapulse_api.domain.track_record.verdict import bets_on
from alphapulse_api.projections.outcomes.reading import (
    Costs,
    Profit,
    book_of,
    count_signals,
    is_known,
    read_costs,
    read_outcomes,
    read_profit,
)
from alphapulse_api.projections.outcomes.updating import update_agent
from alphapulse_api.projections.pnl.folding import fold_books
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.long_reads import long_reads
from alphapulse_api.storage.query import check_range
from alphapulse_api.storage.threads import off_loop

BACKTEST: Final = "backtest"
_NOTHING: Final = Estimate(None, None, None)
ROW_COST: Final = 5  # of an outcome, as many rows take to fold


class TrackRecordAccessor:
    """Makes track records of the outcomes of signals.

    Args:
        engine: the database.
        books: the book of the signals, as the only one.
        with_agents: whether agents are known that have no signal in it.
    """

    def __init__(self, engine: Engine, books: Books = HOME, *, with_agents: bool = True) -> None:
        self._engine = engine
        self._books = books
        self._with_agents = with_agents

    async def get_record(
        self,
        agent_id: str,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> dict[str, Any]:
        """The record of an agent, with the fields of `schemas.track_record.TrackRecord`.

        The figures are of signals received in the range, the verdict of all until its end, so that
        nobody can choose a range that shows what they wish.

        Raises:
            ValidationProblem: for an empty range, and for several books: neither money nor skill
                of different books adds up.
            NotFound: for an agent that is not known in the book.
            Unavailable: if what was just stored takes long to be looked at.
        """
        check_range(start_time, end_time)
        if (book := self._books.one) is None:
            raise ValidationProblem.parameter("book", "a track record is of one book: name it")
        start = FIRST_MICROS if start_time is None else to_micros(start_time)
        end = to_micros(now()) + 1 if end_time is None else to_micros(end_time)
        if not await is_known(self._engine, book, agent_id, self._with_agents):
            raise NotFound(f"There is no agent {agent_id!r} with signals in the book {book!r}.")
        await update_agent(self._engine, book, agent_id)
        await fold_books(self._engine, (book,))
        span = book, agent_id, start, end
        mode, currency = await book_of(self._engine, book)
        with long_reads():
            rows = await read_outcomes(self._engine, *span)
            profit = await read_profit(self._engine, *span, currency)
            costs = await read_costs(self._engine, book, agent_id, start_time, end_time)
            signals, abstained = await count_signals(self._engine, *span)
        fees = EXACT.subtract(profit.realized, profit.net)
        rate = float(EXACT.divide(fees, profit.value)) if profit.value else None
        judged = mode != BACKTEST
        size = ROW_COST * (len(rows.priced) + len(rows.imported))
        shown = await off_loop(size, _shown, rows.priced, rows.imported, start, rate, judged)
        return {
            "agent_id": agent_id,
            "book": book,
            "mode": mode,
            "signals": signals,
            "abstentions": abstained,
            "pending": rows.pending,
            "unpriced": rows.unpriced,
            **shown,
            "cost_rate": rate,
            "profit": _profit(profit, currency),
            "thinking": _thinking(costs, currency, profit),
            "unknown_costs": costs.unknown,
        }


def _shown(
    priced: Sequence[tuple[int, Outcome]],
    imported: Sequence[tuple[int, Outcome]],
    start: int,
    rate: float | None,
    judged: bool,
) -> dict[str, Any]:
    """The figures of outcomes, and the verdict on them."""
    bets = bets_on(separate(outcome for _, outcome in priced))
    recent = [outcome for received_at, outcome in priced if received_at >= start]
    late = [outcome for received_at, outcome in imported if received_at >= start]
    kept = separate(recent)
    return {
        "overlapping": len(recent) - len(kept),
        "verdict": bets.verdict if judged else None,
        "rounds": bets.rounds,
        **_figures(figures_of(kept, rate)),
        "imported": _figures(figures_of(separate(late), rate)),
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "outcomes": figures.outcomes,
        "hit_rate": _estimate(figures.hit_rate),
        **_apart("base_rate", figures.base_rate),
        "brier_score": _estimate(figures.brier_score),
        "calibration": [
            {**each._asdict(), **_apart("happened", each.happened)} for each in figures.calibration
        ],
        "rank_correlation": _estimate(figures.rank_correlation),
        "mean_return": _estimate(figures.mean_return),
        "mean_return_after_cost": _estimate(figures.mean_return_after_cost),
    }


def _estimate(estimate: Estimate | None) -> Mapping[str, Any]:
    return (estimate or _NOTHING)._asdict()


def _apart(name: str, estimate: Estimate | None) -> Mapping[str, Any]:
    """A figure, and its interval beside it."""
    value, low, high = estimate or _NOTHING
    return {name: value, f"{name}_interval": {"low": low, "high": high}}


def _profit(profit: Profit, currency: str | None) -> dict[str, Any]:
    return {
        "currency": currency,
        "round_trips": len(profit.trips),
        "realized": profit.realized,
        "net": profit.net,
        "mean": _estimate(mean([float(each) for each in profit.trips])),
        "fees": [{"currency": name, "amount": fee} for name, fee in profit.fees.items()],
    }


def _thinking(costs: Costs, currency: str | None, profit: Profit) -> list[dict[str, Any]]:
    """The cost by currency; profit can be compared only with a cost in its own currency."""
    return [
        {
            "currency": name,
            "cost": cost,
            **_apart(
                "profit_per_cost",
                per_cost(profit, cost) if name == currency and cost > ZERO else None,
            ),
        }
        for name, cost in costs.known.items()
    ]


def per_cost(profit: Profit, cost: Decimal) -> Estimate:
    """The net profit by a cost, which is known. The interval is that of the round trips' mean."""
    value = float(EXACT.divide(profit.net, cost))
    each = mean([float(net) for net in profit.nets])
    if each is None or each.low is None or each.high is None:
        return Estimate(value, None, None)
    scale = len(profit.nets) / float(cost)
    return Estimate(value, each.low * scale, each.high * scale)
