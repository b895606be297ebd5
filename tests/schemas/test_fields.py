"""The contract's value types: what comes in, what is kept, what is refused."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from marshmallow import ValidationError, fields, missing

from alphapulse_api.domain import times
from alphapulse_api.domain.derived import valued
from alphapulse_api.schemas.alerts import AlertRequest
from alphapulse_api.schemas.fields import (
    Choice,
    Figure,
    Figures,
    Identifier,
    Items,
    Labels,
    Metadata,
    Money,
    Text,
    Timestamp,
    Word,
    set_clock,
)
from alphapulse_api.schemas.metrics import MetricPointRequest
from alphapulse_api.schemas.portfolio import PortfolioRequest, PositionRequest
from alphapulse_api.schemas.signals import SignalRequest
from alphapulse_api.schemas.system import SystemSampleRequest
from alphapulse_api.schemas.trades import TradeRequest
from tests.asking import ALERT, POINT, PORTFOLIO, SAMPLE, SIGNAL, TRADE


def taken(field: fields.Field[Any], value: Any) -> Any:
    return field.deserialize(value)


def refused(field: fields.Field[Any], value: Any) -> bool:
    with pytest.raises(ValidationError) as error:
        field.deserialize(value)
    return bool(error.value.messages)


@pytest.mark.parametrize("value", ["a", "order-1:2", "é", "x" * 128, "7"])
def test_an_identifier_stands_in_a_path(value: str) -> None:
    assert taken(Identifier(), value) == value
    assert taken(Identifier(), 7) == "7"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x" * 129,
        "a b",
        "a/b",
        "a?b",
        "a#b",
        "a%b",
        "a\\b",
        "a\nb",
        "a\x00",
        "\ud83d",
        7.0,
        True,
    ],
)
def test_any_other_identifier_is_refused(value: Any) -> None:
    assert refused(Identifier(), value)


@pytest.mark.parametrize("word", ["buy", "BUY", "Buy"])
def test_a_word_of_a_closed_list_is_taken_in_any_case(word: str) -> None:
    assert taken(Choice("buy", "sell"), word) == "buy"
    assert refused(Choice("buy", "sell"), f"{word}s")
    assert refused(Choice("buy", "sell"), True)


@pytest.mark.parametrize("word", ["stop_limit", "STOP_LIMIT", "Stop-Limit"])
def test_a_word_of_an_open_list_has_one_spelling(word: str) -> None:
    assert taken(Word(), word) == "stop_limit"
    for other in ("", "1st", "a.b", "stop limit", "limit ", "x" * 65, 1):
        assert refused(Word(), other)


@pytest.mark.parametrize(
    "make",
    [Money, Figures, Labels, Metadata, Identifier, Timestamp, Word, partial(Text, 3),
     partial(Choice, "a"), partial(Items, Text(3))],
)  # fmt: skip
def test_none_leaves_an_optional_field_out(make: Any) -> None:
    assert make().deserialize(None) is missing
    assert refused(make(required=True), None)


@pytest.mark.parametrize("item", [Identifier(), Text(3), Word()], ids=["id", "text", "word"])
@pytest.mark.parametrize("null", [None, math.nan], ids=["null", "nan"])
def test_a_list_has_no_item_that_is_left_out(item: fields.Field[Any], null: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Items(item).deserialize(["a", null, {}])
    assert set(caught.value.messages_dict) == {1, 2}


def test_an_error_names_what_was_given_and_what_is_taken() -> None:
    def error(field: Any, value: Any) -> str:
        with pytest.raises(ValidationError) as caught:
            field.deserialize(value)
        return str(caught.value.messages[0])

    assert error(Money(), []) == (
        'Not a decimal number but a list: give a number, or text such as "67123.50".'
    )
    assert error(Figure(), "x") == "Not a number but text."
    assert error(Figure(low=0), -1) == "Must be 0 or more."
    assert error(Text(3), {1}) == "Not text but a set."
    assert "but a test_fields" in error(Timestamp(), _Odd()).replace("tests.schemas.", "")
    assert "set `timezone`" in error(Timestamp(), datetime(2026, 1, 31))  # noqa: DTZ001


class _Odd:
    """A class of the host."""


def test_dates_and_naive_times_are_of_the_zone_that_is_set() -> None:
    schema = TradeRequest()
    set_clock(schema, 300, ZoneInfo("America/New_York"))
    trade = {"symbol": "A", "side": "buy", "quantity": 1, "price": 1}
    noon = datetime(2026, 1, 31, 12)  # noqa: DTZ001
    for given_, there in ((noon, 17), (date(2026, 1, 31), 5)):
        loaded = schema.load({**trade, "executed_at": given_, "metadata": {"at": [noon]}})
        assert loaded["executed_at"] == datetime(2026, 1, 31, there, tzinfo=UTC)
        assert loaded["metadata"] == {"at": ["2026-01-31T17:00:00.000000Z"]}
    assert taken(Timestamp(), date(2026, 1, 31)) == datetime(2026, 1, 31, tzinfo=UTC)


def test_an_event_is_hardly_ahead_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    monkeypatch.setattr(times, "now", lambda: now)
    for ahead in (300, 60, 0):
        schemas = (
            (MetricPointRequest(), POINT, "timestamp"),
            (TradeRequest(many=True), [TRADE], "executed_at"),
            (AlertRequest(), ALERT, "created_at"), (SignalRequest(), SIGNAL, "timestamp"),
            (PortfolioRequest(), PORTFOLIO, "as_of"), (SystemSampleRequest(), SAMPLE, "timestamp"),
        )  # fmt: skip
        for schema, usual, name in schemas:
            set_clock(schema, ahead)
            latest = now + timedelta(seconds=ahead)
            for instant, allowed in ((latest, True), (latest + timedelta(microseconds=1), False)):
                (record,) = usual if isinstance(usual, list) else (usual,)
                given_ = {**record, name: instant.isoformat()}
                if allowed:
                    schema.load([given_] if schema.many else given_)
                    continue
                with pytest.raises(ValidationError, match=f"at most {ahead} s ahead") as error:
                    schema.load([given_] if schema.many else given_)
                assert name in str(error.value.messages)
    portfolio = PortfolioRequest()
    set_clock(portfolio, 60)
    position = {"symbol": "BTC", "quantity": 1, "opened_at": "2026-01-31T12:02:00Z"}
    with pytest.raises(ValidationError, match="opened_at"):
        portfolio.load({**PORTFOLIO, "positions": [position]})


def test_prices_may_be_negative_and_quantities_not() -> None:
    trade = TradeRequest().load({**TRADE, "price": "-37.63", "value": -1})
    assert (trade["price"], trade["value"]) == (Decimal("-37.63"), -1)
    signal = SignalRequest().load({**SIGNAL, "target_price": -5, "stop_loss": "-0.5"})
    assert (signal["target_price"], signal["stop_loss"]) == (-5, Decimal("-0.5"))
    position = {"symbol": "CL", "quantity": 2, "entry_price": -40, "current_price": "-30"}
    (kept,) = PortfolioRequest().load({**PORTFOLIO, "positions": [position]})["positions"]
    shown = valued(kept, Decimal(1000))
    assert (shown["value"], shown["unrealized_pnl"], shown["unrealized_pnl_pct"]) == (-60, 20, 0.25)
    short = valued({**kept, "side": "short"}, Decimal(1000))
    assert (short["value"], short["unrealized_pnl"]) == (60, -20)
    assert short["unrealized_pnl_pct"] == -0.25
    for schema, record in ((TradeRequest(), TRADE), (PositionRequest(), position)):
        with pytest.raises(ValidationError, match="quantity"):
            schema.load({**record, "quantity": "-1"})


def test_no_ratio_of_a_position_is_minus_zero() -> None:
    position = {"symbol": "BTC", "side": "short", "quantity": Decimal(0), "entry_price": Decimal(5),
                "current_price": Decimal(5)}  # fmt: skip
    shown = valued(position, Decimal(-100))
    assert repr([shown["weight"], shown["unrealized_pnl_pct"]]) == "[0.0, 0.0]"
    assert str(shown["value"]) == "0"


def test_a_timestamp_of_any_zone_is_kept_in_utc() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    for value in (
        noon,
        noon.astimezone(timezone(timedelta(hours=-5))),
        "2026-01-31T07:00:00-05:00",
        noon.timestamp(),
    ):
        kept = taken(Timestamp(), value)
        assert kept == noon
        assert kept.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [datetime(2026, 1, 31), "2026-01-31T12:00:00", True, [], Decimal("1e999990"), math.nan],  # noqa: DTZ001
    ids=repr,
)
def test_a_naive_or_impossible_timestamp_is_refused(value: Any) -> None:
    assert refused(Timestamp(), value)


def test_text_counts_characters_and_holds_no_nul() -> None:
    assert taken(Text(3), "\N{ROCKET}" * 3) == "\N{ROCKET}" * 3
    for value in ("", "abcd", "a\x00", "\ud83d", 5, None):
        assert refused(Text(3, required=True), value)
    assert taken(Text(3, number=True), 5) == "5"


def test_every_refusal_is_a_sentence() -> None:
    for field, value in ((Money(), "x"), (Figure(), "x"), (Identifier(), ""), (Timestamp(), "x")):
        with pytest.raises(ValidationError) as error:
            field.deserialize(value)
        assert re.fullmatch(r"[A-Z0-9n].*\.", str(error.value.messages[0]), re.DOTALL)
