"""Creates, opens and closes the parts of an application in one place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final

from aiohttp import web

from alphapulse_api.auth.accounts import Accounts
from alphapulse_api.auth.authenticator import Authenticator
from alphapulse_api.auth.opening import open_accounts
from alphapulse_api.auth.throttles import Throttles
from alphapulse_api.cache import Coalescer, Entry, SingleFlight, cache_from
from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.config import Config
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import zone_of
from alphapulse_api.figures import Figures
from alphapulse_api.jobs import Jobs
from alphapulse_api.limits import connect_limiter, request_limiter
from alphapulse_api.log import event_log_from
from alphapulse_api.notify.service import figures_of, follow, notifier_from
from alphapulse_api.projections.outcomes.updating import update_forever
from alphapulse_api.projections.pnl.closing import close_before
from alphapulse_api.projections.pnl.following import PnlFollower
from alphapulse_api.record.budget_watch import budget_watch_from
from alphapulse_api.record.feed import Feed
from alphapulse_api.record.history import HistoryWatch
from alphapulse_api.record.relay import Relay
from alphapulse_api.record.series_watch import SeriesWatch
from alphapulse_api.runtime.monitor import Monitor
from alphapulse_api.runtime.readiness import Readiness
from alphapulse_api.runtime.redis import RedisLinks
from alphapulse_api.runtime.slices import Slices
from alphapulse_api.runtime.supervisor import Supervisor
from alphapulse_api.runtime.turns import Turns
from alphapulse_api.sockets.admission import Admission
from alphapulse_api.sockets.history import Histories
from alphapulse_api.sockets.origins import Origins
from alphapulse_api.sockets.readings import Readings
from alphapulse_api.sockets.registry import Registry
from alphapulse_api.sockets.snapshot import Snapshots
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.backfills import Backfills
from alphapulse_api.storage.engines import engine_from
from alphapulse_api.storage.metrics.upkeep import upkeep_forever
from alphapulse_api.storage.portfolio.accessor import PortfolioDataAccessor
from alphapulse_api.storage.portfolio.rollups import roll_up_forever
from alphapulse_api.storage.retention import forget_forever
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from alphapulse_api.storage.sqlite.files import ServerLock
from alphapulse_api.view import Views

logger = logging.getLogger(__name__)

HAND_OVER_SECONDS: Final = 2.0  # for the commit in progress, before the sockets are drained


class Backend:
    """Storage, event log, callers and feed of one application, for one event loop.

    Args:
        config: the configuration in force.
        accessors: the host's own accessors, by resource.
        serve: whether this process serves HTTP. If so, it also reports its own samples.
        first_user: whether to create `admin` if there are no users.

    Raises:
        ConfigError: if the configuration names a part that cannot be created.
    """

    def __init__(
        self,
        config: Config,
        accessors: Mapping[str, Any],
        *,
        serve: bool = True,
        first_user: bool = True,
    ) -> None:
        self.config = config
        self.engine = engine_from(config.database)
        self.backfills = Backfills(self.engine)
        self.links = RedisLinks()
        cache_redis, events_redis = self.links.of(config.cache), self.links.of(config.events)
        limits_redis = cache_redis or events_redis
        self.cache = cache_from(config.cache, cache_redis)
        self.events = event_log_from(config.events, events_redis, read=serve)
        if isinstance(self.cache, MemoryCache):
            self.events.on_change(self.cache.forget)
        self.accessors = Accessors(
            self.engine,
            config.portfolio.stale_after,
            accessors,
            ahead=config.max_clock_ahead,
            max_series=config.database.max_series,
            max_series_per_key=config.database.max_series_per_key,
        )
        serves_file = serve and isinstance(self.engine, SQLiteEngine)
        own = PortfolioDataAccessor(self.engine, config.portfolio.stale_after)
        self.relay = Relay(
            self.engine,
            self.cache,
            self.events,
            own.get_snapshot,
            leaves=not serve and config.events.type == "memory",
            alone=serves_file,
        )
        self.pnl = PnlFollower(self.engine, alone=serves_file)
        self.engine.on_marked = self.pnl.wake
        self.history = HistoryWatch(
            self.engine, self.cache, self.events, pooled=config.database.pgbouncer
        )
        self.slices = Slices()
        self.turns = Turns()
        self.feed = Feed(
            self.accessors,
            self.relay,
            config.max_clock_ahead,
            self.slices,
            zone_of(config.timezone),
            reads=serve,
        )
        self.views = Views(self.accessors, self.feed)
        self.notifier = notifier_from(config, self.engine, serve=serve)
        jobs = config, self.accessors, self.events, self.relay, self.slices
        self.jobs = Jobs(*jobs, serve=serve, alone=serves_file)
        # One process serves a database file; any process may write to it.
        self._lock: ServerLock | None = None
        self._other_wrote = asyncio.Event()
        self._accounts_may_differ: asyncio.Event | None = None
        if serve and isinstance(self.engine, SQLiteEngine):
            self._lock = ServerLock(self.engine.path)
            self._accounts_may_differ = asyncio.Event()
            self.engine.watch(self._written_by_others)
        self.limiter = request_limiter(config.rate_limit, limits_redis)
        self.throttles = Throttles(limits_redis)
        self.connect_throttle = connect_limiter(config.websocket, limits_redis)
        self.single_flight = SingleFlight()
        self.answers = Coalescer[Entry]()
        self.readings = Readings()
        self.snapshots = Snapshots(self.views, self.engine, self.slices, self.readings)
        self.admission = Admission(config.websocket)
        self.origins = Origins(config.cors.allowed_origins)
        self.connections: Registry
        self.authenticator: Authenticator
        self.accounts: Accounts
        self.monitor = Monitor()
        self._serve = serve
        self._first_user = serve and first_user
        self._stack = AsyncExitStack()
        self._tasks = Supervisor()
        self.readiness = Readiness(
            self.engine,
            self.links,
            lambda: [*self._tasks.failing, *self.jobs.failing, *self.events.failing],
        )

    async def __aenter__(self) -> Backend:
        async with AsyncExitStack() as stack:
            if self._lock is not None:
                await self._lock.acquire()
            stack.callback(self._release)
            await self.engine.open()
            stack.push_async_callback(self.engine.close)
            stack.push_async_callback(self.links.close)
            await self.links.open()
            stack.push_async_callback(self.readiness.close)
            await stack.enter_async_context(self.notifier)
            stack.push_async_callback(self._tasks.cancel)
            start = self._tasks.start
            for link in self.links:
                start(link.watch_forever, f"probes of the Redis of {link.key}")
            await self.events.open()
            stack.push_async_callback(self.events.close)
            self.accounts, self.authenticator = await open_accounts(
                self.engine, self.config, self.throttles, first_user=self._first_user
            )
            self.connections = Registry(
                self.events,
                Histories(self.events, self.slices, self.readings),
                self.snapshots,
                self.readings,
                self.authenticator,
                self.views,
                self.config.websocket,
                self.slices,
            )
            stack.callback(self.connections.fanout.stop)
            self.authenticator.on_change(self.connections.recheck)
            watch = partial(
                self.authenticator.watch_forever,
                self.readiness.note_answer,
                self._accounts_may_differ,
            )
            start(watch, "updates of users and keys")
            start(self.readiness.watch_forever, "checks of the database")
            retention = self.config.database.retention
            start(partial(forget_forever, self.engine, retention, close_before), "retention")
            start(partial(upkeep_forever, self.engine), "upkeep of metrics")
            start(partial(roll_up_forever, self.engine), "rollups of the portfolio")
            if self._serve:
                start(self.backfills.finish, "migration of stored rows")
                start(self.pnl.follow_forever, "profit of new trades")
                start(partial(update_forever, self.engine), "outcomes of signals")
                start(self.feed.end_overdue_forever, "the end of overdue commands")
            stack.callback(follow(self.notifier, self.events, self.accessors.silences))
            start(self.notifier.run_forever, "messages to people")
            start(self.feed.queue.store_forever, "storage of queued points")
            start(self.relay.watch_forever, "relay of the outbox")
            if self._lock is not None:
                start(self._follow_other_writers, "updates by other writers")
            start(self.snapshots.watch_forever, "expiry of snapshots")
            start(self.history.watch_forever, "detection of lost records")
            stack.push_async_callback(self.relay.close)
            stack.push_async_callback(self.jobs.cancel)
            await self.jobs.start()
            self.feed.open()
            stack.push_async_callback(self.feed.close)
            if self._serve:
                self._observe()
            self._stack = stack.pop_all()
        return self

    def _observe(self) -> None:
        """Measure this process, for Prometheus and for /api/system."""
        bounds = self.config.database.max_series, self.config.database.max_series_per_key
        series = SeriesWatch(self.engine, *bounds, self.feed.raise_alert)
        figures = Figures(
            self.engine,
            self.links,
            self.readiness,
            self.events,
            self.relay,
            self.feed.queue,
            self.admission,
            self.connections,
            series,
        )
        self.monitor.add(figures)
        self.monitor.add(partial(figures_of, self.notifier))
        budgets = budget_watch_from(self.config.budgets, self.engine, self.feed.raise_alert)
        if budgets is not None:
            self._tasks.start(budgets.watch_forever, "comparison with the budgets")
        self._tasks.start(series.watch_forever, "count of the series")
        self._tasks.start(self.monitor.measure_lag_forever, "measurement of the loop's lag")
        report = partial(
            self.monitor.report_forever,
            self.feed.report_system,
            figures.gauges,
            self.readiness.note_answer,
        )
        self._tasks.start(report, "samples of this process")

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def hand_over(self) -> None:
        """Let another process serve the database file; this one finishes what it has begun."""
        if self._lock is None:
            return
        await self.jobs.cancel()
        if self.config.events.type == "memory":
            # The next server has its own event log, and relays what is committed from now on.
            try:
                async with asyncio.timeout(HAND_OVER_SECONDS):
                    await self.relay.leave()
            except (TimeoutError, Unavailable) as error:
                logger.warning(
                    "released the database file before the last events were relayed: %r", error
                )
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _written_by_others(self) -> None:
        self._other_wrote.set()
        if self._accounts_may_differ is not None:
            self._accounts_may_differ.set()

    async def _follow_other_writers(self) -> None:
        """Invalidate and relay after each commit of another process, until cancelled."""
        while True:
            await self._other_wrote.wait()
            self._other_wrote.clear()
            # Outbox rows say what to invalidate, but a foreign writer leaves none.
            await self.cache.clear()
            self.relay.look()
            self.pnl.wake()
            self.notifier.wake()


BACKEND: Final[web.AppKey[Backend]] = web.AppKey("backend", Backend)
