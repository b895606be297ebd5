"""A dashboard in a separate thread, and its feed for synchronous callers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from alphapulse_api.domain.errors import DashboardClosed, Unavailable
from alphapulse_api.embed.addresses import Addresses
from alphapulse_api.embed.calls import Call, instant
from alphapulse_api.embed.feed import HostFeed
from alphapulse_api.embed.hand_over import HandOver
from alphapulse_api.embed.hosted import HostedDashboard
from alphapulse_api.embed.queue import LIMIT, OnUnavailable, dropping
from alphapulse_api.record.feed import Feed
from alphapulse_api.record.stats import FeedStats
from alphapulse_api.runtime.loop_thread import LoopThread

CLOSE_SECONDS: Final = 30.0  # for queued records, if the dashboard has no timeout
HEALTH_SECONDS: Final = 2.0  # a loop that has not answered by then counts as blocked


class LoopDashboard(Protocol):
    """A dashboard that runs in an event loop: `alphapulse_api.Dashboard`."""

    @property
    def feed(self) -> Feed: ...

    @property
    def addresses(self) -> Addresses | None: ...

    async def health(self) -> dict[str, str]: ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *_: object) -> None: ...


class ThreadDashboard(HostedDashboard["ThreadFeed"]):
    """A dashboard in a separate thread; see `Dashboard.in_thread`.

    Args:
        make: creates the dashboard that runs in the thread.
        timeout: seconds that each call, and `close`, may take; None: no limit.
        on_unavailable: what a call that does not wait does once `max_depth` records are pending.
        max_depth: the most records that may be pending.
    """

    def __init__(
        self,
        make: Callable[[], LoopDashboard],
        timeout: float | None,
        on_unavailable: OnUnavailable = "raise",
        max_depth: int = LIMIT,
    ) -> None:
        super().__init__()
        self._make = make
        self._timeout = timeout
        self._drop = dropping(on_unavailable)
        self._max_depth = max_depth
        self._thread: LoopThread | None = None
        self._handed: HandOver | None = None

    def _open(self) -> ThreadFeed:
        dashboard = self._make()
        thread = LoopThread(dashboard, "alphapulse-dashboard")
        thread.start()
        self._thread = thread
        self._handed = thread.run(_hand_over(dashboard.feed, self._max_depth), self._timeout)
        return ThreadFeed(dashboard, thread, self._handed, self._timeout, self._drop, self.close)

    def _close(self) -> None:
        assert self._thread is not None
        assert self._handed is not None
        # Refuse first, so that host threads that keep calling cannot delay the end.
        self._thread.refuse()
        self._handed.close(CLOSE_SECONDS if self._timeout is None else self._timeout)
        try:
            self._thread.stop(self._timeout)
        finally:
            self._handed.abandon()

    def _disown(self) -> None:
        pass  # the thread and the dashboard in it disown themselves


async def _hand_over(feed: Feed, max_depth: int) -> HandOver:
    return HandOver(feed, max_depth)


class ThreadFeed(HostFeed):
    """The feed of a dashboard in a thread.

    Each call may also raise:

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
        handed: HandOver,
        timeout: float | None,
        drop: bool,
        close: Callable[[], None],
    ) -> None:
        self.close = close  # ends the dashboard, for a host that keeps only its feed
        self._dashboard = dashboard
        self._thread = thread
        self._handed = handed
        self._hand_over = self._taken
        self._timeout = timeout
        self._drop = drop

    def __repr__(self) -> str:
        return f"<ThreadFeed of {self._dashboard!r}>"

    @property
    def addresses(self) -> Addresses | None:
        return self._dashboard.addresses

    def health(self, timeout: float = HEALTH_SECONDS) -> dict[str, str]:
        """ "ok" or "down" for the event loop and for each part that /readyz reports.

        Args:
            timeout: seconds after which the loop counts as blocked, and is "down".

        Raises:
            DashboardForked: in a forked process.
        """
        try:
            return {"loop": "ok", **self._thread.run(self._dashboard.health(), timeout)}
        except (DashboardClosed, Unavailable):
            return {"loop": "down"}

    def stats(self) -> FeedStats:
        return self._handed.stats(closed=self._closed())

    def _closed(self) -> bool:
        try:
            self._thread.check()
        except RuntimeError:
            return True
        return False

    def _taken(self, method: str, record: dict[str, Any]) -> bool:
        self._thread.check()
        return self._handed.queue.put_record(method, record)

    def _call(
        self,
        method: str,
        before: tuple[Any, ...],
        records: Sequence[Any],
        many: bool,
        wait: bool,
        timeout: float | None,
        **options: Any,
    ) -> Any:
        self._thread.check()
        if wait:
            call = Call(method, instant(), records, many, before, options)
            seconds = self._timeout if timeout is None else timeout
            return self._thread.run(self._handed.carry_out(call), seconds)
        return self._handed.queue.hand_over(
            method, before, records, many, timeout, options, drop=self._drop
        )
