"""HTTP requests with retries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import aiohttp
from yarl import URL

from alphapulse_api.client.backoff import Backoff
from alphapulse_api.client.credentials import Credentials
from alphapulse_api.client.errors import ApiError, Unreachable
from alphapulse_api.client.values import request_body, rfc3339
from alphapulse_api.domain import integers
from alphapulse_api.domain.plain import plain

# Too many requests; unavailable for a while, by the server's own answer or a proxy's.
RETRIED: Final = frozenset({429, 502, 503, 504})
MAX_WAIT_SECONDS: Final = 60.0  # a longer Retry-After is left to the caller
NDJSON: Final = "application/x-ndjson"
PROBLEM: Final = "application/problem+json"
FAULTS: Final = (aiohttp.ClientError, OSError, TimeoutError)


class Answer(NamedTuple):
    """A successful answer, read completely."""

    content: Any
    headers: Mapping[str, str]
    next_cursor: str | None


class Http:
    """Requests to one server.

    Args:
        session: sends the requests.
        url: the server's URL.
        timeout: seconds for one attempt.
        retries: further attempts after the first.
        backoff: returns a new series of waits.
        sleep: waits.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: URL,
        timeout: float,
        retries: int,
        backoff: Callable[[], Backoff],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._session = session
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._retries = retries
        self._backoff = backoff
        self._sleep = sleep

    async def request(
        self,
        method: str,
        path: str,
        credentials: Credentials | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        lines: bytes | None = None,
        form: Mapping[str, str] | None = None,
        if_match: str | None = None,
        repeatable: bool = True,
    ) -> Answer:
        """Send a request; repeat it after 429, 502, 503, 504 and lost connections.

        Args:
            method: the HTTP method.
            path: with a leading slash; its variables are quoted.
            credentials: the caller's credentials; None sends none.
            params: the query. None is left out, lists are repeated, datetimes and booleans are
                converted.
            body: sent as JSON.
            lines: sent as NDJSON instead.
            form: sent as a form instead.
            if_match: sent as the header If-Match.
            repeatable: whether it may be sent again when the first attempt may have arrived.

        Raises:
            ApiError: if the server refuses it.
            Unreachable: if there is no answer.
        """
        options: dict[str, Any] = {"params": query(params or {}), "data": form}
        headers = {"Accept": "application/json"}
        if body is not None:
            options["data"] = request_body(body)
            headers["Content-Type"] = "application/json"
        if lines is not None:
            options["data"] = lines
            headers["Content-Type"] = NDJSON
        if if_match is not None:
            headers["If-Match"] = if_match
        backoff = self._backoff()
        left = self._retries
        renewable = True
        while True:
            secret = await credentials.current() if credentials is not None else None
            shown = secret.headers if secret is not None else {}
            wait: float | None = None
            try:
                return await self._once(method, path, headers={**headers, **shown}, **options)
            except FAULTS as fault:
                failure: ApiError | Unreachable = Unreachable(f"{method} {path}: {fault!r}")
                if not repeatable or not left:
                    raise failure from fault
            except ApiError as refusal:
                if refusal.status == 401 and credentials is not None and secret is not None:
                    if renewable and credentials.reject(secret):
                        renewable = False
                        continue
                    raise
                wait = refusal.retry_after
                if refusal.status not in RETRIED or not left or (wait or 0) > MAX_WAIT_SECONDS:
                    raise
            left -= 1
            await self._sleep(backoff.next() if wait is None else wait)

    @asynccontextmanager
    async def download(
        self, path: str, credentials: Credentials, params: Mapping[str, Any]
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Stream the body of a GET, which is lines of JSON. The request is not repeated.

        Raises:
            ApiError: if the server refuses it.
            Unreachable: if there is no answer, or it breaks off.
        """
        secret = await credentials.current()
        url = URL(f"{self._url}{path}", encoded=True)
        timeout = aiohttp.ClientTimeout(total=None, sock_read=self._timeout.total)
        try:
            async with self._session.get(
                url,
                params=query(params),
                headers={"Accept": NDJSON, **secret.headers},
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    content = _content(await response.read())
                    raise refusal(response.status, response.reason, response.headers, content)
                yield response.content
        except FAULTS as fault:
            raise Unreachable(f"GET {path}: {fault!r}") from fault

    async def _once(self, method: str, path: str, **options: Any) -> Answer:
        url = URL(f"{self._url}{path}", encoded=True)
        # A redirect would carry the key to another server.
        async with self._session.request(
            method, url, timeout=self._timeout, allow_redirects=False, **options
        ) as response:
            content = _content(await response.read())
            if not 200 <= response.status < 300 or content is None:
                raise refusal(response.status, response.reason, response.headers, content)
            following = response.links.get("next")
            cursor = URL(str(following["url"])).query["cursor"] if following is not None else None
            return Answer(content, response.headers, cursor)


def refusal(
    status: int, reason: str | None, headers: Mapping[str, str] | None, content: Any = None
) -> ApiError:
    """Convert an answer to an error; one that is not problem+json comes from a proxy."""
    headers = headers or {}
    # A refused handshake has no body here, only headers.
    ours = headers.get("Content-Type", "").partition(";")[0].strip().lower() == PROBLEM
    if not isinstance(content, Mapping):
        detail = "the dashboard refused it" if ours else "the answer is not from alphapulse_api"
        content = {"title": reason or "", "detail": detail}
    after = headers.get("Retry-After", "")
    return ApiError(
        status,
        content,
        request_id=headers.get("X-Request-ID"),
        retry_after=float(after) if after.isascii() and after.isdigit() else None,
        from_dashboard=ours,
    )


def segment(variable: object) -> str:
    """Quote one variable of a path; an enum or a UUID stands for its text."""
    return quote(str(plain(variable)), safe="")


def query(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Convert query parameters to text; None is left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        if value is None:
            continue
        for item in value if isinstance(value, (list, tuple)) else (value,):
            pairs.append((name, _text(item)))
    return pairs


def _text(value: Any) -> str:
    value = plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def _content(raw: bytes) -> Any:
    try:
        return integers.loads(raw)
    except ValueError:
        return None
