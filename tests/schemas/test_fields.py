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
from hypothesis import given
from hypothesis import strategies as st
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
from alphapulse_api.schemas.fields.objects import MAX_DEPTH
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


def test_numbers_and_booleans_of_labels_become_their_text() -> None:
    given_ = {"n": 3, "f": 0.5, "d": Decimal("1E+2"), "b": True, "none": None}
    assert taken(Labels(), given_) == {"b": "true", "d": "100", "f": "0.5", "n": "3"}
    assert refused(Labels(), {"n": 10**300})
    assert refused(Labels(), {"n": 10**5000})


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


@pytest.mark.parametrize("kind", ["objects", "lists"])
def test_metadata_is_not_deeper_than_answers_can_be(kind: str) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH - 1):
        value = {"a": value} if kind == "objects" else [value]
    assert taken(Metadata(), {"a": value}) == {"a": value}
    with pytest.raises(ValidationError, match="at most 200 levels"):
        Metadata().deserialize({"a": [value]})
    assert taken(Metadata(), {"a": [{}] * MAX_DEPTH}) == {"a": [{}] * MAX_DEPTH}


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


def test_labels_are_up_to_16_string_pairs_in_one_order() -> None:
    assert list(taken(Labels(), {"b": "2", "a": ""}).items()) == [("a", ""), ("b", "2")]
    assert len(taken(Labels(), {str(n): "x" for n in range(16)})) == 16
    for value in (
        {str(n): "x" for n in range(17)},
        {"a": []},
        {"": "x"},
        {"a": "\x00"},
        {"a": "x" * 257},
        [],
        "a:b",
    ):
        assert refused(Labels(), value)


@given(
    st.dictionaries(
        st.text('aé\N{ROCKET}\n"\\', max_size=3),
        st.none() | st.booleans() | st.integers(-(10**80), 10**80) | st.lists(st.text("ab\\")),
        max_size=4,
    )
)
def test_metadata_are_kept_as_they_are(value: dict[str, Any]) -> None:
    assert taken(Metadata(), value) == value


def test_metadata_keep_every_digit_of_an_integer_and_no_more_of_a_fraction() -> None:
    wei = 123456789012345678901234567890
    given_ = {"wei": wei, "deep": [{"id": -(2**64)}], "longest": 10**4300 - 1, "host": Decimal(wei)}
    assert taken(Metadata(), given_) == {**given_, "host": wei}
    kept = taken(Metadata(), {"x": -0.0, "y": Decimal("-0.0"), "z": Decimal("1e22")})
    assert repr(kept) == "{'x': 0.0, 'y': 0.0, 'z': 1e+22}"
    for number in (10**4300, -(10**4300), Decimal("1e400"), Decimal("-1e999999")):
        with pytest.raises(ValidationError, match=r"digits|too large"):
            taken(Metadata(), {"a": [number]})


def test_metadata_are_json() -> None:
    assert taken(Metadata(), {"x": math.nan, "y": Decimal("0.5"), "z": (1, 2)}) == {
        "x": None,
        "y": 0.5,
        "z": [1, 2],
    }
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    for value in ({"a": object()}, {"a": nested}, {"a": "x" * 65_537}, {"a": "\x00"}, [], "{}"):
        assert refused(Metadata(), value)


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
