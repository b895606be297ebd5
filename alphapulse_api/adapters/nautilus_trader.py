"""nautilus_trader: an actor that records a running node or a backtest.

    node.trader.add_actor(DashboardActor(feed))      # a TradingNode
    engine.add_actor(DashboardActor(feed))           # a BacktestEngine

Each order becomes a trade that is updated with its events and fills. Position events, account
events and a timer update the portfolio, with unrealised profit. A closed position records its
profit as a metric. Warnings in the log become alerts if nautilus_trader writes them to a file:

    LoggingConfig(
        log_level_file="WARNING", log_file_format="json", log_directory="logs", log_file_name="node"
    )
    DashboardActor(feed, log_file="logs/node.json")
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from alphapulse_api.adapters.missing import missing
from alphapulse_api.adapters.nautilus_log import JsonLog
from alphapulse_api.adapters.nautilus_records import REFUSALS, profit_of, refusal_of, trade_of
from alphapulse_api.adapters.nautilus_valuation import Valuation
from alphapulse_api.adapters.sending import BACKTEST_PATIENCE, Sender
from alphapulse_api.embed.feed import HostFeed

try:
    from nautilus_trader.common.actor import Actor
    from nautilus_trader.common.component import TestClock, flush_logger
    from nautilus_trader.common.config import ActorConfig
    from nautilus_trader.model.enums import PriceType
    from nautilus_trader.model.objects import Currency
except ModuleNotFoundError as error:
    raise missing("nautilus_trader", error) from None

__all__ = ["DashboardActor"]

TIMER: Final = "alphapulse-dashboard"
_ORDERS: Final = "events.order."
# Events that change an order's state or filled quantity.
_STATES: Final = frozenset(
    {
        "OrderSubmitted", "OrderAccepted", "OrderFilled", "OrderCanceled", "OrderExpired",
        "OrderRejected", "OrderDenied",
    }
)  # fmt: skip
_AGENT_STATES: Final = {
    "READY": "initializing", "STARTING": "initializing", "RUNNING": "active",
    "DEGRADED": "error", "FAULTED": "error", "STOPPED": "stopped", "DISPOSED": "stopped",
}  # fmt: skip


class DashboardActor(Actor):
    """Records the activity of a node or an engine on a dashboard.

    Add it before the node or the engine runs. In live trading it never waits for the database. No
    fault of the dashboard reaches the engine; `failed` counts the calls that failed.

    Args:
        feed: the feed of `Dashboard.in_process` or `Dashboard.in_thread`.
        currency: the code of the portfolio's currency; default: the base currency of the first
            account, or the currency of its first balance.
        every: the interval between portfolios without an event, by the engine's clock.
        run: the prefix of the ids of trades and alerts. A backtest with different orders needs a
            different one.
        log_file: nautilus_trader's JSON log file. Its warnings and errors become alerts within
            twice `every`. Without it, alerts are raised for refused orders and requests.
    """

    def __init__(
        self,
        feed: HostFeed,
        *,
        currency: str | None = None,
        every: timedelta = timedelta(minutes=1),
        run: str | None = None,
        log_file: str | Path | None = None,
    ) -> None:
        super().__init__(ActorConfig(component_id="AlphaPulseDashboard"))
        self._sender = Sender(feed, self.log.warning)
        self._currency_code = currency
        self._every = every
        self._run = () if run is None else (run,)
        self._watched: set[str] = set()
        self._valuation: Valuation | None = None
        self._warnings = None if log_file is None else JsonLog(Path(log_file))

    @property
    def failed(self) -> int:
        """Calls that did not reach the dashboard."""
        return self._sender.failed

    def register_base(self, portfolio: Any, msgbus: Any, cache: Any, clock: Any) -> None:
        """Subscribe to the engine's events.

        It must happen this early: nautilus_trader matches a pattern only against topics that are
        first published after it, and a node publishes orders and accounts before its actors start.
        """
        super().register_base(portfolio, msgbus, cache, clock)
        if isinstance(clock, TestClock):
            self._sender.patience = BACKTEST_PATIENCE
        msgbus.subscribe(f"{_ORDERS}*", self._guarded(self._on_order))
        msgbus.subscribe("events.position.*", self._guarded(self._on_position))
        msgbus.subscribe("events.account.*", self._guarded(self._on_account))

    def on_start(self) -> None:
        """Watch the strategies, and start the timer."""
        self._watch_strategies()
        self.clock.set_timer(TIMER, self._every, callback=self._guarded(self._on_time))

    def on_stop(self) -> None:
        """Record the last portfolio and the last warnings of the log."""
        self.clock.cancel_timer(TIMER)
        self._guarded(self._on_time)(None)

    def _guarded(self, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        def guarded(event: Any) -> None:
            with self._sender.guarded():
                handler(event)

        return guarded

    def _watch_strategies(self) -> None:
        """Subscribe to the states of the strategies, which are found by their order topics."""
        topics = [topic for topic in self.msgbus.topics() if topic.startswith(_ORDERS)]
        for name in (topic.removeprefix(_ORDERS) for topic in topics):
            if "*" not in name and name not in self._watched:
                self._watched.add(name)
                self.msgbus.subscribe(f"events.system.{name}", self._guarded(self._on_strategy))

    def _on_order(self, event: Any) -> None:
        kind = type(event).__name__
        order = self.cache.order(event.client_order_id)
        if order is not None and kind in _STATES:
            self._sender.send("record_trade", trade_of(order, event, *self._run))
        if kind in REFUSALS and self._warnings is None:
            self._sender.send("raise_alert", refusal_of(event, *self._run))

    def _on_position(self, event: Any) -> None:
        if type(event).__name__ == "PositionClosed":
            self._sender.send("record_metrics", profit_of(event))
        self._show()

    def _on_account(self, event: Any) -> None:
        self._show()

    def _on_strategy(self, event: Any) -> None:
        state = _AGENT_STATES.get(event.state.name)
        if state is not None:
            update = {"agent_type": "strategy", "state": state}
            self._sender.send("update_agent", event.component_id.value, update)

    def _on_time(self, event: Any) -> None:
        self._watch_strategies()
        self._show()
        if self._warnings is not None:
            flush_logger()  # asynchronous: what it has not written yet is read next time
            for alert in self._warnings.alerts(*self._run):
                self._sender.send("raise_alert", alert)

    def _show(self) -> None:
        accounts = self.cache.accounts()
        if not accounts:
            return
        if self._valuation is None:
            self._valuation = Valuation(self.cache, self._currency(accounts[0]), PriceType)
        record = self._valuation.portfolio(accounts, self.clock.timestamp_ns())
        self._sender.send("update_portfolio", record)

    def _currency(self, account: Any) -> Any:
        known = {currency.code: currency for currency in account.currencies()}
        if self._currency_code is None:
            return account.base_currency or next(iter(known.values()))
        return known.get(self._currency_code) or Currency.from_str(self._currency_code)
