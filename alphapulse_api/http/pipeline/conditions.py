"""Conditional requests (RFC 9110, section 13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict

_OF_THE_BODY: Final = (hdrs.CONTENT_TYPE, hdrs.CONTENT_ENCODING, hdrs.CONTENT_LENGTH)


def unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Whether the client has the answer of this tag (RFC 9110, section 13.1.2: weak comparison)."""
    condition = headers.get(hdrs.IF_NONE_MATCH)
    if condition is None or condition == etag:
        return condition is not None
    tags = (tag.strip().removeprefix("W/") for tag in condition.split(","))
    return any(tag in ("*", etag) for tag in tags)


def answer(request: web.Request, body: bytes, etag: str, headers: CIMultiDict[str]) -> web.Response:
    """The body, or a 304 for a client that has it; `headers` are taken over."""
    if unchanged(request.headers, etag):
        leave_body_out(headers)
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers)


def leave_body_out(headers: CIMultiDict[str]) -> None:
    """Remove the headers that describe a body."""
    for name in _OF_THE_BODY:
        headers.popall(name, None)
