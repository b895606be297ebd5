"""Every error that is reported to callers, as tables: HTTP problems, socket errors, close codes.

Problems follow RFC 9457. Their `type` URIs are a closed, stable list: programs may switch on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple


class ConfigError(Exception):
    """The configuration cannot be used; the text has a line for each fault.

    Args:
        faults: one line each, for the person who wrote the configuration.
    """

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class StartupError(Exception):
    """The process cannot start (port in use, foreign database …); the text is one clear line."""


class DashboardClosed(RuntimeError):
    """A call came while the dashboard was closing, or later; nothing was stored."""

    def __init__(self) -> None:
        super().__init__("the dashboard is closed: it takes no more calls")


class DashboardFailed(DashboardClosed):
    """The dashboard's event loop ended unexpectedly; later calls store nothing."""

    def __init__(self, cause: BaseException) -> None:
        RuntimeError.__init__(
            self,
            f"the dashboard has ended unexpectedly ({cause!r}): close it, then start it again",
        )


class DashboardForked(RuntimeError):
    """A call came in a forked process, whose parent runs the dashboard; nothing was stored."""

    def __init__(self) -> None:
        super().__init__(
            "the dashboard runs in the process that this one was forked from, and cannot be fed "
            "from here: start worker processes with multiprocessing's 'spawn' method, and feed "
            "from them over HTTP with alphapulse_api.client"
        )


class ProblemType(NamedTuple):
    """One row of the closed list: the slug ends the type URI."""

    slug: str
    title: str
    status: int

    @property
    def uri(self) -> str:
        return f"urn:alphapulse:problem:{self.slug}"


BAD_REQUEST: Final = ProblemType("bad-request", "The request cannot be parsed", 400)
UNAUTHENTICATED: Final = ProblemType("unauthenticated", "Credentials are needed", 401)
# Part of WWW-Authenticate, for clients that see only the headers (RFC 6750, section 3).
EXPIRED_CHALLENGE: Final = 'error_description="The credentials expired"'
FORBIDDEN: Final = ProblemType("forbidden", "Not permitted", 403)
NOT_FOUND: Final = ProblemType("not-found", "Not found", 404)
METHOD_NOT_ALLOWED: Final = ProblemType("method-not-allowed", "Method not allowed", 405)
NOT_ACCEPTABLE: Final = ProblemType("not-acceptable", "No acceptable form of the answer", 406)
REQUEST_TIMEOUT: Final = ProblemType("request-timeout", "The request came too slowly", 408)
CONFLICT: Final = ProblemType("conflict", "Conflict with what is stored", 409)
PRECONDITION_FAILED: Final = ProblemType("precondition-failed", "A precondition does not hold", 412)
TOO_LARGE: Final = ProblemType("too-large", "The body is too large", 413)
URI_TOO_LONG: Final = ProblemType("uri-too-long", "The URL is too long", 414)
UNSUPPORTED_MEDIA: Final = ProblemType("unsupported-media-type", "Unsupported media type", 415)
MISDIRECTED: Final = ProblemType("misdirected", "The request is for another host", 421)
VALIDATION: Final = ProblemType("validation", "The input is not valid", 422)
UPGRADE_REQUIRED: Final = ProblemType(
    "upgrade-required", "Another version of the WebSocket protocol is needed", 426
)
RATE_LIMITED: Final = ProblemType("rate-limited", "Too many requests", 429)
HEADERS_TOO_LARGE: Final = ProblemType("headers-too-large", "The headers are too large", 431)
INTERNAL: Final = ProblemType("internal", "Internal error", 500)
NOT_IMPLEMENTED: Final = ProblemType("not-implemented", "Not implemented here", 501)
UNAVAILABLE: Final = ProblemType("unavailable", "Temporarily unavailable", 503)

# The type of HTTP errors without a row of their own, which aiohttp or a host application raises.
# They keep their status, which says the rest.
OTHER: Final = ProblemType("http-error", "The request failed", 500)

PROBLEM_TYPES: Final = (
    BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE, REQUEST_TIMEOUT, CONFLICT, PRECONDITION_FAILED, TOO_LARGE, URI_TOO_LONG,
    UNSUPPORTED_MEDIA, MISDIRECTED, VALIDATION, UPGRADE_REQUIRED, RATE_LIMITED, HEADERS_TOO_LARGE,
    INTERNAL, NOT_IMPLEMENTED, UNAVAILABLE, OTHER,
)  # fmt: skip
PROBLEM_BY_STATUS: Final = {p.status: p for p in PROBLEM_TYPES if p is not OTHER}


def problem_document(
    kind: ProblemType, status: int, detail: str, request_id: str, extra: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The members of a problem object (RFC 9457), those in `extra` last."""
    return {
        "type": kind.uri,
        "title": kind.title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
        **(extra or {}),
    }


class Problem(Exception):
    """A refusal with a reason: raised anywhere below HTTP, answered as problem+json.

    Args:
        kind: the row of the table above.
        detail: one sentence for a person; never a secret or a traceback.
        headers: response headers to send with it, such as Retry-After (seconds).
        extra: further members of the problem object.
    """

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kind.slug!r}, {self.detail!r})"


class ValidationProblem(Problem):
    """Input that can be parsed but is not valid: each error names its place.

    `errors` holds {"pointer": RFC 6901 pointer into the body, "detail": …} or
    {"parameter": query parameter, "detail": …}; of a body in lines, the number of the "line" too.

    Args:
        errors: at least one.
        count: how many there are in all; `errors_omitted` is how many of them are not in `errors`.
    """

    def __init__(
        self, errors: Sequence[Mapping[str, Any]], count: int | None = None, **extra: Any
    ) -> None:
        first = errors[0]
        place = first.get("pointer", first.get("parameter"))
        count = len(errors) if count is None else count
        if omitted := count - len(errors):
            extra["errors_omitted"] = omitted
        more = f" (and {count - 1} more)" if count > 1 else ""
        super().__init__(
            VALIDATION, f"{place or 'body'}: {first['detail']}{more}", errors=list(errors), **extra
        )
        self.errors = list(errors)

    @classmethod
    def parameter(cls, name: str, detail: str, **extra: Any) -> ValidationProblem:
        """One query parameter is not valid."""
        return cls([{"parameter": name, "detail": detail}], **extra)


class NotFound(Problem):
    """There is no such thing."""

    def __init__(self, detail: str) -> None:
        super().__init__(NOT_FOUND, detail)


class Conflict(Problem):
    """What is stored does not allow it, such as an id with other content, or a closed book."""

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(CONFLICT, detail, **extra)


class Ring(Conflict):
    """A record that would correct itself, by way of others; a 422."""

    def __init__(self, detail: str, **extra: Any) -> None:
        Problem.__init__(self, VALIDATION, detail, **extra)


class Unavailable(Problem):
    """A part that the answer needs is unavailable; `retry_after` is in seconds."""

    def __init__(self, detail: str, retry_after: int = 2) -> None:
        super().__init__(UNAVAILABLE, detail, headers={"Retry-After": str(retry_after)})


class RateLimited(Problem):
    """Too much in too short a time.

    Args:
        detail: what the limit is, without a full stop.
        retry_after: seconds until the next request would be allowed.
    """

    def __init__(self, detail: str, retry_after: float) -> None:
        wait = max(1, math.ceil(retry_after))
        super().__init__(
            RATE_LIMITED,
            f"{detail}; try again in {wait} s.",
            headers={"Retry-After": str(wait)},
        )


class SocketError(NamedTuple):
    """A WebSocket error code; `fatal` names the close that follows it, if one does."""

    code: str
    meaning: str


SOCKET_ERRORS: Final = tuple(
    SocketError(*row)
    for row in (
        ("invalid_json", "the frame is not a JSON object"),
        ("invalid_message", "a field is missing, unknown, or of the wrong shape"),
        ("unknown_type", "there is no such message type"),
        ("unauthenticated", "authenticate first"),
        ("auth_failed", "the credentials are not valid"),
        ("token_expired", "the token has expired"),
        ("forbidden", "the caller may not read this channel, or serve this agent"),
        ("unknown_channel", "there is no such channel"),
        ("invalid_filter", "the channel has no such filter, or no record has such a value"),
        ("conflict", "the command is not the caller's, or its state does not allow the answer"),
        (
            "rate_limited",
            "too many messages, or invalid keys from this address; this one was not acted on",
        ),
        ("internal", "the server failed; the message was not acted on"),
    )
)


class Close(NamedTuple):
    """A WebSocket close: RFC 6455 code, and the reason as a bare word for programs."""

    code: int
    reason: str


AUTH_TIMEOUT: Final = Close(1008, "auth_timeout")  # no credentials within websocket.auth_timeout
AUTH_FAILED: Final = Close(1008, "auth_failed")  # credentials refused
TOKEN_EXPIRED: Final = Close(1008, "token_expired")  # the token ended and no new one came
REVOKED: Final = Close(1008, "revoked")  # key revoked, user disabled, permission taken away
FLOODING: Final = Close(
    1008, "rate_limited"
)  # goes on after `rate_limited` errors, or connects too often
PROTOCOL_ERROR: Final = Close(1002, "protocol_error")  # frames that RFC 6455 forbids
TEXT_ONLY: Final = Close(1003, "text_only")  # a binary frame
TOO_BIG: Final = Close(1009, "too_big")  # a message over websocket.max_message_size
SLOW_CONSUMER: Final = Close(1013, "slow_consumer")  # over max_buffer or max_lag: resume with since
SHUTDOWN: Final = Close(1001, "shutdown")  # the server goes away: reconnect elsewhere
INTERNAL_CLOSE: Final = Close(1011, "internal")  # a fault of ours

CLOSES: Final = (
    AUTH_TIMEOUT, AUTH_FAILED, TOKEN_EXPIRED, REVOKED, FLOODING, PROTOCOL_ERROR, TEXT_ONLY, TOO_BIG,
    SLOW_CONSUMER, SHUTDOWN, INTERNAL_CLOSE,
)  # fmt: skip
