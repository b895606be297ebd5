"""Answers requests that never reach the application, in the application's own form.

The parser refuses a request before there is a route, a path or a header to read. The answer is
still a problem of RFC 9457, with a request id, CORS headers for an allowed page, and a line in the
access log. It never repeats what was sent.
"""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any, Final, Protocol

from aiohttp import HttpVersion10, hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong
from aiohttp.http_parser import RawRequestMessage

from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.addresses import parse_address
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import (
    BAD_REQUEST,
    HEADERS_TOO_LARGE,
    INTERNAL,
    URI_TOO_LONG,
    Problem,
    problem_document,
)
from alphapulse_api.http.pipeline.access import log_request, request_id_of
from alphapulse_api.http.pipeline.headers import COMMON, cors_headers
from alphapulse_api.http.pipeline.problems import oauth_members, oauth_paths
from alphapulse_api.http.pipeline.ready import Ready
from alphapulse_api.http.server.framing import VERSIONS, is_http

logger = logging.getLogger(__name__)

SHORTER: Final = (
    "Send less; cookies are shared by all ports of a host, so delete those of this host first."
)
_TARGET: Final = re.compile(rb"[\r\n]*[A-Z]+ ([^ ?]*)")
_SCHEMES: Final = ("http://", "https://")
_HEADER: Final = re.compile(rb"(?im)^(origin|x-request-id):[ \t]*([^\r\n]*?)[ \t]*\r?$")


class Connection(Protocol):
    """What an answer needs of its connection."""

    @property
    def peername(self) -> Any:
        """The address of the client, as the transport has it."""

    async def linger(self) -> None:
        """Wait until the client has read the answer, for a bounded time."""


class Refusals:
    """Makes the server's answers where the application cannot."""

    def __init__(self, app: web.Application) -> None:
        self._backend = app[BACKEND]
        self._oauth_paths = oauth_paths(app)

    def problem_of(self, error: BaseException | None) -> Problem:
        """Why the parser refused a request."""
        http = self._backend.config.http
        if isinstance(error, LineTooLong):
            # The exception does not say which line it was, but its limit does: no two are equal.
            if error.args[1] == http.max_line_size:
                return Problem(
                    URI_TOO_LONG, f"The path and query may have {http.max_url_size} bytes at most."
                )
            detail = f"A header may have {http.max_header_size} bytes at most. {SHORTER}"
            return Problem(HEADERS_TOO_LARGE, detail)
        message = getattr(error, "message", "")
        if message == "Too many headers received":
            detail = f"A request may have {http.max_headers} headers at most."
            return Problem(HEADERS_TOO_LARGE, detail)
        if message.startswith("Missing 'Host' header"):
            return Problem(BAD_REQUEST, "An HTTP/1.1 request must have a Host header.")
        if isinstance(error, BadHttpMethod) and "HTTPS" in message:
            return Problem(BAD_REQUEST, "This port speaks HTTP; the request began with TLS.")
        return Problem(BAD_REQUEST, "The request is not valid HTTP/1.1.")

    def head_too_large(self) -> Problem:
        """The refusal of a head that is too large as a whole."""
        size = self._backend.config.http.max_head_size
        detail = f"The request line and headers may have {size} bytes at most. {SHORTER}"
        return Problem(HEADERS_TOO_LARGE, detail)

    def problem_with(self, message: RawRequestMessage, head: bytes) -> Problem | None:
        """Why a request that the parser accepts is refused; None if it is served.

        Args:
            message: the request.
            head: its bytes.
        """
        if message.version not in VERSIONS or not is_http(head):
            return Problem(BAD_REQUEST, "Send the request as HTTP/1.1 or HTTP/1.0.")
        if message.method == hdrs.METH_CONNECT:
            return Problem(BAD_REQUEST, "This server is not a proxy: it has no CONNECT.")
        if "#" in message.path:
            return Problem(BAD_REQUEST, "Send the URL without its fragment, the part from # on.")
        if message.path[:1] not in ("/", "*") and not message.path.lower().startswith(_SCHEMES):
            return Problem(BAD_REQUEST, "Ask for a path, or for a URL of http or https.")
        coding = message.headers.get(hdrs.TRANSFER_ENCODING)
        if coding is not None and (
            coding.lower() != "chunked" or not message.chunked or message.version == HttpVersion10
        ):
            # A proxy may see the body end elsewhere, and take the rest of it for a request.
            detail = "A Transfer-Encoding must be chunked, and nothing else, in HTTP/1.1."
            return Problem(BAD_REQUEST, detail)
        limit = self._backend.config.http.max_head_size
        return self.head_too_large() if len(head) > limit else None

    def answer(self, connection: Connection, problem: Problem, head: bytes) -> Refusal:
        """The whole answer, logged and counted.

        Args:
            head: the part of the request's head that arrived.
        """
        sent = {name.lower(): value for name, value in _HEADER.findall(head)}
        request_id = request_id_of(_text(sent.get(b"x-request-id")))
        status = problem.kind.status
        extra = None
        if (line := _TARGET.match(head)) is not None and _text(line[1]) in self._oauth_paths:
            extra = oauth_members(status, problem.detail)
        body = dumps(problem_document(problem.kind, status, problem.detail, request_id, extra))
        headers = {
            "Content-Type": "application/problem+json",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Connection": "close",
            "Date": rfc822_formatted_time(),
            "X-Request-ID": request_id,
            **(problem.headers or {}),
            **COMMON,
            **cors_headers(self._backend.config.cors, _text(sent.get(b"origin"))),
        }
        self._backend.monitor.request("none", "none", status, 0.0)
        log_request("-", "-", status, 0.0, _peer(connection), None, request_id)
        return Refusal(connection, status, headers, body)

    def failed(self, connection: Connection, error: BaseException | None) -> Refusal:
        """The answer if the application itself failed, middlewares included."""
        logger.error("a request failed", exc_info=error)
        detail = "The server failed; its log has the reason."
        return self.answer(connection, Problem(INTERNAL, detail), b"")


class Refusal(Ready):
    """The last answer of a connection."""

    def __init__(
        self, connection: Connection, status: int, headers: dict[str, str], body: bytes
    ) -> None:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        super().__init__(status, "\r\n".join((*lines, "", "")).encode() + body)
        self._connection = connection

    @property
    def keep_alive(self) -> bool | None:
        return False

    async def write_eof(self, data: bytes = b"") -> None:
        await self._connection.linger()


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _peer(connection: Connection) -> str:
    peer: Any = connection.peername
    if not isinstance(peer, tuple):
        return "unknown"
    return str(parse_address(peer[0]) or peer[0])
