"""Conditional requests (RFC 9110, section 13)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy

from alphapulse_api.domain.errors import BAD_REQUEST, Problem
from alphapulse_api.domain.versions import IfMatch

_TAG: Final = re.compile(r'(W/)?"([^"\x00-\x20\x7f]*)"')
_OF_THE_BODY: Final = (hdrs.CONTENT_TYPE, hdrs.CONTENT_ENCODING, hdrs.CONTENT_LENGTH)


def unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Whether the client has the answer of this tag (RFC 9110, section 13.1.2: weak comparison)."""
    condition = headers.get(hdrs.IF_NONE_MATCH)
    if condition is None or condition == etag:
        return condition is not None
    tags = (tag.strip().removeprefix("W/") for tag in condition.split(","))
    return any(tag in ("*", etag) for tag in tags)


def if_match(headers: CIMultiDictProxy[str]) -> IfMatch | None:
    """The versions that the client accepts of the record it changes (RFC 9110, section 13.1.1).

    Every tag of an answer begins with the version of the record, whatever the coding and the format
    of the answer. Weak tags never match.

    Raises:
        Problem: 400, if it is not a list of tags.
    """
    lines = headers.getall(hdrs.IF_MATCH, ())
    if not lines:
        return None
    text = ",".join(lines)
    if text.strip() == "*":
        return IfMatch(None)
    tags = _TAG.findall(text)
    if not tags or _TAG.sub("", text).strip(", \t"):
        raise Problem(BAD_REQUEST, "If-Match is * or a list of ETags in double quotes.")
    return IfMatch(frozenset(tag.partition("-")[0] for weak, tag in tags if not weak))


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
