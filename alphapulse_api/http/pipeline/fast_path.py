"""The fast path: a repeated GET is answered from the cache ahead of the other middlewares.

The normal path derives the route, the caller, the permission, the question and the cache key from
the request line and the credentials. The fast path remembers them, and checks only what can change:
whether the caller may still call, the rate limit, and whether the cached answer is current. Every
other request takes the normal path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from multidict import CIMultiDict

from alphapulse_api.auth.authenticator import BadCredentials
from alphapulse_api.cache import Entry
from alphapulse_api.cache.base import Key
from alphapulse_api.http.pipeline.auth import CALLER
from alphapulse_api.http.pipeline.conditions import leave_body_out, unchanged
from alphapulse_api.http.pipeline.headers import COMMON, X_API_KEY
from alphapulse_api.http.pipeline.rate_limit import rate_limit_header
from alphapulse_api.http.pipeline.ready import Ready

if TYPE_CHECKING:
    from alphapulse_api.auth.caller import Caller
    from alphapulse_api.backend import Backend
    from alphapulse_api.http.pipeline.host import Hosts

REMEMBERED: Final = 4096
# Larger answers take the normal path, which waits for slow readers instead of buffering.
LONGEST: Final = 1 << 20

# Characters of a request that is remembered: each of its parts may have 8 KiB.
LONGEST_ASKED: Final = 4096

_Asked = tuple[str | None, ...]


class Plan:
    """What the normal path found: the caller, the cache key, and the answer's head as bytes."""

    __slots__ = ("_headers", "caller", "channel", "found", "key", "resource", "unchanged")

    def __init__(self, caller: Caller, resource: str, key: Key, channel: str | None) -> None:
        self.caller = caller
        self.resource = resource
        self.key = key
        self.channel = channel
        self._headers: CIMultiDict[str] | None = None
        self.found = b""
        self.unchanged = b""

    def fit(self, entry: Entry) -> None:
        """Make the response heads for this entry, unless they exist."""
        if entry.headers is self._headers or entry.headers == self._headers:
            return
        # Only the headers: the cache alone holds bodies, within its bound.
        self._headers = entry.headers
        headers = entry.headers.copy()
        headers.popall("X-Stream-Cursor", None)  # the current one is added to each answer
        headers.update(
            {
                "Content-Length": str(len(entry.body)),
                "X-Cache": "HIT",
                **COMMON,
            }
        )
        self.found = _head("200 OK", headers)
        leave_body_out(headers)
        self.unchanged = _head("304 Not Modified", headers)


class FastPath:
    """Remembers how requests were answered.

    Attributes:
        open: whether it is used. It is not if a host has its own middlewares or signals, which must
            see every request and every response.
    """

    def __init__(self, backend: Backend, hosts: Hosts) -> None:
        self._backend = backend
        self._hosts = hosts
        self._plans: dict[_Asked, Plan] = {}
        self.open = False

    def learn(
        self, request: web.Request, resource: str, key: Key, channel: str | None, entry: Entry
    ) -> None:
        """Remember a request that was answered with a cached entry."""
        if not self.open or len(entry.body) > LONGEST:
            return
        asked = _asked(request)
        if asked is None or sum(len(part or "") for part in asked) > LONGEST_ASKED:
            return
        if len(self._plans) >= REMEMBERED:
            self._plans.clear()
        plan = self._plans[asked] = Plan(request[CALLER], resource, key, channel)
        plan.fit(entry)

    async def answer(self, request: web.Request, request_id: str) -> Ready | None:
        """The answer; None if the request must take the normal path."""
        if not self.open or (asked := _asked(request)) is None:
            return None
        plan = self._plans.get(asked)
        if plan is None or not self._hosts.allows(request):
            return None
        backend, caller = self._backend, plan.caller
        try:
            backend.authenticator.check(caller)
        except BadCredentials:
            del self._plans[asked]
            return None
        # Read before the lookup, as on the normal path.
        cursor = None if plan.channel is None else backend.events.cursor(plan.channel)
        _, entry = await backend.cache.look(plan.resource, plan.key)
        if entry is None:
            return None
        rest = f"X-Request-ID: {request_id}\r\nDate: {rfc822_formatted_time()}\r\n\r\n"
        if cursor is not None:
            rest = f"X-Stream-Cursor: {cursor}\r\n{rest}"
        if (limiter := backend.limiter) is not None:
            verdict = await limiter.take(caller.subject)
            if not verdict.allowed:
                return None
            left = rate_limit_header(verdict)
            rest = f"RateLimit-Policy: {limiter.policy}\r\nRateLimit: {left}\r\n{rest}"
        plan.fit(entry)
        request[CALLER] = caller
        backend.monitor.answers["HIT"] += 1
        if unchanged(request.headers, entry.etag):
            return Ready(304, plan.unchanged + rest.encode())
        return Ready(200, b"".join((plan.found, rest.encode(), entry.body)))


FAST_PATH: Final[web.AppKey[FastPath]] = web.AppKey("fast_path", FastPath)


def _asked(request: web.Request) -> _Asked | None:
    """The parts of a request that its answer depends on; None if it depends on other parts too."""
    headers = request.headers
    if (
        request.method != hdrs.METH_GET
        or not request.keep_alive
        or request.version < (1, 1)
        or hdrs.CACHE_CONTROL in headers
        or hdrs.ORIGIN in headers
        or len(request.match_info.apps) != 1
    ):
        return None
    return (
        request.raw_path,
        # All values of a header: the normal path refuses two, so no plan has two.
        ",".join(headers.getall(hdrs.AUTHORIZATION, ())),
        ",".join(headers.getall(X_API_KEY, ())),
        headers.get(hdrs.ACCEPT),
        headers.get(hdrs.ACCEPT_ENCODING),
    )


def _head(status: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), ""]
    return "\r\n".join(lines).encode()
