"""Errors as OTLP/HTTP has them: a google.rpc.Status, in the encoding of the request.

Clients repeat a request only after 429, 502, 503 and 504, and no sooner than Retry-After says. The
status of data that is not valid is 400.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response.
"""

from __future__ import annotations

from typing import Final

from alphapulse_api.domain.encoding import dumps

PROTOBUF: Final = "application/x-protobuf"
# By the HTTP status: a code of google.rpc.Code. Clients act on the HTTP status alone.
_CODES: Final = {
    400: 3,  # INVALID_ARGUMENT
    401: 16,  # UNAUTHENTICATED
    403: 7,  # PERMISSION_DENIED
    408: 4,  # DEADLINE_EXCEEDED
    413: 3,
    415: 3,
    429: 8,  # RESOURCE_EXHAUSTED
    500: 13,  # INTERNAL
    501: 12,  # UNIMPLEMENTED
    503: 14,  # UNAVAILABLE
}
_UNKNOWN: Final = 2
_INVALID: Final = 422  # which OTLP does not know


def rpc_refusal(media_type: str, status: int, detail: str) -> tuple[int, str, bytes]:
    """The answer to a request that failed.

    Args:
        media_type: of the request; the answer to one that is not protobuf is JSON.
        status: as other routes have it.
        detail: for a person.

    Returns:
        The status, media type and body.
    """
    status = 400 if status == _INVALID else status
    code = _CODES.get(status, _UNKNOWN)
    if media_type == PROTOBUF:
        return status, PROTOBUF, _encoded(code, detail.encode())
    return status, "application/json", dumps({"code": code, "message": detail})


def _encoded(code: int, message: bytes) -> bytes:
    """The message by hand: this is also the answer where protobuf is not installed."""
    size, length = len(message), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes((1 << 3, code, 2 << 3 | 2, *length)) + message
