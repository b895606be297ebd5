"""Durations as people write them in files and on command lines: 45s, 30m, 12h, 90d, 2w."""

import re

__all__ = ["format_duration", "parse_duration"]

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)([smhdw])")


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as 90d: one number and one unit.

    Raises:
        ValueError: if it is anything else; the text is not repeated.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be a duration such as 90d, 12h, 30m, 2w or 45s")
    number, unit = match.groups()
    return float(number) * _UNITS[unit]


def format_duration(seconds: float) -> str:
    """Return `seconds` as `parse_duration` reads it, in the largest unit up to days that fits."""
    for unit in "dhm":
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]:.0f}{unit}"
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
