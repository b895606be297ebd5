"""Instants: every way a client may write one, and what is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.times import (
    FIRST_MICROS,
    from_micros,
    micros_from_epoch,
    now,
    parse,
    rfc3339,
    rfc3339_micros,
    to_micros,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
instants = st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31t12:00:00z",
        "2026-01-31 12:00:00Z",
        "2026-01-31T12:00:00.000000Z",
        "2026-01-31T14:00:00+02:00",
        "2026-01-31T14:00:00 02:00",  # a query's unencoded +
        "2026-01-31 14:00:00 02:00",
        "2026-01-31T06:30:00-05:30",
        "2026-01-31T06:30:00-0530",
        "2026-01-31 14:00:00+0200",
        "2026-01-31T14:00:00 0200",
        "2026-01-31T12:00:00-00:00",
        "2026-01-31T11:59:60Z",
        "2026-01-31T11:59:60.000000999+00:00",
        "1769860800000000",
        "1769860800000000000",
        "1769860800000000999.9",
        "1.7698608e9",
        "17698608e2",
        1769860800000000,
        1769860800000000999,
        1769860800e9,
        Decimal("1.7698608E+18"),
        "1769860800",
        "1769860800000",
        "1769860800.0",
        1769860800,
        1769860800000,
        1769860800.0,
        Decimal("1769860800.000"),
    ],
)
def test_an_instant_is_understood_however_it_is_written(written: str | float | Decimal) -> None:
    assert parse(written) == NOON
    assert parse(written).tzinfo is UTC


@given(
    micros=st.integers(FIRST_MICROS, to_micros(datetime.max.replace(tzinfo=UTC))),
    finer=st.integers(0, 999),
)
def test_an_epoch_is_read_by_its_digits_and_floored(micros: int, finer: int) -> None:
    """A number says its unit by how many digits it has; any number, as text or as number."""
    instant = from_micros(micros)
    nanos = micros * 1000 + finer
    for unit, digits in ((10**9, (1, 11)), (10**6, (12, 14)), (10**3, (15, 17)), (1, (18, 21))):
        whole, rest = divmod(nanos, unit)
        if not digits[0] <= len(str(abs(whole))) <= digits[1]:
            continue
        if rest and whole < 0 and len(str(-whole - 1)) < digits[0]:
            continue  # -100000000000.5 has one digit more than what is left of it
        exact = Decimal(whole) + Decimal(rest) / unit
        assert parse(exact) == parse(format(exact, "f")) == instant
        assert parse(f"{exact:e}") == instant
        if not rest:
            assert parse(whole) == instant
            assert micros_from_epoch(whole) == micros


@given(
    instant=instants,
    finer=st.text("0123456789", max_size=30),
    minutes=st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_text_finer_than_microseconds_is_floored(
    instant: datetime, finer: str, minutes: int
) -> None:
    try:
        there = instant.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        return
    sign, minutes = "+-"[minutes < 0], abs(minutes)
    text = f"{there:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f".{there:%f}{finer}"
    offset = f"{minutes // 60:02}:{minutes % 60:02}"
    assert parse(f"{text}{sign}{offset}") == instant
    assert parse(f"{text}{sign}{offset.replace(':', '')}") == instant
    if sign == "+":
        assert parse(f"{text} {offset}") == instant


def test_the_time_before_1970_is_floored_too() -> None:
    assert parse("-0.0000001") == from_micros(-1)
    assert parse(-1.5) == from_micros(-1_500_000)
    assert parse("1969-12-31T23:59:59.9999999Z") == from_micros(-1)


def test_twelve_digits_are_milliseconds() -> None:
    assert parse(99_999_999_999) == datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)
    assert parse(100_000_000_000) == datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)
    assert parse("-100000000000") == datetime(1966, 10, 31, 14, 13, 20, tzinfo=UTC)
    assert parse("1769860800123.456") == NOON + timedelta(microseconds=123_456)


def test_fractions_beyond_microseconds_are_cut() -> None:
    assert parse("2026-01-31T12:00:00.123456789Z") == NOON + timedelta(microseconds=123_456)
    assert parse(Decimal("1769860800.1234569")) == NOON + timedelta(microseconds=123_456)


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("2026-01-31T12:00:00", "offset"),
        ("2026-01-31", "RFC 3339"),
        ("now", "RFC 3339"),
        ("", "RFC 3339"),
        ("２０２６-01-31T12:00:00Z", "RFC 3339"),
        ("1e", "RFC 3339"),
        ("2026-01-31T12:00:00+0260", "RFC 3339"),
        ("2026-01-31T12:00:00+24:00", "RFC 3339"),
        ("2026-01-31T12:00:61Z", "no such time"),
        ("9999-12-31T23:59:60Z", "no such time"),
        ("1e21", "outside"),
        ("1e999", "outside"),
        ("-62135596800001000000000", "outside"),
        ("2026-02-30T12:00:00Z", "no such time"),
        ("2026-01-31T25:00:00Z", "no such time"),
        ("0001-01-01T00:00:00+01:00", "no such time"),
        ("9999-12-31T23:59:59-01:00", "no such time"),
        ("999999999999999999999", "outside"),
        (253402300800000000000, "outside"),
        (-62135596801, "outside"),
        (float("nan"), "outside"),
        (float("inf"), "outside"),
        (Decimal("sNaN"), "outside"),
        (1e300, "outside"),
        (10**400, "outside"),
    ],
)
def test_what_is_no_instant_is_refused_in_one_sentence(
    written: str | float | Decimal, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        parse(written)
    assert "\n" not in str(refused.value)


def test_an_integer_of_more_digits_than_python_writes_is_outside() -> None:
    for number in (10**5000, -(10**5000), Decimal(10) ** 5000):
        with pytest.raises(ValueError, match="outside"):
            parse(number)


@pytest.mark.parametrize("exponent", [30, 999_990, 999_999, 10**12])
def test_a_gigantic_exponent_is_never_expanded(exponent: int) -> None:
    """As an integer, the largest of them would not fit into any memory."""
    with pytest.raises(ValueError, match="outside"):
        parse(Decimal(f"1e{exponent}"))
    with pytest.raises(ValueError, match="outside"):
        parse(Decimal(f"-1e{exponent}"))
    assert parse(Decimal(f"1e-{exponent}")) == from_micros(0)
    assert parse(Decimal(f"0e{exponent}")) == from_micros(0)


def test_a_hosts_coarse_decimal_context_changes_nothing() -> None:
    with localcontext() as context:
        context.prec = 5
        assert parse(Decimal("1769860800.123456")) == NOON + timedelta(microseconds=123_456)
        assert parse("1769860800123.456") == NOON + timedelta(microseconds=123_456)


@given(instants)
def test_what_is_written_out_reads_back(instant: datetime) -> None:
    text = rfc3339(instant)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    assert rfc3339_micros(to_micros(instant)) == text
    assert parse(text) == instant
    assert from_micros(to_micros(instant)) == instant


def test_another_zone_is_written_in_utc() -> None:
    assert rfc3339(NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))) == (
        "2026-01-31T12:00:00.000000Z"
    )


def test_a_naive_datetime_has_no_place_in_time() -> None:
    with pytest.raises(ValueError, match="offset"):
        to_micros(datetime(2026, 1, 31))  # noqa: DTZ001


def test_now_is_utc_and_the_first_instant_is_the_first() -> None:
    assert abs(now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert from_micros(FIRST_MICROS) == datetime.min.replace(tzinfo=UTC)
