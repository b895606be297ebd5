"""The client: its connection, its credentials, its streams."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import aiohttp
from yarl import URL

from alphapulse_api.client.backoff import Backoff
from alphapulse_api.client.commands import CommandStream
from alphapulse_api.client.conversation import Conversation, Filters, Options
from alphapulse_api.client.credentials import Credentials, Fixed, Login, Secret
from alphapulse_api.client.exporting import Exporting
from alphapulse_api.client.http import Answer, Http
from alphapulse_api.client.stream import EventStream
from alphapulse_api.client.values import encodable
from alphapulse_api.domain.times import zone_of

TIMEOUT_SECONDS: Final = 30.0
RETRIES: Final = 4
BUFFERED_EVENTS: Final = 1000
CLOSE_SECONDS: Final = 1.0  # for the server to answer a close
MAX_MESSAGE_BYTES: Final = 64 * 2**20  # a portfolio of 10000 positions has some 4 MiB
CHANNELS: Final = ("metrics", "alerts", "trades", "portfolio")


class DashboardClient(Exporting):
    """A client of one dashboard: every call of the API, and streams of events.

    Records are mappings or objects with the fields of the API; lists of records are any iterable or
    a DataFrame. Money is given as Decimals, strings or numbers, times as aware datetimes or RFC
    3339 text. Numpy scalars, enums, UUIDs and NaN are converted as by the feed
    (`alphapulse_api.domain.plain`). Answers have the types of `alphapulse_api.client.rows`.

    A record without an id, or without a timestamp if that identifies it, gets one here, by this
    machine's clock. So a request that is repeated after a lost answer names the same record.
    Requests are repeated after 429, 502, 503, 504 and lost connections, after the server's
    Retry-After if it sends one.

    Every call raises `ApiError` if the server refuses it and `Unreachable` if there is no answer.

    Example:
        async with DashboardClient("http://127.0.0.1:8080", api_key=key) as client:
            await client.record_trade({"symbol": "AAPL", "side": "buy", "quantity": 1, "price": 2})
            async for trade in client.trades(symbol="AAPL"):
                ...

    Args:
        url: the dashboard's URL, with its base path if it has one.
        api_key: an API key; or
        username, password: of a user; the client logs in and renews its tokens; or
        token: an access token that the caller renews.
        session: an aiohttp session, which the caller closes. Each stream takes one of its
            connections, and it follows redirects of a handshake. By default the client creates its
            own sessions, which do neither.
        timezone: the IANA name of the zone of naive datetimes; by default they are refused.
        timeout: seconds for one attempt of a request.
        retries: further attempts after the first.
        sleep, rand: replacements for tests: wait a number of seconds; return a uniform random
            number between 0 and 1.

    Raises:
        ValueError: if the URL is not http(s), if not exactly one kind of credentials is given,
            if a text is not valid Unicode, or if there is no such time zone.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        session: aiohttp.ClientSession | None = None,
        timezone: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        retries: int = RETRIES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rand: Callable[[], float] = random.random,
    ) -> None:
        texts = {"url": url, "api_key": api_key, "username": username, "password": password}
        for name, text in {**texts, "token": token}.items():
            encodable(name, text or "")
        self._url = URL(url.rstrip("/"))
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise ValueError(f"{url!r} is not an http:// or https:// URL")
        given = [secret for secret in (api_key, username, token) if secret is not None]
        if len(given) != 1 or (username is None) != (password is None):
            raise ValueError("give exactly one of: api_key, username with password, token")
        self._zone = None if timezone is None else zone_of(timezone)
        if timezone is not None and self._zone is None:
            raise ValueError(f"{timezone!r} is not an IANA time zone, such as Europe/Berlin or UTC")
        self._session = session
        self._owns_session = session is None
        self._sockets = session
        self._timeout = timeout
        self._retries = retries
        self._sleep = sleep
        self._rand = rand
        self._streams: set[EventStream | CommandStream] = set()
        self._credentials: Credentials
        if username is not None and password is not None:
            self._credentials = Login(self._grant, username, password)
        elif api_key is not None:
            self._credentials = Fixed(Secret("api_key", api_key))
        else:
            self._credentials = Fixed(Secret("token", token or ""))

    def __repr__(self) -> str:
        return f"<DashboardClient {self._url}>"

    async def __aenter__(self) -> DashboardClient:
        if self._owns_session:
            self._session = _session()
            # Streams hold their connections. If they shared a pool of 100 with requests, the
            # hundredth stream would leave none for requests.
            self._sockets = _session(limit=0, middlewares=(_refuse_redirects,))
        return self

    async def __aexit__(self, *_: object) -> None:
        for stream in tuple(self._streams):
            await stream.aclose()
        if self._owns_session and self._session is not None and self._sockets is not None:
            await self._sockets.close()
            await self._session.close()
            self._session = self._sockets = None

    def stream(
        self,
        *channels: str,
        filters: Filters | None = None,
        options: Options | None = None,
        snapshot: bool = False,
        since: Mapping[str, str] | None = None,
        buffer: int = BUFFERED_EVENTS,
    ) -> EventStream:
        """Return a stream of the channels' events that reconnects and resumes by itself.

        Args:
            channels: any of metrics, alerts, trades, portfolio; default: all.
            filters: by channel, such as {"trades": {"symbols": ["AAPL"]}}.
            options: by channel. {"portfolio": {"positions": "changes"}} saves most bytes of a wide
                portfolio: the server sends what changed, and events have whole portfolios as ever.
            snapshot: whether to get the current state first, and again after a gap.
            since: by channel, the cursor to resume from: another stream's `cursors`, an event's
                `cursor`, or the `stream_cursor` of rows that were read before.
            buffer: events that may wait here; while it is full, nothing more is read.

        Raises:
            ValueError: if a filter is not valid Unicode.
        """
        for channel, lists in (filters or {}).items():
            for name, wanted in lists.items():
                encodable(f"a filter of {channel}, {name},", "".join(wanted))
        conversation = Conversation(
            channels or CHANNELS, filters or {}, options or {}, snapshot, since or {}
        )
        stream = EventStream(
            self._connect,
            self._credentials,
            conversation,
            Backoff(rand=self._rand),
            self._sleep,
            buffer,
            self._streams.discard,
        )
        self._streams.add(stream)
        return stream

    def commands(self, *agents: str) -> CommandStream:
        """Return the commands of agents as they are sent, each once; it reconnects by itself.

        Needs an API key of the scope `execute` for these agents. A command is taken when the
        iterator is asked for the next one, so a busy agent has one at most; one that reached this
        process after its ttl is refused and not handed over. Answer it by `accept`, `done`, `fail`
        or `refuse`; each returns once the server has stored it.

        Raises, while it is iterated:
            StreamError: if the key may not serve the agents, or is no longer valid.
            ApiError: if the connection is refused.

        Example:
            async for command in client.commands("momentum-1"):
                await command.accept()
                await command.done({"positions": await close_positions()})
        """
        for agent in agents:
            encodable("an agent's id", agent)
        stream = CommandStream(
            self._connect,
            self._credentials,
            agents,
            Backoff(rand=self._rand),
            self._sleep,
            self._streams.discard,
        )
        self._streams.add(stream)
        return stream

    async def _request(self, method: str, path: str, **options: Any) -> Answer:
        return await self._http().request(method, path, self._credentials, **options)

    def _download(
        self, path: str, params: Mapping[str, Any]
    ) -> AbstractAsyncContextManager[aiohttp.StreamReader]:
        return self._http().download(path, self._credentials, params)

    async def _grant(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        repeatable = form["grant_type"] == "password"
        answer = await self._http().request("POST", "/token", form=form, repeatable=repeatable)
        granted: Mapping[str, Any] = answer.content
        return granted

    def _http(self) -> Http:
        return Http(
            _opened(self._session),
            self._url,
            self._timeout,
            self._retries,
            lambda: Backoff(rand=self._rand),
            self._sleep,
        )

    async def _connect(self, secret: Secret) -> aiohttp.ClientWebSocketResponse:
        return await _opened(self._sockets).ws_connect(
            URL(f"{self._url}/ws", encoded=True),
            headers=secret.headers,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
            max_msg_size=MAX_MESSAGE_BYTES,
        )


def _session(
    limit: int = 100, middlewares: Sequence[aiohttp.ClientMiddlewareType] = ()
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=middlewares,
    )


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Refuse to follow a redirect of a handshake, which would send the key to another server."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.WSServerHandshakeError(
            response.request_info,
            response.history,
            status=response.status,
            message=response.reason or "",
            headers=response.headers,
        )
    return response


def _opened(session: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
    if session is None:
        raise RuntimeError("the client is not open: use it inside `async with`")
    return session
