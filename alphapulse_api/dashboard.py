"""The dashboard of a trading process: in its own loop, in a thread, or in a process beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any, Literal, TypeVar

from alphapulse_api.app import compose
from alphapulse_api.auth.accounts import Accounts
from alphapulse_api.backend import Backend
from alphapulse_api.config import Config
from alphapulse_api.console.files import plotly_file
from alphapulse_api.domain.errors import DashboardClosed
from alphapulse_api.embed.process_dashboard import NICENESS, TIMEOUT_SECONDS, ProcessDashboard
from alphapulse_api.embed.queue import LIMIT
from alphapulse_api.http.server import Runner, listen
from alphapulse_api.record.feed import Feed, Record
from alphapulse_api.schemas.batches import STOP

T = TypeVar("T")


class Dashboard:
    """Stores, events and, unless `serve` is off, the HTTP server, in the running loop.

    Args:
        config: what is in force; without one, what `python -m alphapulse_api` would load.
        serve: False only feeds: another process serves.
        first_user: whether to make `admin` (its password from AP_ADMIN_PASSWORD, or printed once
            to standard error) if there are no users and HTTP is served.
        accessors: the host's own accessors, as for `create_app`.

    Raises:
        ConfigError: if the configuration cannot be used.
        StartupError: on entering, if the port is taken or the database cannot be used.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        serve: bool = True,
        first_user: bool = True,
        **accessors: Any,
    ) -> None:
        self._config = config or Config.load()
        self._serve = serve
        self._backend = Backend(self._config, accessors, serve=serve, first_user=first_user)
        self._feed = self._backend.feed.of_host()
        self._stack = AsyncExitStack()
        self._port: int | None = None

    def __repr__(self) -> str:
        return f"<Dashboard {self.url if self._port is not None else 'not serving'}>"

    @property
    def feed(self) -> Feed:
        """What the trading side calls, until the dashboard ends."""
        return self._feed

    @property
    def accounts(self) -> Accounts:
        """Users and API keys."""
        return self._backend.accounts

    @property
    def url(self) -> str:
        """Where it is served, without a slash at the end.

        Raises:
            RuntimeError: if it is not served.
        """
        if self._port is None:
            raise RuntimeError("this dashboard does not serve")
        host = self._config.host
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self._port}{self._config.base_path}"

    @property
    def console_url(self) -> str | None:
        """Where the console is; None if it is not installed, or switched off.

        Raises:
            RuntimeError: if nothing is served.
        """
        there = self._config.console.enabled and plotly_file() is not None
        return f"{self.url}/console/" if there else None

    def __getattr__(self, name: str) -> Any:
        """The accessors: metrics, alerts, portfolio, trades, agents, system."""
        if name in ("metrics", "alerts", "portfolio", "trades", "agents", "system"):
            return self._backend.accessors.public(name)
        raise AttributeError(name)

    async def __aenter__(self) -> Dashboard:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._backend)
            if self._serve:
                runner = Runner(compose(self._backend))
                await runner.setup()
                stack.push_async_callback(runner.cleanup)
                self._port = await listen(runner, self._config.host, self._config.port)
            self._feed.open()
            # The end goes the way of a write: feed, store, log, sockets; then requests in flight.
            stack.push_async_callback(self._feed.close)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self._port = None

    @classmethod
    def in_process(
        cls,
        config: Config | None = None,
        *,
        serve: bool = True,
        first_user: bool = True,
        timeout: float | None = TIMEOUT_SECONDS,
        on_unavailable: Literal["raise", "drop"] = "raise",
        max_depth: int = LIMIT,
        niceness: int = NICENESS,
    ) -> ProcessDashboard:
        """A dashboard in a process of its own; the host only hands records over.

        `with` starts it and gives its feed; so do `start` and `close`. The process is started again
        if it dies, and ends with its host, however that ends.

        Args:
            config: what is in force; without one, what `python -m alphapulse_api` would load.
            serve: False only feeds: another process serves.
            first_user: whether to make `admin` if there are no users and HTTP is served.
            timeout: seconds that a call waits for its answer, unless it says otherwise; None: for
                ever.
            on_unavailable: what happens to a record of a call that does not wait, once `max_depth`
                records wait: "raise" raises `Unavailable`, "drop" counts it and goes on.
            max_depth: records that may be handed over and not yet stored.
            niceness: added to the process's own, so that viewers do not take the host's CPU.

        Raises:
            ConfigError, StartupError: on starting, as the dashboard itself does.
        """
        return ProcessDashboard(
            config,
            serve=serve,
            first_user=first_user,
            timeout=timeout,
            on_unavailable=on_unavailable,
            max_depth=max_depth,
            niceness=niceness,
        )

    @classmethod
    @contextmanager
    def in_thread(
        cls, config: Config | None = None, *, serve: bool = True, **accessors: Any
    ) -> Iterator[ThreadFeed]:
        """Run a dashboard in a thread of its own; gives its feed, for synchronous callers.

        Raises:
            ConfigError, StartupError: as the dashboard itself does, in the caller's thread.
        """
        dashboard = cls(config, serve=serve, **accessors)
        ready = threading.Event()
        failure: list[BaseException] = []
        loop = asyncio.new_event_loop()
        leave = asyncio.Event()

        async def run() -> None:
            running = asyncio.current_task()
            assert running is not None
            # Whoever leaves while the dashboard still starts cancels the start.
            starting = asyncio.ensure_future(leave.wait())
            starting.add_done_callback(lambda _: None if ready.is_set() else running.cancel())
            try:
                async with dashboard:
                    ready.set()
                    await leave.wait()
            finally:
                starting.cancel()

        def main() -> None:
            try:
                with asyncio.Runner(loop_factory=lambda: loop) as runner:
                    runner.run(run())
            except BaseException as error:
                failure.append(error)
            finally:
                ready.set()

        thread = threading.Thread(target=main, name="alphapulse-dashboard", daemon=True)
        feed = ThreadFeed(dashboard, loop)
        try:
            thread.start()
            ready.wait()
            if failure:
                raise failure[0]
            yield feed
        finally:
            if thread.is_alive():
                feed.end()
                # A thread that failed to start may have closed its loop and not yet ended.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(leave.set)
            thread.join()
        if failure:
            raise failure[0]


class ThreadFeed:
    """The feed, called from any thread: each call returns when its record is stored.

    The methods have the names, arguments, results and errors of `Feed`; once the `with` block is
    left, each raises `DashboardClosed`.
    """

    def __init__(self, dashboard: Dashboard, loop: asyncio.AbstractEventLoop) -> None:
        self._dashboard = dashboard
        self._loop = loop
        self._lock = threading.Lock()
        self._under_way: set[Future[Any]] | None = set()

    @property
    def url(self) -> str:
        """Where the dashboard is served."""
        return self._dashboard.url

    def end(self) -> None:
        """Take no more calls, and wait for those of other threads that are under way."""
        with self._lock:
            under_way = tuple(self._under_way or ())
            self._under_way = None
        wait(under_way)

    def record_metrics(self, points: Record | Sequence[Record], *, wait: bool = True) -> int:
        if not wait:
            return self._dashboard.feed.hand_over(points)
        return self._run(self._dashboard.feed.record_metrics(points))

    def record_trade(self, trade: Record) -> dict[str, Any]:
        return self._run(self._dashboard.feed.record_trade(trade))

    def record_trades(self, trades: Sequence[Record]) -> list[dict[str, Any]]:
        return self._run(self._dashboard.feed.record_trades(trades))

    def record_trades_batch(
        self, trades: Sequence[Record], *, on_error: str = STOP
    ) -> dict[str, Any]:
        feed = self._dashboard.feed
        return self._run(feed.record_trades_batch(trades, on_error=on_error))

    def record_metrics_batch(
        self, points: Sequence[Record], *, on_error: str = STOP
    ) -> dict[str, Any]:
        feed = self._dashboard.feed
        return self._run(feed.record_metrics_batch(points, on_error=on_error))

    def raise_alert(self, alert: Record) -> dict[str, Any]:
        return self._run(self._dashboard.feed.raise_alert(alert))

    def acknowledge_alert(
        self, alert_id: str, user: str, comments: str | None = None
    ) -> dict[str, Any]:
        return self._run(self._dashboard.feed.acknowledge_alert(alert_id, user, comments))

    def resolve_alert(self, alert_id: str) -> dict[str, Any]:
        return self._run(self._dashboard.feed.resolve_alert(alert_id))

    def update_portfolio(self, portfolio: Record) -> dict[str, Any]:
        return self._run(self._dashboard.feed.update_portfolio(portfolio))

    def record_signal(self, agent_id: str, signal: Record) -> dict[str, Any]:
        return self._run(self._dashboard.feed.record_signal(agent_id, signal))

    def update_agent(self, agent_id: str, update: Record) -> dict[str, Any]:
        return self._run(self._dashboard.feed.update_agent(agent_id, update))

    def report_system(self, sample: Record) -> dict[str, Any]:
        return self._run(self._dashboard.feed.report_system(sample))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._under_way is None:
                work.close()
                raise DashboardClosed
            under_way = self._under_way
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            under_way.add(future)
        try:
            return future.result()
        finally:
            with self._lock:
                under_way.discard(future)
