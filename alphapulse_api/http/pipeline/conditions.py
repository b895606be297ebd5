"""Conditional requests (RFC 9110, section 13)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy

from alphapulse_api.domain.errors import BAD_REQUEST, Problem
from alphapulse_api.domain.versions import Precondition

_TAG: Final = re.compile(r'(W/)?"([^"\x00-\x20\x7f]*)"')
ANY: Final[Sequence[tuple[str, bool]]] = ()  # `*`
_OF_THE_BODY: Final = (hdrs.CONTENT_TYPE, hdrs.CONTENT_ENCODING, hdrs.CONTENT_LENGTH)


def unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Whether the client has the answer of this tag (RFC 9110, section 13.1.2: weak comparison)."""
    condition = headers.get(hdrs.IF_NONE_MATCH)
    if condition is None or condition == etag:
        return condition is not None
    tags = (tag.strip().removeprefix("W/") for tag in condition.split(","))
    return any(tag in ("*", etag) for tag in tags)


def precondition(headers: CIMultiDictProxy[str]) -> Precondition | None:
    """What the client requires of the record it changes (RFC 9110, sections 13.1.1 and 13.1.2).

    Every tag of an answer begins with the version of the record, whatever the coding and the format
    of the answer. Weak tags never match in If-Match.

    Raises:
        Problem: 400, if a header is not a list of tags.
    """
    match, none = _tags(headers, "If-Match"), _tags(headers, "If-None-Match")
    if match is None and none is None:
        return None
    required = Precondition()
    if match is not None:
        strong = frozenset(version for version, weak in match if not weak)
        required = required._replace(exists=True, versions=None if match is ANY else strong)
    if none is not None:
        others = frozenset(version for version, _ in none)
        required = required._replace(absent=none is ANY, others=others)
    return required


def _tags(headers: CIMultiDictProxy[str], name: str) -> Sequence[tuple[str, bool]] | None:
    """The versions that a header names, and whether their tags are weak; `ANY` for `*`."""
    lines = headers.getall(name, ())
    if not lines:
        return None
    text = ",".join(lines)
    if text.strip() == "*":
        return ANY
    tags = _TAG.findall(text)
    if not tags or _TAG.sub("", text).strip(", \t"):
        raise Problem(BAD_REQUEST, f"{name} is * or a list of ETags in double quotes.")
    return [(tag.partition("-")[0], bool(weak)) for weak, tag in tags]


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
