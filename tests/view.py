"""What tests look at inside the package: the only module that knows its private attributes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import redis.asyncio
from cachetools import TLRUCache

from alphapulse_api import Dashboard
from alphapulse_api.backend import Backend
from alphapulse_api.cache import SingleFlight
from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.client.client import DashboardClient
from alphapulse_api.client.credentials import Login
from alphapulse_api.http import query
from alphapulse_api.http.pipeline import fast_path
from alphapulse_api.log.redis import log as log_module
from alphapulse_api.log.redis.log import RedisEventLog
from alphapulse_api.record.point_queue import PointQueue
from alphapulse_api.runtime.redis import RedisLink
from alphapulse_api.sockets.admission import Admission
from alphapulse_api.sockets.connection import Connection
from alphapulse_api.sockets.lag_timer import LagTimer
from alphapulse_api.sockets.subscription_index import SubscriptionIndex
from alphapulse_api.sockets.writer import SocketWriter
from alphapulse_api.storage.engine.breaker import Breaker
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.postgres.engine import PostgresEngine
from alphapulse_api.storage.postgres.pool import Pool
from alphapulse_api.storage.sqlite.engine import SQLiteEngine

# Methods that tests wrap or replace, by the name that `monkeypatch.setattr` takes.
ROLLUP_CHANGE = "alphapulse_api.storage.metrics.rollups.change.Change._compute"
SQLITE_PREPARE = "_prepare"
ENGINE_ANSWER = "_answer"
LOG_SEND = "_send"
READER_TAKE = "_take"

Grant = Callable[[Mapping[str, str]], Awaitable[Mapping[str, Any]]]


def backend(dashboard: Dashboard) -> Backend:
    """The parts that a dashboard is made of."""
    return dashboard._backend


# -- sockets --------------------------------------------------------------------------------------


def has_timer(owner: LagTimer | SocketWriter) -> bool:
    """Whether a timer of the loop is set for it."""
    return owner._timer is not None


def timers(connection: Connection) -> str:
    """The timers of a connection, as its repr shows them."""
    return repr(connection._timers)


def flush(writer: SocketWriter) -> None:
    """Write at once what was gathered in this turn of the loop."""
    writer._flush()


def write_by_transport(writer: SocketWriter, transport: Any) -> None:
    """Let a writer use that transport, and nothing but it."""
    writer.transport = transport
    writer._descriptor = None


def places(admission: Admission) -> tuple[int, int, int]:
    """How many places are taken, and for how many addresses and subjects they are counted."""
    return len(admission._places), len(admission._by_address), len(admission._by_subject)


def filtered(index: SubscriptionIndex) -> Mapping[Any, Any]:
    """The subscriptions that are found by a field's value."""
    return index._by_field


# -- storage --------------------------------------------------------------------------------------


def connections(engine: SQLiteEngine) -> list[Any]:
    """The engine's connections that write: one, or none once it is closed."""
    return list(engine._connections)


def breaker(engine: PostgresEngine) -> Breaker:
    """The circuit breaker of an engine."""
    return engine._breaker


def readers(engine: PostgresEngine) -> Pool:
    """The connections that read."""
    assert engine._readers is not None
    return engine._readers


def forget_series(metrics: MetricsDataAccessor) -> None:
    """Let the catalogue of series be read anew."""
    metrics._series._reset()


# -- event log and Redis --------------------------------------------------------------------------


def reader(log: RedisEventLog) -> Any:
    """What reads the log's entries from Redis."""
    return log._reader


def follows(log: RedisEventLog) -> bool:
    """Whether the log reads every entry from now on."""
    return bool(log._reader._entered)


def all_kept(log: RedisEventLog, channel: str) -> Any:
    """Every event of a channel that the log has in memory."""
    ring = log._rings[channel]
    return log.since(channel, ring._base)


def put(log: RedisEventLog, tags: list[str]) -> Any:
    """Queue an invalidation without starting to send."""
    return log._queue.put(None, (), tags, away=False)


def start_sending(log: RedisEventLog) -> None:
    """Send what was queued by `put`."""
    log._work.set()


async def drained(log: RedisEventLog) -> None:
    """Wait until the log's queue is empty."""
    await log._queue.drained.wait()


def wrap_append(log: RedisEventLog, wrap: Callable[[Any], Any]) -> None:
    """Replace the script that appends by what `wrap` makes of it."""
    log._appending = wrap(log._appending)


async def stop_reading(log: RedisEventLog) -> None:
    """Let the log read nothing, and not even be connected to read."""
    await log._tasks.cancel()
    await log._reader._client.connection_pool.disconnect()


def read_again(log: RedisEventLog) -> None:
    """Undo `stop_reading`."""
    log._tasks.start(log._reader.read_forever, log_module.READING)


def client_of(log: RedisEventLog) -> redis.asyncio.Redis:
    """The log's connections to Redis."""
    return log._link.redis


def stop_watching(link: RedisLink, on_return: Callable[[], None]) -> None:
    """Undo `on_return` of the link."""
    link._watchers.remove(on_return)


def free_connections(link: RedisLink) -> Any:
    """The semaphore of the connections that are free for calls."""
    return link._free


# -- caches, queues and plans ---------------------------------------------------------------------


def entries(cache: MemoryCache) -> TLRUCache[Any, Any]:
    """What the cache holds."""
    return cache._entries


def set_clock(cache: MemoryCache, clock: Callable[[], float]) -> None:
    """Let an empty cache go by that clock."""
    old = cache._entries
    cache._entries = TLRUCache(old.maxsize, ttu=old.ttu, timer=clock, getsizeof=old.getsizeof)


def versions(cache: MemoryCache) -> Mapping[str, Any]:
    """The versions of resources that the cache remembers."""
    return cache._versions


def under_way(flight: SingleFlight) -> Mapping[Any, Any]:
    """The computations in progress, by key."""
    return flight._under_way


def waiting_points(queue: PointQueue) -> list[Any]:
    """The points that were handed over and not yet stored, one after the other."""
    return [point for points in queue._given for point in points]


def questions(of: query.Questions) -> Any:
    """The parsed queries that are kept."""
    return of._read


def plans(of: fast_path.FastPath) -> Any:
    """The plans of the fast path, by request."""
    return of._plans


# -- client ---------------------------------------------------------------------------------------


class LoginView:
    """The tokens of a client that signs in with a password."""

    def __init__(self, client: DashboardClient) -> None:
        login = client._credentials
        assert isinstance(login, Login)
        self._login = login

    @property
    def access_token(self) -> str | None:
        return self._login._access_token

    @property
    def refresh_token(self) -> str | None:
        return self._login._refresh_token

    def renew_soon(self) -> None:
        """Let the next call renew the token."""
        self._login._renew_at = 0.0

    def forget(self) -> None:
        """Let the next call sign in."""
        self._login._access_token = self._login._refresh_token = None

    def wrap_grant(self, wrap: Callable[[Grant], Grant]) -> None:
        """Replace the call of `POST /token` by what `wrap` makes of it."""
        self._login._grant = wrap(self._login._grant)
