"""A dashboard in a thread beside its host, and its feed for synchronous callers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from alphapulse_api.domain.errors import DashboardClosed, Unavailable
from alphapulse_api.embed.hosted import HostedDashboard
from alphapulse_api.record.feed import Feed
from alphapulse_api.record.inputs import Extras, Record, Records
from alphapulse_api.record.stats import FeedStats
from alphapulse_api.runtime.loop_thread import LoopThread
from alphapulse_api.schemas.batches import STOP

T = TypeVar("T")

HEALTH_SECONDS: Final = 2.0  # a loop that has not answered by then is blocked


class LoopDashboard(Protocol):
    """A dashboard that runs in an event loop: `alphapulse_api.Dashboard`."""

    @property
    def feed(self) -> Feed: ...

    @property
    def url(self) -> str: ...

    @property
    def console_url(self) -> str | None: ...

    async def health(self) -> dict[str, str]: ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *_: object) -> None: ...


class ThreadDashboard(HostedDashboard["ThreadFeed"]):
    """A dashboard in a thread of its own; see `Dashboard.in_thread`.

    Args:
        make: creates the dashboard that runs in the thread.
        timeout: seconds that each call, and `close`, may take; None: no limit.
    """

    def __init__(self, make: Callable[[], LoopDashboard], timeout: float | None) -> None:
        super().__init__()
        self._make = make
        self._timeout = timeout
        self._thread: LoopThread | None = None

    def _open(self) -> ThreadFeed:
        dashboard = self._make()
        thread = LoopThread(dashboard, "alphapulse-dashboard")
        thread.start()
        self._thread = thread
        return ThreadFeed(dashboard, thread, self._timeout, self.close)

    def _close(self) -> None:
        assert self._thread is not None
        self._thread.stop(self._timeout)

    def _disown(self) -> None:
        pass  # the thread and the dashboard in it are disowned by themselves


class ThreadFeed:
    """The feed of a dashboard in a thread; each call returns when its record is stored.

    The methods have the names, arguments, results and errors of `Feed`, and may be called from any
    thread. Each may also raise:

    - `DashboardClosed` after the dashboard is closed, or if it ended unexpectedly
      (`DashboardFailed`);
    - `Unavailable` if there is no answer within the dashboard's `timeout`, such as when its event
      loop is blocked. The record may still be stored, so repeat the call with the same id;
    - `DashboardForked` in a process that was forked from the host.

    Interrupting a call, such as by Ctrl-C, does not undo it.

    Example:
        feed.record_trade({"symbol": "BTC-USD", "side": "buy", "quantity": "0.5", "price": 67000})
        feed.record_metrics([{"metric_type": "risk", "name": "var", "value": 0.02}], wait=False)
    """

    def __init__(
        self,
        dashboard: LoopDashboard,
        thread: LoopThread,
        timeout: float | None,
        close: Callable[[], None],
    ) -> None:
        self.close = close  # ends the dashboard, for a host that keeps only its feed
        self._dashboard = dashboard
        self._feed = dashboard.feed
        self._thread = thread
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<ThreadFeed of {self._dashboard!r}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            "a feed cannot be pickled: send the dashboard's url, and feed from the other process "
            "over HTTP with alphapulse_api.client"
        )

    @property
    def url(self) -> str:
        """The base URL of the dashboard, without a slash at its end.

        Raises:
            RuntimeError: if it does not serve.
        """
        return self._dashboard.url

    @property
    def console_url(self) -> str | None:
        """The URL of the console; None if it is not installed or is switched off.

        Raises:
            RuntimeError: if the dashboard does not serve.
        """
        return self._dashboard.console_url

    def health(self, timeout: float = HEALTH_SECONDS) -> dict[str, str]:
        """Check the event loop, and the parts that answers depend on.

        Args:
            timeout: seconds after which the event loop counts as blocked.

        Returns:
            "ok" or "down" by name: `loop`, and if that is "ok" what /readyz reports.

        Raises:
            DashboardForked: in a forked process.
        """
        try:
            return {"loop": "ok", **self._thread.run(self._dashboard.health(), timeout)}
        except (DashboardClosed, Unavailable):
            return {"loop": "down"}

    def record_metrics(self, points: Record | Records, *, wait: bool = True) -> int:
        if not wait:
            self._thread.check()
            return self._feed.hand_over(points)
        return self._run(self._feed.record_metrics(points))

    def stats(self) -> FeedStats:
        return self._feed.stats()

    def record_trade(self, trade: Record, *, extras: Extras = "refuse") -> dict[str, Any]:
        return self._run(self._feed.record_trade(trade, extras=extras))

    def record_trades(self, trades: Records, *, extras: Extras = "refuse") -> list[dict[str, Any]]:
        return self._run(self._feed.record_trades(trades, extras=extras))

    def record_trades_batch(
        self, trades: Records, *, on_error: str = STOP, extras: Extras = "refuse"
    ) -> dict[str, Any]:
        work = self._feed.record_trades_batch(trades, on_error=on_error, extras=extras)
        return self._run(work)

    def record_metrics_batch(self, points: Records, *, on_error: str = STOP) -> dict[str, Any]:
        return self._run(self._feed.record_metrics_batch(points, on_error=on_error))

    def raise_alert(self, alert: Record, *, extras: Extras = "refuse") -> dict[str, Any]:
        return self._run(self._feed.raise_alert(alert, extras=extras))

    def acknowledge_alert(
        self, alert_id: str, user: str, comments: str | None = None
    ) -> dict[str, Any]:
        return self._run(self._feed.acknowledge_alert(alert_id, user, comments))

    def resolve_alert(self, alert_id: str) -> dict[str, Any]:
        return self._run(self._feed.resolve_alert(alert_id))

    def update_portfolio(self, portfolio: Record) -> dict[str, Any]:
        return self._run(self._feed.update_portfolio(portfolio))

    def record_signal(
        self, agent_id: str, signal: Record, *, extras: Extras = "refuse"
    ) -> dict[str, Any]:
        return self._run(self._feed.record_signal(agent_id, signal, extras=extras))

    def update_agent(self, agent_id: str, update: Record) -> dict[str, Any]:
        return self._run(self._feed.update_agent(agent_id, update))

    def report_system(self, sample: Record) -> dict[str, Any]:
        return self._run(self._feed.report_system(sample))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._thread.run(work, self._timeout)
