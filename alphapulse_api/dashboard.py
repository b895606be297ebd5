"""A dashboard in a trading process: in its event loop, in a thread, or in a separate process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from alphapulse_api.app import compose
from alphapulse_api.auth.accounts import Accounts
from alphapulse_api.backend import Backend
from alphapulse_api.config import Config
from alphapulse_api.console.files import plotly_file
from alphapulse_api.domain.errors import DashboardForked
from alphapulse_api.domain.handed import AwaitedCommand
from alphapulse_api.embed.addresses import Addresses, as_html, served_at
from alphapulse_api.embed.hosted import TIMEOUT_SECONDS
from alphapulse_api.embed.process_dashboard import NICENESS, ProcessDashboard
from alphapulse_api.embed.queue import LIMIT, OnUnavailable
from alphapulse_api.embed.thread_dashboard import ThreadDashboard
from alphapulse_api.http.server import Runner, listen
from alphapulse_api.record.feed import Feed
from alphapulse_api.runtime.forks import disown_in_children, keep_in_children, release
from alphapulse_api.runtime.pickling import Unpicklable
from alphapulse_api.storage.accessors import RESOURCES


class Dashboard(Unpicklable):
    """A dashboard in the running event loop: stores, events and, unless `serve` is off, HTTP.

    `async with` starts and closes it; after that it may be started again.

    Args:
        config: the configuration; by default, the one that `python -m alphapulse_api` would load.
        serve: whether to serve HTTP. With False it only records, and another process serves.
        first_user: whether to create `admin` if there are no users and HTTP is served. Its password
            comes from AP_ADMIN_PASSWORD, or is printed once to standard error.
        accessors: the host's own accessors, as for `create_app`.

    Raises:
        ConfigError: if the configuration cannot be used.
        StartupError: on entering, if the port is taken or the database cannot be used.
        RuntimeError: on entering, if it is already started.

    Example:
        async with Dashboard(Config(port=8080)) as dashboard:
            await dashboard.feed.record_metrics(
                {"metric_type": "risk", "name": "var", "value": 0.02}
            )
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
        self._started = False
        self._runner: Runner | None = None
        self._listener: asyncio.Server | None = None
        self._port: int | None = None

    def __repr__(self) -> str:
        return f"<Dashboard {self.url if self._port is not None else 'not serving'}>"

    def _repr_html_(self) -> str:
        """The links that a notebook shows."""
        return as_html("Dashboard", "not serving", self.addresses)

    @property
    def feed(self) -> Feed:
        """Records what happens, until the dashboard is closed."""
        return self._feed

    @property
    def accounts(self) -> Accounts:
        """Manages users, API keys and logins; available once the dashboard has started.

        Example:
            _, key = await dashboard.accounts.create_api_key("bot", ["publish"])
        """
        return self._backend.accounts

    @property
    def addresses(self) -> Addresses | None:
        """The URLs of its pages; None if it is not started or does not serve HTTP."""
        if self._port is None:
            return None
        config = self._config
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        url = f"http://{host}:{self._port}{config.base_path}"
        console = config.console.enabled and plotly_file() is not None
        return Addresses(
            url,
            console_url=f"{url}/console/" if console else None,
            docs_url=f"{url}/docs" if config.docs.enabled else None,
        )

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash.

        Raises:
            RuntimeError: if it is not started or does not serve HTTP.
        """
        return served_at(self.addresses).url

    @property
    def console_url(self) -> str | None:
        """The URL of the console; None if it is not installed or is switched off.

        Raises:
            RuntimeError: if it is not started or does not serve HTTP.
        """
        return served_at(self.addresses).console_url

    def __getattr__(self, name: str) -> Any:
        """The accessors metrics, alerts, portfolio, trades, agents and system.

        They read what is stored, such as `await dashboard.trades.get_trades(symbol="AAPL")`. An
        accessor that the host gave is returned unchanged.
        """
        if name in RESOURCES:
            return self._backend.accessors.public(name)
        raise AttributeError(name)

    def commands(self, agent_id: str) -> AsyncIterator[AwaitedCommand]:
        """The commands of an agent as they are sent, each once, until the dashboard is closed.

        Example:
            async for command in dashboard.commands("momentum-1"):
                await command.done()
        """
        return self._feed.commands(agent_id)

    async def health(self) -> dict[str, str]:
        """Check the parts that answers depend on.

        Returns:
            "ok" or "down" by name, as /readyz reports: `database`, `redis` if one is configured,
            and `tasks` if a background task fails.
        """
        return await self._backend.readiness.checks()

    async def __aenter__(self) -> Dashboard:
        if self._started:
            raise RuntimeError(
                "the dashboard is started already: use its feed, or create another dashboard"
            )
        self._started = True
        async with AsyncExitStack() as stack:
            stack.callback(self._forget)
            disown_in_children(self)
            await stack.enter_async_context(self._backend)
            if self._serve:
                self._runner = runner = Runner(compose(self._backend))
                await runner.setup()
                stack.push_async_callback(runner.cleanup)
                self._listener = await listen(runner, self._config.host, self._config.port)
                stack.callback(self._listener.close)
                self._port = self._listener.sockets[0].getsockname()[1]
            self._feed.open()
            # Close in the order in which a write travels: feed, store, log, sockets.
            stack.push_async_callback(self._feed.close)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def disown(self) -> None:
        """Give up the sockets in a forked process, and refuse every call there."""
        self._feed.refuse(DashboardForked)
        if self._listener is not None:
            release(listening.fileno() for listening in self._listener.sockets)
        if self._runner is not None and self._runner.server is not None:
            transports = (protocol.transport for protocol in self._runner.server.connections)
            sockets = (t.get_extra_info("socket") for t in transports if t is not None)
            release(connected.fileno() for connected in sockets if connected is not None)

    def _forget(self) -> None:
        keep_in_children(self)
        self._started = False
        self._runner = self._listener = self._port = None

    @classmethod
    def in_process(
        cls,
        config: Config | None = None,
        *,
        serve: bool = True,
        first_user: bool = True,
        timeout: float | None = TIMEOUT_SECONDS,
        on_unavailable: OnUnavailable = "raise",
        max_depth: int = LIMIT,
        niceness: int = NICENESS,
    ) -> ProcessDashboard:
        """A dashboard in a separate process; the host only hands records over.

        `with` starts it, returns its feed and closes it; `start` and `close` do the same without a
        block. The process is restarted if it dies. It ends when its host ends, even if the host is
        killed.

        Args:
            config: the configuration; by default, the one that `python -m alphapulse_api` would
                load.
            serve: whether to serve HTTP. With False it only records, and another process serves.
            first_user: whether to create `admin` if there are no users and HTTP is served.
            timeout: seconds that a call waits for its answer, unless the call gives its own; None:
                no limit.
            on_unavailable: what a call with `wait=False` does once `max_depth` records are pending:
                "raise" raises `Unavailable`; "drop" drops the record and counts it.
            max_depth: the most records that may be handed over and not yet stored.
            niceness: added to the niceness of the process, so that serving viewers does not take
                CPU time from the host.

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
    def in_thread(
        cls,
        config: Config | None = None,
        *,
        serve: bool = True,
        timeout: float | None = TIMEOUT_SECONDS,
        on_unavailable: OnUnavailable = "raise",
        max_depth: int = LIMIT,
        **accessors: Any,
    ) -> ThreadDashboard:
        """A dashboard in a separate thread, for synchronous hosts.

        `with` starts it, returns its feed and closes it; `start` and `close` do the same without a
        block.

        Args:
            config: the configuration; by default, the one that `python -m alphapulse_api` would
                load.
            serve: whether to serve HTTP. With False it only records, and another process serves.
            timeout: seconds that each call, and closing, may take; None: no limit.
            on_unavailable: as for `in_process`.
            max_depth: as for `in_process`.
            accessors: the host's own accessors, as for `create_app`.

        Raises:
            ConfigError: if the configuration cannot be used.

        Example:
            with Dashboard.in_thread(Config(port=8080)) as feed:
                feed.record_trade({"symbol": "BTC-USD", "side": "buy", "quantity": 1, "price": 10})
        """
        config = config or Config.load()
        make = partial(cls, config, serve=serve, **accessors)
        return ThreadDashboard(make, timeout, on_unavailable, max_depth)
