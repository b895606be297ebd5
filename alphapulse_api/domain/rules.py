"""Rules: what they may watch, and how a value is compared."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Final

# What a rule may watch, with the labels of its groups; None: any, those of the series.
WATCHES: Final[Mapping[str, tuple[str, ...] | None]] = {
    "metric": None,
    "portfolio": ("book", "symbol"),
    "agent": ("agent_id", "agent_type"),
    "system": ("component",),
}
SILENCE: Final = "silence"  # the function that needs no value
# The functions of a value, and whether they need a window.
FUNCTIONS: Final[Mapping[str, bool]] = {
    "last": False,
    "avg": True,
    "min": True,
    "max": True,
    "sum": True,
    "count": True,
    "stddev": True,
    "change": True,
    "change_percent": True,
    "rate": True,
    SILENCE: True,
}
OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
RISING: Final = frozenset({">", ">="})
FALLING: Final = frozenset({"<", "<="})

# Words whose numbers a rule may compare.
STATUS_NUMBERS: Final[Mapping[str, int]] = {"healthy": 0, "warning": 1, "error": 2, "offline": 3}
STATE_NUMBERS: Final[Mapping[str, int]] = {
    "initializing": 0, "active": 0, "optimizing": 0, "inactive": 1, "stopped": 1, "error": 2,
}  # fmt: skip
PORTFOLIO_FIELDS: Final = ("total_value", "cash", "positions_value")
POSITION_FIELDS: Final = ("weight", "value", "quantity", "unrealized_pnl", "unrealized_pnl_pct")
_PORTFOLIO_FIELD: Final = re.compile(
    rf"{'|'.join(PORTFOLIO_FIELDS)}|positions\.({'|'.join(POSITION_FIELDS)})|performance\..{{1,128}}",
    re.DOTALL,
)

MAX_RULES: Final = 10_000
MAX_GROUPS: Final = 10_000  # of one rule
MAX_WINDOW_POINTS: Final = 100_000  # of one group
MAX_ALL_POINTS: Final = 4_000_000  # of all rules

LONGEST_SECONDS: Final = 366 * 86_400
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw])")


def is_portfolio_field(text: str) -> bool:
    """Whether a portfolio may have a number of that name."""
    return _PORTFOLIO_FIELD.fullmatch(text) is not None


def seconds_of(text: str) -> int:
    """The seconds of a duration such as 5m.

    Raises:
        ValueError: saying what is wrong, as a sentence.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("Must be a whole number with s, m, h, d or w, such as 5m.")
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > LONGEST_SECONDS:
        raise ValueError("Must be at most 366d.")
    return seconds
