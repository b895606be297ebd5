"""The short way for a GET that is asked again: from what the client sent to bytes, in one look-up.

The long way finds out, from the same request line and credentials each time, the route, the caller,
the permission, the question and the key of the answer. What it found is remembered here; what can
change is looked at each time: whether the caller may still call, whether it asks too often, whether
the answer is still the newest. Whenever there is any doubt the request goes the long way.
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
from alphapulse_api.http.pipeline.rate_limit import told
from alphapulse_api.http.pipeline.ready import Ready

if TYPE_CHECKING:
    from alphapulse_api.auth.caller import Caller
    from alphapulse_api.backend import Backend
    from alphapulse_api.http.pipeline.host import Hosts

REMEMBERED: Final = 4096
# One that a client reads slowly must not fill the memory of its transport: the long way waits.
LONGEST: Final = 1 << 20

# Of a request that is remembered, in characters: a client may send 8 KiB in each of its parts.
LONGEST_ASKED: Final = 4096

_Asked = tuple[str | None, ...]


class _Plan:
    """What the long way found: for whom, where the answer is, and its head as bytes."""

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
        """Make the heads of the answers that this entry gives, unless they are made."""
        if entry.headers is self._headers or entry.headers == self._headers:
            return
        # The body is the cache's to keep: it knows how much is kept.
        self._headers = entry.headers
        headers = entry.headers.copy()
        headers.popall("X-Stream-Cursor", None)  # of its time; now it is another
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
    """Remembers what requests led to.

    Attributes:
        open: whether it is used: not where a host has middlewares or signals of its own, which
            want to see every request and every response.
    """

    def __init__(self, backend: Backend, hosts: Hosts) -> None:
        self._backend = backend
        self._hosts = hosts
        self._plans: dict[_Asked, _Plan] = {}
        self.open = False

    def learn(
        self, request: web.Request, resource: str, key: Key, channel: str | None, entry: Entry
    ) -> None:
        """A request was answered with a cached entry."""
        if not self.open or len(entry.body) > LONGEST:
            return
        asked = _asked(request)
        if asked is None or sum(len(part or "") for part in asked) > LONGEST_ASKED:
            return
        if len(self._plans) >= REMEMBERED:
            self._plans.clear()
        plan = self._plans[asked] = _Plan(request[CALLER], resource, key, channel)
        plan.fit(entry)

    async def answer(self, request: web.Request, request_id: str) -> Ready | None:
        """The answer, if it can be had this way."""
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
        # Before the look, as on the long way.
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
            rest = f"RateLimit-Policy: {limiter.policy}\r\nRateLimit: {told(verdict)}\r\n{rest}"
        plan.fit(entry)
        request[CALLER] = caller
        backend.monitor.answers["HIT"] += 1
        if unchanged(request.headers, entry.etag):
            return Ready(304, plan.unchanged + rest.encode())
        return Ready(200, b"".join((plan.found, rest.encode(), entry.body)))


FAST_PATH: Final[web.AppKey[FastPath]] = web.AppKey("fast_path", FastPath)


def _asked(request: web.Request) -> _Asked | None:
    """All of a request that its answer depends on; None if it wants more than that."""
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
        # Each of them: two are refused on the long way, so that no plan is of two.
        ",".join(headers.getall(hdrs.AUTHORIZATION, ())),
        ",".join(headers.getall(X_API_KEY, ())),
        headers.get(hdrs.ACCEPT),
        headers.get(hdrs.ACCEPT_ENCODING),
    )


def _head(status: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), ""]
    return "\r\n".join(lines).encode()
