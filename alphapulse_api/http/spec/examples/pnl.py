"""Profit, summed over round trips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ANSWERS: Final[Mapping[str, Any]] = {
    "PnlSum": {
        "agent_id": "momentum-1", "mode": "live", "currency": "USD", "book": "main",
        "round_trips": 4, "wins": 3, "losses": 1, "win_rate": 0.75, "profit": "240.5",
        "gross_profit": "300.5", "gross_loss": "-60", "profit_factor": 5.008333333333334,
        "average_profit": "60.125", "average_win": "100.166666666666666667",
        "average_loss": "-60", "opening_fees": [{"currency": "USD", "amount": "4.2"}],
        "closing_fees": [{"currency": "USD", "amount": "4.3"}], "net_profit": "232",
    },
}  # fmt: skip
