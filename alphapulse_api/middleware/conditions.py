"""Conditional requests: what a client has already need not be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs

# Of a body, and so of no use where there is none.
OF_THE_BODY: Final = (hdrs.CONTENT_TYPE, hdrs.CONTENT_ENCODING, hdrs.CONTENT_LENGTH)


def unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Whether the client has the answer of this tag (RFC 9110, section 13.1.2: weak comparison)."""
    condition = headers.get(hdrs.IF_NONE_MATCH)
    if condition is None or condition == etag:
        return condition is not None
    tags = (tag.strip().removeprefix("W/") for tag in condition.split(","))
    return any(tag in ("*", etag) for tag in tags)
