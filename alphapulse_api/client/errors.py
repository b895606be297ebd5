"""The client's exceptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class DashboardClientError(Exception):
    """The base class of the client's exceptions."""


class Unreachable(DashboardClientError):
    """The server could not be reached, or did not answer completely."""


class ApiError(DashboardClientError):
    """The server refused a request, with problem+json (RFC 9457) or, from a proxy, without.

    Attributes:
        status: the HTTP status.
        type: the problem's stable URI, such as "urn:alphapulse:problem:validation".
        title: the type in words.
        detail: one sentence about this request.
        errors: for a 422 or 409: {"pointer" or "parameter": where, "detail": what is wrong}.
        request_id: the id of the request in the server's log.
        retry_after: seconds after which to try again, if the server sent them.
        from_dashboard: whether the dashboard itself answered, and not a proxy or another service.
    """

    def __init__(
        self,
        status: int,
        problem: Mapping[str, Any],
        *,
        request_id: str | None = None,
        retry_after: float | None = None,
        from_dashboard: bool = True,
    ) -> None:
        self.status = status
        self.type = str(problem.get("type", "about:blank"))
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.errors: Sequence[Mapping[str, str]] = problem.get("errors", ())
        self.request_id = request_id
        self.retry_after = retry_after
        self.from_dashboard = from_dashboard
        super().__init__(f"{status} {self.title}: {self.detail}")


class StreamError(DashboardClientError):
    """The stream cannot continue: its credentials, channels or filters are refused.

    Attributes:
        code: an error code of the socket (forbidden, invalid_filter …) or the reason of its close
            (auth_failed, revoked, token_expired …).
        channel: the channel that the error is about, if any.
    """

    def __init__(self, code: str, detail: str, channel: str | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.channel = channel
