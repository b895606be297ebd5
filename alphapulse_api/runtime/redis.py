"""A client of a Redis that several processes share, with a circuit breaker.

Redis is optional at run time, so no call waits long. After the first failure, all calls are refused
at once until a background probe succeeds. The log reports the outage and the recovery once each.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from alphapulse_api.config import SharedSection
from alphapulse_api.config.masks import hide_password
from alphapulse_api.domain.errors import ConfigError, StartupError

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

T = TypeVar("T")

CALL_SECONDS: Final = 2.0  # bound on a call, connecting included
PROBE_SECONDS: Final = 0.5
CONNECTIONS: Final = 32
# A hash tag keeps all of our keys on one node of a cluster, as scripts with several keys require.
PREFIX: Final = "{alphapulse}:"
_PROBE: Final = f"{PREFIX}probe"


class RedisAway(Exception):
    """Redis does not answer, or refuses to store; the text says why, without a password."""


class RedisLink:
    """The connection pool and the circuit breaker of one Redis, for one event loop.

    Args:
        url: redis://, rediss:// or unix:// URL.
        key: the configuration key of the URL, for messages.

    Attributes:
        losses: how often it stopped answering.

    Raises:
        ConfigError: if redis-py is not installed or cannot use the URL.
    """

    def __init__(self, url: str, key: str) -> None:
        try:
            from redis.asyncio import ConnectionPool, Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import RedisError
        except ImportError:
            raise ConfigError(
                f'{key}: needs the redis package: pip install "alphapulse_api[redis]"'
            ) from None
        self.key = key
        self._url = url
        self._location = hide_password(url)
        try:
            pool = ConnectionPool.from_url(
                url,
                # `call` bounds each call as a whole, more cheaply than redis-py bounds its parts.
                socket_timeout=None,
                socket_connect_timeout=None,
                socket_keepalive=True,
                # With protocol 3, redis-py uses connections that the server has closed meanwhile.
                protocol=2,
                # The first try may have been carried out, so only the caller can decide to retry.
                retry=Retry(NoBackoff(), 0),
            )
            pool.connection_kwargs["decode_responses"] = False  # even if the URL says otherwise
            # This does not connect yet, but raises for unknown options.
            pool.make_connection()  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, RedisError):
            # The error may quote the end of a password that contains a slash, as if it were a port.
            raise ConfigError(
                f"{key}: {self._location} is not usable: look at its port and its options"
            ) from None
        self._redis: Redis = Redis.from_pool(pool)
        # redis-py has a blocking pool as well, but it takes 80 us a call.
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._trouble: str | None = None
        self.losses = 0
        self._steps: list[Callable[[Redis], Awaitable[object]]] = []
        self._watchers: list[Callable[[], None]] = []
        self._wake = asyncio.Event()

    def __repr__(self) -> str:
        return f"<RedisLink {self._location!r} {self._trouble or 'up'}>"

    @property
    def redis(self) -> Redis:
        """The client itself, to register scripts; its exceptions are not translated."""
        return self._redis

    @property
    def trouble(self) -> str | None:
        """Why Redis is away, or None while it answers."""
        return self._trouble

    def prepare(self, step: Callable[[Redis], Awaitable[object]]) -> None:
        """Run `step` at the start and after each outage, before any call.

        Redis counts as away until every step has succeeded.
        """
        self._steps.append(step)

    def blocking(self) -> Redis:
        """A client with one connection of its own, for blocking commands; the caller closes it.

        It has no time-outs, and its failures do not open the circuit breaker.
        """
        from redis.asyncio import ConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        pool = ConnectionPool.from_url(
            self._url,
            max_connections=1,
            protocol=2,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
        # These override options of the URL.
        pool.connection_kwargs |= {"decode_responses": False, "protocol": 2, "socket_timeout": None}
        return Redis.from_pool(pool)

    def on_return(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` whenever Redis answers again."""
        self._watchers.append(watcher)

    async def open(self) -> None:
        """Probe Redis for the first time. One that is away is only logged, since it may come back.

        Raises:
            StartupError: if the server is not Redis, or refuses what we need.
        """
        from redis.exceptions import RedisError

        try:
            await self._probe()
        except (RedisError, OSError) as error:
            if _may_pass(error):
                self._lose(error)
                return
            raise StartupError(
                f"{self.key}: {self._location} cannot be used: {reason_of(error)}"
            ) from None

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()

    async def call(self, operation: Callable[[Redis], Awaitable[T]]) -> T:
        """Run `operation` with the client, and return its result.

        Raises:
            RedisAway: if it fails or takes more than 2 s; at once while Redis is known to be away.
        """
        from redis.exceptions import RedisError

        if self._trouble is not None:
            raise RedisAway(self._trouble)
        losses = self.losses
        try:
            async with asyncio.timeout(CALL_SECONDS), self._free:
                return await operation(self._redis)
        except (RedisError, OSError) as error:
            # A call from before an outage may fail after it, and says nothing about the present.
            if losses == self.losses:
                self._lose(error)
            raise RedisAway(reason_of(error)) from None

    async def ping(self) -> None:
        """Check whether Redis answers, in case it has not been used for a while."""
        try:
            await self.call(lambda redis: redis.ping())
        except RedisAway:
            pass  # the breaker is open now, and `trouble` has the reason

    async def script(self, script: Any, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """The result of a registered script, in one round trip.

        Raises:
            RedisAway: as for `call`.
        """
        return await self.call(lambda _: cast("Awaitable[Any]", script(keys=keys, args=args)))

    async def watch_forever(self) -> None:
        """Probe Redis while it is away, until cancelled."""
        from redis.exceptions import RedisError

        while True:
            await self._wake.wait()
            await asyncio.sleep(PROBE_SECONDS)
            try:
                await self._probe()
            except (RedisError, OSError) as error:
                self._trouble = reason_of(error)
                continue
            self._wake.clear()
            self._trouble = None
            logger.warning("%s: redis at %s is back", self.key, self._location)
            for watcher in tuple(self._watchers):
                watcher()

    async def _probe(self) -> None:
        # A write, since a Redis that is full, read-only or cannot save still answers a ping.
        async with asyncio.timeout(CALL_SECONDS):
            await self._redis.set(_PROBE, b"", ex=60)
            for step in self._steps:
                await step(self._redis)

    def _lose(self, error: BaseException) -> None:
        self._trouble = reason_of(error)
        self.losses += 1
        logger.warning(
            "%s: redis at %s is away, going on without it: %s",
            self.key,
            self._location,
            self._trouble,
        )
        self._wake.set()


def reason_of(error: BaseException) -> str:
    from redis.exceptions import MovedError

    if isinstance(error, MovedError):
        return f"it is a node of a cluster, and our keys lie on {error.host}:{error.port}"
    return str(error) or ("it does not answer" if isinstance(error, OSError) else repr(error))


def _may_pass(error: BaseException) -> bool:
    """Whether the failure may pass: no answer, or a Redis that loads, is full or a replica."""
    from redis import exceptions as e

    if isinstance(error, e.OutOfMemoryError | e.ReadOnlyError | e.ClusterDownError):
        return True
    if isinstance(error, e.ResponseError):
        return str(error).startswith(("MISCONF", "NOREPLICAS", "BUSY"))
    refused = isinstance(error, e.AuthenticationError | e.AuthorizationError | e.InvalidResponse)
    return not refused and not isinstance(error.__context__, ssl.SSLError)


class RedisLinks:
    """The links of one application: one for each URL, shared by all parts that use it."""

    def __init__(self) -> None:
        self._links: dict[str, RedisLink] = {}

    def __iter__(self) -> Iterator[RedisLink]:
        return iter(self._links.values())

    def of(self, section: SharedSection) -> RedisLink | None:
        """The link to the Redis of a configuration section; None if the section uses none.

        Raises:
            ConfigError: as `RedisLink`.
        """
        url = section.redis_url
        if section.type != "redis" or url is None:
            return None
        if url not in self._links:
            self._links[url] = RedisLink(url, f"{section.path}.redis_url")
        return self._links[url]

    async def check(self) -> dict[str, str]:
        """For /readyz: "ok", or the reasons why any is away; empty if no Redis is configured."""
        if not self._links:
            return {}
        await asyncio.gather(*(link.ping() for link in self))
        troubles = [link.trouble for link in self if link.trouble is not None]
        return {"redis": "; ".join(troubles) or "ok"}

    async def open(self) -> None:
        """Open each.

        Raises:
            StartupError: as `RedisLink.open`; the caller still closes those already opened.
        """
        for link in self:
            await link.open()

    async def close(self) -> None:
        """Close each."""
        for link in self:
            await link.close()
