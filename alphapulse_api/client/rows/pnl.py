"""The types of profit, summed over round trips."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NotRequired, TypedDict

from alphapulse_api.client.rows.books import BookMode
from alphapulse_api.client.rows.trades import Fee

PnlGrouping = Literal["symbol", "strategy", "agent", "day", "week", "month"]


class PnlSum(TypedDict):
    """The round trips of one group, in one mode and currency.

    Figures are without fees, but for `net_profit`, from which those in `currency` are subtracted.
    Days, weeks (by their Monday) and months (by their first day) are text, such as 2026-03-02.
    """

    symbol: NotRequired[str]
    strategy: NotRequired[str | None]
    agent_id: NotRequired[str | None]
    day: NotRequired[str]
    week: NotRequired[str]
    month: NotRequired[str]
    mode: BookMode
    currency: str | None
    book: str | None
    round_trips: int
    wins: int
    losses: int
    win_rate: float
    profit: Decimal
    gross_profit: Decimal
    gross_loss: Decimal
    profit_factor: float | None
    average_profit: Decimal
    average_win: Decimal | None
    average_loss: Decimal | None
    opening_fees: list[Fee]
    closing_fees: list[Fee]
    net_profit: Decimal
