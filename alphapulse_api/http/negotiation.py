"""Content negotiation (RFC 9110, section 12.4.2): Accept and Accept-Encoding as weights."""

from __future__ import annotations

import re
from typing import Final

_QUALITY: Final = re.compile(
    r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.ASCII | re.IGNORECASE
)


def weights(header: str | None) -> dict[str, float]:
    """What the header names, in lower case, each with its weight from 0 (refused) to 1.

    An invalid weight counts as 1. Of two weights of one name the greater counts.
    """
    found: dict[str, float] = {}
    for part in (header or "").lower().split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if quality := _QUALITY.fullmatch(parameter):
                weight = float(quality[1])
        if name:
            found[name] = max(weight, found.get(name, 0.0))
    return found
