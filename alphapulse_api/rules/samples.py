"""The numbers that rules watch in records of the portfolio, of agents and of the system.

A sample is the labels of what it belongs to, and a value. Without a value, something was heard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from alphapulse_api.domain.rules import STATE_NUMBERS, STATUS_NUMBERS
from alphapulse_api.rules.rule import Labels, Rule

Sample = tuple[Labels, float | None]
Samples = Callable[[Rule], Iterator[Sample]]
_POSITIONS: Final = "positions."
_PERFORMANCE: Final = "performance."


def samples_of_portfolio(field: str | None, portfolio: Mapping[str, Any]) -> list[Sample]:
    """The samples of a field of a portfolio; None: that it was heard."""
    labels = {"book": portfolio.get("book") or "main"}
    if field is None:
        return [(labels, None)]
    if field.startswith(_PERFORMANCE):
        performance = portfolio.get("performance") or {}
        return _known(labels, performance.get(field.removeprefix(_PERFORMANCE)))
    if field == "positions_value":
        total, cash = _number(portfolio["total_value"]), _number(portfolio["cash"])
        return [] if total is None or cash is None else [(labels, total - cash)]
    if not field.startswith(_POSITIONS):
        return _known(labels, portfolio.get(field))
    name = field.removeprefix(_POSITIONS)
    sums: dict[str, float] = {}  # a symbol may be held long and short at once
    for position in portfolio.get("positions") or ():
        if (value := _number(position.get(name))) is not None:
            symbol = position["symbol"]
            sums[symbol] = sums.get(symbol, 0.0) + value
    return [({**labels, "symbol": symbol}, value) for symbol, value in sums.items()]


def closed_positions(
    field: str | None, book: str, known: Iterator[Labels], samples: list[Sample]
) -> list[Sample]:
    """Samples of 0 for the symbols of a book that it holds no longer."""
    if field is None or not field.startswith(_POSITIONS):
        return []
    held = {labels["symbol"] for labels, _ in samples}
    return [
        (labels, 0.0)
        for labels in known
        if labels.get("book") == book and labels.get("symbol", "") not in {*held, ""}
    ]


def of_agent(agent: Mapping[str, Any]) -> Samples:
    """The samples of an agent's record."""

    def make(rule: Rule) -> Iterator[Sample]:
        if rule.agent_id not in (None, agent["agent_id"]):
            return
        labels = {"agent_id": agent["agent_id"]}
        if "agent_type" in (rule.group_by or ()):
            labels["agent_type"] = agent.get("agent_type") or ""
        yield from _of_record(rule, labels, agent, "state", STATE_NUMBERS)

    return make


def of_system(sample: Mapping[str, Any]) -> Samples:
    """The samples of a component's record."""

    def make(rule: Rule) -> Iterator[Sample]:
        if rule.component in (None, sample["component"]):
            labels = {"component": sample["component"]}
            yield from _of_record(rule, labels, sample, "status", STATUS_NUMBERS)

    return make


def _of_record(
    rule: Rule, labels: Labels, record: Mapping[str, Any], word: str, numbers: Mapping[str, int]
) -> Iterator[Sample]:
    if rule.silence:
        yield labels, None
    elif rule.field == word:
        if (number := numbers.get(record[word])) is not None:
            yield labels, float(number)
    else:
        yield from _known(labels, (record.get("metrics") or {}).get(rule.field))


def _known(labels: Labels, value: Any) -> list[Sample]:
    number = _number(value)
    return [] if number is None else [(labels, number)]


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
