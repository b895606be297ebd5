"""Converts between JSON and Python: which fields are money and which are times, as data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson

from alphapulse_api.domain.durations import duration_text
from alphapulse_api.domain.integers import spelled
from alphapulse_api.domain.plain import plain


class Shape(NamedTuple):
    """The fields of a row that are not plain JSON; `nested` has the shapes of objects in it."""

    money: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    nested: Mapping[str, Shape] = {}


class Tagged(dict[str, Any]):
    """A row with the ETag of its answer, or None if the answer had none."""

    etag: str | None = None


def tagged(row: Mapping[str, Any], etag: str | None) -> Tagged:
    """Return the row with an ETag."""
    made = Tagged(row)
    made.etag = etag
    return made


def etag_of(row: Mapping[str, Any] | str | None) -> str | None:
    """The ETag of a row that the client returned, or that was given as text.

    Raises:
        ValueError: if a row has none, because it was copied or the server gave none.
    """
    etag = row if row is None or isinstance(row, str) else getattr(row, "etag", None)
    if row is not None and etag is None:
        raise ValueError("if_match has no ETag: give the row that the client returned, not a copy")
    return etag


PLAIN: Final = Shape()
ME: Final = Shape(times=("expires_at",))
SERIES: Final = Shape(times=("first", "last"))
POINT: Final = Shape(times=("timestamp",))
POSITION: Final = Shape(
    (
        "quantity",
        "entry_price",
        "current_price",
        "value",
        "unrealized_pnl",
        "realized_pnl",
    ),
    ("opened_at",),
)
HISTORY: Final = Shape(("total_value", "cash", "positions_value"), ("timestamp",))
PORTFOLIO: Final = Shape(
    ("total_value", "cash"), ("as_of",), {"positions": POSITION, "history": HISTORY}
)
RULE: Final = Shape(
    times=("created_at", "updated_at"), nested={"groups": Shape(times=("since", "fired_at"))}
)
RULE_TEST: Final = Shape(nested={"changes": Shape(times=("at",))})
BOOK: Final = Shape(times=("opened_at", "closed_at"))
PORTFOLIOS: Final = Shape(
    nested={
        "portfolios": Shape(("total_value", "cash", "positions_value"), ("closed_at", "as_of")),
        "totals": Shape(("total_value", "cash", "positions_value")),
    }
)
ALERT: Final = Shape(times=("created_at", "acknowledged_at", "resolved_at", "last_seen_at"))
ORDER_STATE: Final = Shape(("filled_quantity", "price"), ("at",))
TRADE: Final = Shape(
    ("quantity", "filled_quantity", "price", "value", "fee", "decided_price"),
    ("executed_at", "updated_at"),
    {"fees": Shape(("amount",)), "history": ORDER_STATE},
)
USAGE: Final = Shape(("cost",))
USAGE_RECORD: Final = Shape(("cost",), ("timestamp", "received_at"))
USAGE_SUM: Final = Shape(("cost",))
SIGNAL: Final = Shape(
    ("entry_price", "target_price", "stop_loss", "size"),
    ("timestamp", "received_at", "valid_until"),
    {"usage": USAGE, "inputs": Shape(times=("timestamp",))},
)
PROFIT: Final = Shape(
    (
        "position_before",
        "position_after",
        "closed_quantity",
        "closed_profit",
        "opened_quantity",
        "open_quantity",
        "realized_profit",
        "unrealized_profit",
        "price",
        "profit",
    ),
    ("price_at",),
    {"fees": Shape(("amount",))},
)
COST: Final = Shape(nested={"totals": Shape(("cost",))})
DECISION: Final = Shape(
    times=("made_at", "received_at"),
    nested={
        "targets": Shape(("quantity",)),
        "constraints": Shape(("before", "after")),
        "usage": USAGE,
        "signals": SIGNAL,
        "trades": TRADE,
        "cost": COST,
        "profits": PROFIT,
    },
)
WHY: Final = Shape(nested={"trade": TRADE, "decision": DECISION, "signals": SIGNAL, "cost": COST})
AGENT: Final = Shape(times=("updated_at",), nested={"signals": SIGNAL})
_FEE: Final = Shape(("amount",))
TRACK_RECORD: Final = Shape(
    nested={
        "profit": Shape(("realized", "net"), nested={"fees": _FEE}),
        "thinking": Shape(("cost",)),
    }
)
PNL_SUM: Final = Shape(
    (
        "profit",
        "gross_profit",
        "gross_loss",
        "average_profit",
        "average_win",
        "average_loss",
        "net_profit",
    ),
    nested={"opening_fees": _FEE, "closing_fees": _FEE},
)
SAMPLE: Final = Shape(times=("timestamp",))
AUDIT: Final = Shape(times=("at",))
NOTIFICATION: Final = Shape(times=("created_at", "due_at", "delivered_at"))
COMMAND: Final = Shape(
    times=("created_at", "expires_at", "delivered_at", "accepted_at", "ended_at")
)
SILENCE: Final = Shape(times=("created_at", "starts_at", "until"))

CHANNELS: Final = {"metrics": POINT, "alerts": ALERT, "trades": TRADE, "portfolio": PORTFOLIO}


# By the type of an event; those that carry the records of their channel have its shape.
TYPES: Final = {"signal": SIGNAL, "decision": DECISION}


def convert(row: dict[str, Any], shape: Shape) -> Any:
    """Convert a row in place: money to `Decimal`, times to aware `datetime`."""
    for name in shape.money:
        if (value := row.get(name)) is not None:
            row[name] = Decimal(value)
    for name in shape.times:
        if (value := row.get(name)) is not None:
            row[name] = datetime.fromisoformat(value)
    for name, inner in shape.nested.items():
        value = row.get(name) or ()
        for item in (value,) if isinstance(value, dict) else value:
            convert(item, inner)
    return row


def encodable(name: str, text: str) -> None:
    """Check that text is valid Unicode; a command line may contain bytes that are not UTF-8.

    Raises:
        ValueError: with the name but not the text, which may be a secret.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is not valid UTF-8 text") from None


def rfc3339(instant: datetime) -> str:
    """Format a time as RFC 3339 in UTC, with six digits of fraction.

    Raises:
        ValueError: if the datetime has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone; use for example datetime.now(UTC)")
    return f"{instant.astimezone(UTC).isoformat(timespec='microseconds')[:-6]}Z"


def dumps(value: Any) -> bytes:
    """Encode JSON as the API writes it: decimals are strings, NaN and infinities are null.

    Raises:
        TypeError: if the value holds a naive datetime, or something that has no JSON form.
    """
    return orjson.dumps(plain(value), default=_text, option=orjson.OPT_PASSTHROUGH_DATETIME)


def request_body(value: Any) -> bytes:
    """Encode JSON for a request: every number is a JSON number with all its digits.

    A `Decimal` becomes a number too, since the server takes both for money and only numbers for
    metrics.

    Raises:
        TypeError: if the value holds a naive datetime, or something that has no JSON form.
    """
    value = plain(value)
    try:
        return orjson.dumps(value, default=_number, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError as error:
        if "64-bit" not in str(error):
            raise
        return orjson.dumps(spelled(value), default=_number, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    return _instant(value)


def _number(value: object) -> orjson.Fragment | str:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    return _instant(value)


def _instant(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_text(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
