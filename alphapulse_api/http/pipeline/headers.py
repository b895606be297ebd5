"""Headers that every answer has."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from alphapulse_api.config import CorsConfig
from alphapulse_api.domain.hosts import parse_origin

# aiohttp would name its own version and Python's.
SERVER: Final = "alphapulse_api"
COMMON: Final = {"Server": SERVER, "X-Content-Type-Options": "nosniff"}

VARY: Final = "Authorization, X-API-Key, Accept, Accept-Encoding, Origin"  # of every GET

# An istr is looked up as it is; a plain str is case-folded each time.
X_API_KEY: Final = istr("X-API-Key")
X_REQUEST_ID: Final = istr("X-Request-ID")

# Headers that middlewares add to the response before it is prepared.
HEADERS: Final[web.RequestKey[dict[str, str]]] = web.RequestKey("headers", dict)

# The headers that a page of another origin may read, besides those that it always may.
CORS_RESPONSE_HEADERS: Final = (
    "Accept-Encoding", "Age", "Allow", "Content-Disposition", "Date", "ETag", "Link", "Location",
    "RateLimit", "RateLimit-Policy", "Retry-After", "Vary", "WWW-Authenticate", "X-Approximate",
    "X-Cache", "X-Next-Cursor", "X-Request-ID", "X-Stream-Cursor", "X-Time-Range",
)  # fmt: skip


@lru_cache(maxsize=16)
def browser_origins(allowed: tuple[str, ...]) -> frozenset[str]:
    """Origins as browsers write them: without the default port of their scheme."""
    return frozenset(str(parse_origin(text) or text) for text in allowed)


def cors_headers(cors: CorsConfig, origin: str | None) -> dict[str, str]:
    """The headers that let a page of an allowed origin read an answer; empty if CORS is off."""
    if not cors.allowed_origins:
        return {}
    headers: dict[str, str] = {hdrs.VARY: hdrs.ORIGIN}
    origins = browser_origins(cors.allowed_origins)
    if origin is not None and (origin in origins or "*" in origins):
        # Only a listed origin is repeated: browsers send no credentials to "*".
        listed = origin in origins
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin if listed else "*"
        headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = ",".join(CORS_RESPONSE_HEADERS)
        if cors.allow_credentials:
            headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
    return headers


def vary_by_origin(headers: CIMultiDict[str]) -> None:
    """Add Origin to the Vary header."""
    vary = headers.get(hdrs.VARY)
    if vary is None:
        headers[hdrs.VARY] = hdrs.ORIGIN
    elif "origin" not in vary.lower():
        headers[hdrs.VARY] = f"{vary}, {hdrs.ORIGIN}"
