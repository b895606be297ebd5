"""The headers of the HTTP answers, and which answers have which."""

from __future__ import annotations

from typing import Any, Final

from alphapulse_api.http.route import Row


def _header(description: str, example: Any, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}, "example": example}


HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-ID": _header(
        "The request's id, which the server's log has. A request may bring its own.",
        "0b6a2f1e9c3d4a5b8e7f60718293a4b5",
    ),
    "RateLimit-Policy": _header(
        "The caller's quota: `q` requests in `w` seconds.", '"default";q=120;w=60'
    ),
    "RateLimit": _header(
        "What is left of it: `r` requests; all of them again in `t` seconds. Failures "
        "have it, too, once the caller is known.",
        '"default";r=87;t=21',
    ),
    "Retry-After": _header("Seconds until it is worth another try.", 2, "integer"),
    "WWW-Authenticate": _header(
        "RFC 6750, section 3. `error_description` says if the credentials expired.",
        'Bearer realm="alphapulse_api", error="invalid_token"',
    ),
    "Allow": _header("Of a 405: the methods that the path has.", "GET, POST"),
    "Accept-Encoding": _header(
        "Of a body in a coding that the server does not have: the codings that it has.",
        "gzip, deflate, identity",
    ),
    "ETag": _header(
        "A strong validator of the body, one for each content coding. Send it as `If-None-Match`. "
        "Of `/api/portfolio` and of a PUT, `If-Match` takes it too.",
        '"5f0c2a91d3b84e6f"',
    ),
    "Cache-Control": _header("Whether the answer may be stored; failures may not.", "no-store"),
    "Vary": _header(
        "The request headers that the answer depends on.",
        "Authorization, X-API-Key, Accept, Accept-Encoding, Origin",
    ),
    "X-Cache": _header("HIT, MISS, BYPASS or STALE.", "HIT"),
    "Age": _header("Of a STALE answer: how old it is, in seconds.", 3, "integer"),
    "X-Stream-Cursor": _header(
        "The position of the matching channel before the data was read. A socket that subscribes "
        "with it as `since` misses nothing in between.",
        "5f0c2a91-40",
    ),
    "Link": _header(
        'The URL of the next page, `rel="next"`; there is none on the last page.',
        '</api/trades?limit=100&cursor=WzEs>; rel="next"',
    ),
    "X-Next-Cursor": _header(
        "The cursor of the next page; there is none on the last page.", "WzEsIm8xIl0"
    ),
    "X-Time-Range": _header(
        "The range that an export covers; `..` is an open end.",
        "2026-01-31T00:00:00.000000Z/..",
    ),
    "Content-Disposition": _header("The name of the file.", 'attachment; filename="trades.csv"'),
    "Location": _header("The path of the record that was made.", "/api/trades/t-1"),
    "X-Approximate": _header(
        "The percentiles that are within 1 % and not exact; there is none where all are exact.",
        "p50, p99",
    ),
}

_COUNTED: Final = ("RateLimit-Policy", "RateLimit")
_OF_A_GET: Final = ("ETag", "Cache-Control", "Vary", "X-Cache", "Age")
_OF_A_PAGE: Final = ("Link", "X-Next-Cursor")
# The caller of a 401 is not known, so nothing is counted; all other failures may be counted.
_UNCOUNTED: Final = 401
# The headers of failures, in addition to those of every failure.
_OF_FAILURES: Final[dict[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    415: ("Accept-Encoding",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
# The failures that a route may find once it has read the cursor of its channel.
_LATE_FAILURES: Final = (404, 409, 422, 503)


def of_success(row: Row, *, repeat: bool = False) -> dict[str, Any]:
    """The headers of a route's answer.

    Args:
        row: the route.
        repeat: whether the answer shows a record that was stored before.
    """
    names = ["X-Request-ID"]
    if row.counted:
        names += _COUNTED
    if row.conditional:
        names += _OF_A_GET
    if row.versioned:
        names.append("ETag")
    if row.raw is not None and not row.webhook:
        names.append("Cache-Control")
    if row.located and not repeat:
        names.append("Location")
    names += _of_the_data(row)
    if row.export:
        names += ("Content-Disposition", "X-Time-Range", "Cache-Control", "Vary", "X-Cache")
    return references(*names)


def of_unchanged(row: Row) -> dict[str, Any]:
    """The headers of a 304."""
    return references("X-Request-ID", *_COUNTED, *_OF_A_GET, *_of_the_data(row))


def _of_the_data(row: Row) -> list[str]:
    """The headers that say more of the data."""
    names: list[str] = []
    if row.channel is not None:
        names.append("X-Stream-Cursor")
    if row.pages:
        names += _OF_A_PAGE
    if "aggregation" in row.query_schema.fields:
        names.append("X-Approximate")
    return names


def of_failure(status: int) -> dict[str, Any]:
    """The headers of a problem; 0 stands for the statuses that no operation lists."""
    names = ["X-Request-ID", "Cache-Control", *_OF_FAILURES.get(status, ())]
    if status != _UNCOUNTED:
        names += _COUNTED
    if not status or status in _LATE_FAILURES:
        names.append("X-Stream-Cursor")
    if not status:
        names.append("Allow")
    return references(*names)


def references(*names: str) -> dict[str, Any]:
    """References to headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
