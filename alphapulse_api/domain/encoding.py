"""Python values to JSON bytes and back: the one place that knows the number rules.

Out: datetimes become RFC 3339 with Z and six digits of fraction, Decimals become strings, NaN and
infinities become null.
In: decimals keep their digits, and NaN literals (json.dumps writes them) are read as NaN.
Integers keep their digits both ways, however many they have.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from alphapulse_api.domain import integers
from alphapulse_api.domain.times import rfc3339

# orjson omits a fraction of zero, so `_plain` writes the datetimes.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS
_DECODER = json.JSONDecoder(parse_float=Decimal)  # json.loads would make one each time
# Stands for numbers that have more digits than an int may have, or an exponent beyond Decimal's. It
# exceeds every bound of a field, as they do.
_GIGANTIC: Final = Decimal("1e999999")
_TINY: Final = Decimal("1e-999999")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _plain(value: object) -> str | orjson.Fragment:
    if isinstance(value, datetime):
        # orjson writes datetimes with a fraction as we do, in a quarter of the time.
        if type(value) is datetime and value.microsecond and value.tzinfo is UTC:
            return orjson.Fragment(orjson.dumps(value, option=orjson.OPT_UTC_Z))
        return rfc3339(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (date, time)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(value: Any) -> bytes:
    """UTF-8 JSON.

    Raises:
        TypeError: if the value holds something that has no JSON form.
    """
    # A copy, because orjson's result keeps the whole buffer that it was written to, at least 4 KiB
    # (since 3.12; 1 KiB before), and events and cached answers are kept for long.
    return b"".join((_written(value, _OPTIONS), b""))


def canonical(value: Any) -> str:
    """JSON text with sorted keys: equal values give equal text."""
    return _written(value, _OPTIONS | orjson.OPT_SORT_KEYS).decode()


def _written(value: Any, option: int) -> bytes:
    try:
        return orjson.dumps(value, default=_plain, option=option)
    except orjson.JSONEncodeError as error:
        if "64-bit" not in str(error):
            raise
    return orjson.dumps(integers.spelled(value), default=_plain, option=option)


def loads(raw: bytes) -> Any:
    """JSON from a client, with every number's digits kept (a fraction becomes a Decimal).

    Raises:
        ValueError: if it is not UTF-8 JSON, nests too deep, or holds half a surrogate pair.
    """
    try:
        text = raw.decode("utf-8")
        value = _decoded(text)
    except RecursionError:
        raise ValueError("the JSON nests too deep") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    if _ESCAPED_SURROGATE.search(text):
        # Python accepts half a pair, but no encoder does.
        try:
            json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("the JSON holds half a surrogate pair") from None
    return value


def _decoded(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, InvalidOperation):
        # A number that Python does not parse. The field reports it, with its name and its bounds.
        return _LENIENT.decode(text)


def _integer(text: str) -> int | Decimal:
    if len(text.lstrip("-")) <= integers.MAX_DIGITS:
        return int(text)
    return -_GIGANTIC if text.startswith("-") else _GIGANTIC


def _fraction(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa, _, exponent = text.lower().partition("e")
        if not Decimal(mantissa):
            return Decimal(0)
        return (_TINY if exponent.startswith("-") else _GIGANTIC).copy_sign(Decimal(mantissa))


_LENIENT = json.JSONDecoder(parse_float=_fraction, parse_int=_integer)


def loads_floats(raw: bytes) -> Any:
    """Like `loads`, but fractions are doubles, as the values of metric points are stored.

    Raises:
        ValueError: as above.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        # It may only be beyond orjson, as NaN is. Otherwise this raises the error.
        return loads(raw)


def loads_stored(text: str | bytes) -> Any:
    """JSON that we wrote ourselves."""
    return integers.loads(text)
