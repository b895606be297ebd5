"""Filters of a subscription: by name, the values that pass, checked as REST checks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields

from alphapulse_api.domain.books import EVERY
from alphapulse_api.domain.channels import BOOKS, CHANNELS
from alphapulse_api.schemas.alerts import Alert
from alphapulse_api.schemas.decisions import Decision
from alphapulse_api.schemas.metrics import MetricPoint
from alphapulse_api.schemas.portfolio import Portfolio
from alphapulse_api.schemas.signals import Signal
from alphapulse_api.schemas.trades import Trade

MAX_FILTER_VALUES: Final = 100
MAX_VALUE_LENGTH: Final = 256

Filters = Mapping[str, frozenset[str]]

# By channel or further type of events, the schema of the records in them.
RECORDS: Final[Mapping[str, type[Schema]]] = {
    "metrics": MetricPoint, "alerts": Alert, "trades": Trade, "portfolio": Portfolio,
    "signals": Signal, "decisions": Decision,
}  # fmt: skip


def _checks() -> dict[str, dict[str, fields.Field[Any]]]:
    checks: dict[str, dict[str, fields.Field[Any]]] = {}
    for channel in CHANNELS.values():
        known = RECORDS[channel.name]().fields
        checks[channel.name] = {name: known[field] for name, field in channel.filters.items()}
    return checks


# By channel and filter, the field of the record that the values are compared with.
_CHECKS: Final = _checks()


class InvalidFilter(ValueError):
    """Filters that a channel does not have, or values that no record can have."""


def filters_of(channel: str, given: Any) -> Filters:
    """The filters of one channel in a request; null means left out.

    Raises:
        InvalidFilter: saying what is wrong, and what is allowed.
    """
    if not isinstance(given, dict):
        raise InvalidFilter("The filters of a channel must be an object of lists of strings.")
    known = _CHECKS[channel]
    found = {}
    for name, values in given.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise InvalidFilter(f"{channel} has no filter {name[:64]!r}; it has {names}.")
        if values is None:
            continue
        if (
            not isinstance(values, list)
            or not 1 <= len(values) <= MAX_FILTER_VALUES
            or not all(isinstance(value, str) for value in values)
        ):
            raise InvalidFilter(f"{name} must be a list of 1 to {MAX_FILTER_VALUES} strings.")
        if name == BOOKS and EVERY in values:
            if len(values) > 1:
                raise InvalidFilter(f"{name}: {EVERY!r} means every book, and is the only value.")
            found[name] = frozenset(values)
            continue
        found[name] = frozenset(_checked(name, known[name], value) for value in values)
    return found


def _checked(name: str, field: fields.Field[Any], value: str) -> str:
    try:
        checked: str = field.deserialize(value)
    except ValidationError as error:
        shown = value if len(value) <= MAX_VALUE_LENGTH else f"{value[:MAX_VALUE_LENGTH]}…"
        raise InvalidFilter(f"{name}, {shown!r}: {error.messages[0]}") from None
    return checked
