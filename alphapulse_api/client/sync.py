"""The client for synchronous code: the same calls, run on an event loop in a thread."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from alphapulse_api.client.client import DashboardClient
from alphapulse_api.client.conversation import Event, Filters, Options, StreamGap
from alphapulse_api.client.pages import Export, Rows
from alphapulse_api.client.stream import EventStream

P = ParamSpec("P")
T = TypeVar("T")


class _LoopThread:
    """An event loop that runs in its own thread."""

    __slots__ = ("_loop", "_thread")

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="alphapulse-client", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of the coroutine; cancel it if the caller is interrupted."""
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("the client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _call(
    method: Callable[Concatenate[DashboardClient, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncDashboardClient, P], T]:
    """Make a method that waits for the client's coroutine."""

    @wraps(method)
    def call(self: SyncDashboardClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._thread.run(method(self._client, *args, **kwargs))

    return call


def _rows(
    method: Callable[Concatenate[DashboardClient, P], Rows[T] | Export[T]],
) -> Callable[Concatenate[SyncDashboardClient, P], Iterator[T]]:
    """Make a listing that requests its pages during iteration."""

    @wraps(method)
    def listing(self: SyncDashboardClient, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        rows = method(self._client, *args, **kwargs)
        while (page := self._thread.run(rows.next_page())) is not None:
            yield from page

    return listing


class SyncDashboardClient:
    """`DashboardClient` for scripts and notebooks: the same arguments, calls, rows and errors.

    It runs in a thread that ends at `close`, or at the end of the `with` block or of the program.

    Example:
        with SyncDashboardClient("http://127.0.0.1:8080", api_key=key) as client:
            client.record_trade({"symbol": "AAPL", "side": "buy", "quantity": 1, "price": 2})
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._client = DashboardClient(url, **options)
        self._thread = _LoopThread()
        self._thread.run(self._client.__aenter__())
        self._close = weakref.finalize(self, _close, self._client, self._thread)

    def __repr__(self) -> str:
        return f"<Sync{repr(self._client)[1:]}"

    def __enter__(self) -> SyncDashboardClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every stream and connection, and end the thread."""
        self._close()

    def stream(
        self,
        *channels: str,
        filters: Filters | None = None,
        options: Options | None = None,
        snapshot: bool = False,
        since: Mapping[str, str] | None = None,
    ) -> SyncStream:
        """Return a stream of the channels' events; see `DashboardClient.stream`."""

        async def begin() -> EventStream:
            return self._client.stream(
                *channels, filters=filters, options=options, snapshot=snapshot, since=since
            )

        return SyncStream(self._thread.run(begin()), self._thread)

    me = _call(DashboardClient.me)
    series = _rows(DashboardClient.series)
    metrics = _rows(DashboardClient.metrics)
    latest_metrics = _rows(DashboardClient.latest_metrics)
    record_metrics = _call(DashboardClient.record_metrics)
    record_metrics_batch = _call(DashboardClient.record_metrics_batch)
    portfolio = _call(DashboardClient.portfolio)
    update_portfolio = _call(DashboardClient.update_portfolio)
    portfolios = _call(DashboardClient.portfolios)
    books = _rows(DashboardClient.books)
    book = _call(DashboardClient.book)
    open_book = _call(DashboardClient.open_book)
    alerts = _rows(DashboardClient.alerts)
    alert = _call(DashboardClient.alert)
    raise_alert = _call(DashboardClient.raise_alert)
    acknowledge_alert = _call(DashboardClient.acknowledge_alert)
    resolve_alert = _call(DashboardClient.resolve_alert)
    trades = _rows(DashboardClient.trades)
    trade = _call(DashboardClient.trade)
    why = _call(DashboardClient.why)
    pnl = _rows(DashboardClient.pnl)
    decisions = _rows(DashboardClient.decisions)
    decision = _call(DashboardClient.decision)
    record_decision = _call(DashboardClient.record_decision)
    record_decisions_batch = _call(DashboardClient.record_decisions_batch)
    usage = _rows(DashboardClient.usage)
    record_usage = _call(DashboardClient.record_usage)
    record_usage_batch = _call(DashboardClient.record_usage_batch)
    record_trade = _call(DashboardClient.record_trade)
    record_trades = _call(DashboardClient.record_trades)
    record_trades_batch = _call(DashboardClient.record_trades_batch)
    agents = _rows(DashboardClient.agents)
    agent = _call(DashboardClient.agent)
    track_record = _call(DashboardClient.track_record)
    signals = _rows(DashboardClient.signals)
    signal = _call(DashboardClient.signal)
    update_agent = _call(DashboardClient.update_agent)
    record_signal = _call(DashboardClient.record_signal)
    system = _rows(DashboardClient.system)
    audit = _rows(DashboardClient.audit)
    notifications = _rows(DashboardClient.notifications)
    silences = _rows(DashboardClient.silences)
    silence = _call(DashboardClient.silence)
    send_command = _call(DashboardClient.send_command)
    halt_agents = _call(DashboardClient.halt_agents)
    sent_commands = _rows(DashboardClient.sent_commands)
    command = _call(DashboardClient.command)
    create_silence = _call(DashboardClient.create_silence)
    end_silence = _call(DashboardClient.end_silence)
    rules = _rows(DashboardClient.rules)
    rule = _call(DashboardClient.rule)
    create_rule = _call(DashboardClient.create_rule)
    put_rule = _call(DashboardClient.put_rule)
    delete_rule = _call(DashboardClient.delete_rule)
    test_rule = _call(DashboardClient.test_rule)
    report_system = _call(DashboardClient.report_system)
    raise_alerts_batch = _call(DashboardClient.raise_alerts_batch)
    record_signals_batch = _call(DashboardClient.record_signals_batch)
    report_system_batch = _call(DashboardClient.report_system_batch)
    import_history = _call(DashboardClient.import_history)
    import_trades = _call(DashboardClient.import_trades)
    import_alerts = _call(DashboardClient.import_alerts)
    import_signals = _call(DashboardClient.import_signals)
    import_decisions = _call(DashboardClient.import_decisions)
    import_metrics = _call(DashboardClient.import_metrics)
    import_system = _call(DashboardClient.import_system)
    export_trades = _rows(DashboardClient.export_trades)
    export_alerts = _rows(DashboardClient.export_alerts)
    export_metrics = _rows(DashboardClient.export_metrics)
    export_signals = _rows(DashboardClient.export_signals)
    export_decisions = _rows(DashboardClient.export_decisions)
    export_system = _rows(DashboardClient.export_system)
    export_commands = _rows(DashboardClient.export_commands)
    export_audit = _rows(DashboardClient.export_audit)
    export_notifications = _rows(DashboardClient.export_notifications)
    export_portfolio_history = _rows(DashboardClient.export_portfolio_history)


class SyncStream:
    """An iterator of `Event` and `StreamGap` that blocks until the next one arrives.

    `with client.stream(…) as stream` returns once the server has confirmed the subscription.
    """

    def __init__(self, stream: EventStream, thread: _LoopThread) -> None:
        self._stream = stream
        self._thread = thread

    @property
    def cursors(self) -> Mapping[str, str]:
        """By channel, the cursor of the newest event handed over."""
        return self._stream.cursors

    def __enter__(self) -> SyncStream:
        self._thread.run(self._stream.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> SyncStream:
        return self

    def __next__(self) -> Event | StreamGap:
        try:
            return self._thread.run(self._stream.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Close the connection; iteration ends."""
        self._thread.run(self._stream.aclose())


def stream(
    url: str,
    *channels: str,
    filters: Filters | None = None,
    options: Options | None = None,
    snapshot: bool = False,
    since: Mapping[str, str] | None = None,
    **client: Any,
) -> Iterator[Event | StreamGap]:
    """`for event in stream("http://127.0.0.1:8080", "trades", api_key=…)`.

    `client` are the arguments of `DashboardClient`. Leaving the loop closes the connection and the
    thread.
    """
    with SyncDashboardClient(url, **client) as opened:
        yield from opened.stream(
            *channels, filters=filters, options=options, snapshot=snapshot, since=since
        )


def _close(client: DashboardClient, thread: _LoopThread) -> None:
    thread.run(client.__aexit__())
    thread.stop()
