"""JSON with integers of any size, on top of a codec for integers of 64 bits.

orjson refuses to write longer integers, and silently reads them as doubles. Only documents that
have such an integer take a slower path here; all others keep orjson's speed.
"""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

# CPython refuses to convert longer ones between int and text (sys.int_info.default_max_str_digits).
MAX_DIGITS: Final = 4300
_BEYOND: Final = 10**MAX_DIGITS
# The shortest text that orjson may read as a double: -(2**63) - 1 has 19 digits.
_DIGITS: Final = b"0" * 19
_DIGITS_AS_ZERO: Final = bytes(48 if chr(byte).isdigit() else 32 for byte in range(256))


def is_writable(number: int) -> bool:
    """Whether an integer has no more digits than can be written."""
    return -_BEYOND < number < _BEYOND


def spelled(value: Any) -> Any:
    """The value with integers beyond 64 bits as text that orjson writes unchanged.

    Raises:
        ValueError: if one has more than `MAX_DIGITS` digits.
    """
    if isinstance(value, dict):
        return {name: spelled(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [spelled(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(int(value)))
    return value


def loads(raw: str | bytes) -> Any:
    """JSON with every integer's digits kept; fractions are doubles.

    Raises:
        ValueError: if it is not JSON.
    """
    if len(raw) >= len(_DIGITS):
        data = raw.encode() if isinstance(raw, str) else raw
        if _DIGITS in data.translate(_DIGITS_AS_ZERO):
            return json.loads(data)
    return orjson.loads(raw)
