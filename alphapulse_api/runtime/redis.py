"""The connection to a Redis that several processes share, and whether it answers.

Whoever uses it can do without it for a while. So a call never waits long: the first that fails ends
all calls until a probe in the background has been answered, and the log tells of both once.
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

CALL_SECONDS: Final = 2.0  # for one answer, connecting included
PROBE_SECONDS: Final = 0.5
CONNECTIONS: Final = 32
# One hash tag: on a node of a cluster, scripts may touch several of our keys.
PREFIX: Final = "{alphapulse}:"
_PROBE: Final = f"{PREFIX}probe"


class RedisAway(Exception):
    """Redis does not answer, or refuses to store; the text says why, without a password."""


class RedisLink:
    """One Redis, opened for one event loop.

    Args:
        url: redis://, rediss:// or unix:// URL.
        key: the configuration key it comes from, for messages.

    Attributes:
        losses: how often it went away.

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
                # Every call of ours is bounded as a whole, at less than redis-py asks for its own.
                socket_timeout=None,
                socket_connect_timeout=None,
                socket_keepalive=True,
                # With 3, redis-py hands out connections that the server has closed meanwhile.
                protocol=2,
                # A second try is the caller's to make: it may have been carried out the first time.
                retry=Retry(NoBackoff(), 0),
            )
            pool.connection_kwargs["decode_responses"] = False  # whatever the URL says
            # Connects nowhere yet, but refuses options that it does not know.
            pool.make_connection()  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, RedisError):
            # The error may repeat what stands for a port: the end of a password with a slash in it.
            raise ConfigError(
                f"{key}: {self._location} is not usable: look at its port and its options"
            ) from None
        self._redis: Redis = Redis.from_pool(pool)
        # redis-py has a pool that waits, too, at 80 us a call.
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
        """The client itself, for scripts; what it raises is not translated."""
        return self._redis

    @property
    def trouble(self) -> str | None:
        """Why Redis is away, or None while it answers."""
        return self._trouble

    def prepare(self, step: Callable[[Redis], Awaitable[object]]) -> None:
        """Run `step` at the start and after each outage, before anybody's call.

        Redis counts as away until every step has succeeded.
        """
        self._steps.append(step)

    def blocking(self) -> Redis:
        """A client with one connection of its own, for calls that wait; the caller closes it.

        It bounds no wait, and what it raises says nothing about `trouble`.
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
        # Whatever the URL says:
        pool.connection_kwargs |= {"decode_responses": False, "protocol": 2, "socket_timeout": None}
        return Redis.from_pool(pool)

    def on_return(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` whenever Redis answers again."""
        self._watchers.append(watcher)

    async def open(self) -> None:
        """Make the first calls. A Redis that is away is only logged: it may come later.

        Raises:
            StartupError: if something is there and is no Redis, or not one for us.
        """
        from redis.exceptions import RedisError

        try:
            await self._probe()
        except (RedisError, OSError) as error:
            if _may_pass(error):
                self._lose(error)
                return
            raise StartupError(
                f"{self.key}: {self._location} cannot be used: {_reason(error)}"
            ) from None

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()

    async def call(self, operation: Callable[[Redis], Awaitable[T]]) -> T:
        """What `operation` returns.

        Raises:
            RedisAway: if Redis does not answer within some seconds; at once while it is known to.
        """
        from redis.exceptions import RedisError

        if self._trouble is not None:
            raise RedisAway(self._trouble)
        losses = self.losses
        try:
            async with asyncio.timeout(CALL_SECONDS), self._free:
                return await operation(self._redis)
        except (RedisError, OSError) as error:
            # One that began before an outage may fail after it, and tells nothing of the present.
            if losses == self.losses:
                self._lose(error)
            raise RedisAway(_reason(error)) from None

    async def ping(self) -> None:
        """See whether Redis answers, in case nobody has asked it for a while."""
        try:
            await self.call(lambda redis: redis.ping())
        except RedisAway:
            pass  # `trouble` tells

    async def script(self, script: Any, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """The result of a registered script, in one round trip.

        Raises:
            RedisAway: as for `call`.
        """
        return await self.call(lambda _: cast("Awaitable[Any]", script(keys=keys, args=args)))

    async def watch_forever(self) -> None:
        """Look for Redis while it is away, until cancelled."""
        from redis.exceptions import RedisError

        while True:
            await self._wake.wait()
            await asyncio.sleep(PROBE_SECONDS)
            try:
                await self._probe()
            except (RedisError, OSError) as error:
                self._trouble = _reason(error)
                continue
            self._wake.clear()
            self._trouble = None
            logger.warning("%s: redis at %s is back", self.key, self._location)
            for watcher in tuple(self._watchers):
                watcher()

    async def _probe(self) -> None:
        # A write: one that is full, read-only or cannot save answers a ping, and is of no use.
        async with asyncio.timeout(CALL_SECONDS):
            await self._redis.set(_PROBE, b"", ex=60)
            for step in self._steps:
                await step(self._redis)

    def _lose(self, error: BaseException) -> None:
        self._trouble = _reason(error)
        self.losses += 1
        logger.warning(
            "%s: redis at %s is away, going on without it: %s",
            self.key,
            self._location,
            self._trouble,
        )
        self._wake.set()


def _reason(error: BaseException) -> str:
    from redis.exceptions import MovedError

    if isinstance(error, MovedError):
        return f"it is a node of a cluster, and our keys lie on {error.host}:{error.port}"
    return str(error) or ("it does not answer" if isinstance(error, OSError) else repr(error))


def _may_pass(error: BaseException) -> bool:
    """Whether it may end by itself: nothing answers, or a Redis that loads, is full, follows."""
    from redis import exceptions as e

    if isinstance(error, e.OutOfMemoryError | e.ReadOnlyError | e.ClusterDownError):
        return True
    if isinstance(error, e.ResponseError):
        return str(error).startswith(("MISCONF", "NOREPLICAS", "BUSY"))
    refused = isinstance(error, e.AuthenticationError | e.AuthorizationError | e.InvalidResponse)
    return not refused and not isinstance(error.__context__, ssl.SSLError)


class RedisLinks:
    """The links of one application: one a URL, however many parts stand on it."""

    def __init__(self) -> None:
        self._links: dict[str, RedisLink] = {}

    def __iter__(self) -> Iterator[RedisLink]:
        return iter(self._links.values())

    def of(self, section: SharedSection) -> RedisLink | None:
        """The link to the Redis that a section of the configuration names, if it names one.

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
        """For /readyz: "ok", or why any is away; nothing if there is no Redis."""
        if not self._links:
            return {}
        await asyncio.gather(*(link.ping() for link in self))
        troubles = [link.trouble for link in self if link.trouble is not None]
        return {"redis": "; ".join(troubles) or "ok"}

    async def open(self) -> None:
        """Open each.

        Raises:
            StartupError: as `RedisLink.open`; those opened before are to be closed.
        """
        for link in self:
            await link.open()

    async def close(self) -> None:
        """Close each."""
        for link in self:
            await link.close()
