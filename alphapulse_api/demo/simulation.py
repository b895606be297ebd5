"""The trading process itself: prices in, a day's records out. No clock, no I/O, no randomness."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from alphapulse_api.demo.agents import Allocation, MeanReversion, Momentum
from alphapulse_api.demo.manager import Manager, Order
from alphapulse_api.demo.measures import (
    Close,
    agent_records,
    metric_records,
    risk_readings,
    system_records,
)
from alphapulse_api.demo.performance import daily_returns, summary
from alphapulse_api.demo.prices import PriceDay
from alphapulse_api.demo.records import (
    Record,
    alert_record,
    portfolio_record,
    signal_record,
    trade_record,
)
from alphapulse_api.demo.risk import Alert, RiskAgent, RiskMonitor

__all__ = ["INITIAL_CASH", "WARM_UP", "Simulation", "TradingDay"]

INITIAL_CASH = Decimal("100000.00")
WARM_UP = 60
"""Trading days that only fill the agents' averages, the longest of which is 50 days."""

WEEKLY_REPORT = "weekly-report"


@dataclass(frozen=True, slots=True)
class TradingDay:
    """All records of one day, as the Feed takes them, but with no timestamps.

    Ids are unique within one run over the prices; positions say `opened_on_day`, a number of a
    trading day, where the Feed wants `opened_at`. `cleared` holds the ids of alerts whose cause is
    gone, to be resolved after the day's own alerts were raised.
    """

    number: int
    date: date
    signals: Sequence[Record]
    trades: Sequence[Record]
    alerts: Sequence[Record]
    cleared: Sequence[str]
    portfolio: Record
    metrics: Sequence[Record]
    agents: Mapping[str, Record]
    system: Sequence[Record]
    trades_so_far: int


class Simulation:
    """Replays `prices` with fresh cash, the same way every time it is iterated.

    Orders are decided on one day's closes and fill at the next day's, so that no decision knows
    the price it gets. On the first day of a week, positions are brought back to their targets and
    the week before is reported.
    """

    __slots__ = ("_prices",)

    def __init__(self, prices: Sequence[PriceDay]) -> None:
        if len(prices) <= WARM_UP:
            raise ValueError(f"{len(prices)} days of prices are not more than the {WARM_UP} needed")
        self._prices = prices

    def __repr__(self) -> str:
        return f"<Simulation {self._prices[0].date} to {self._prices[-1].date}>"

    def __len__(self) -> int:
        return len(self._prices) - WARM_UP

    def __iter__(self) -> Iterator[TradingDay]:
        run = _Run(self._prices[:WARM_UP])
        for prices in self._prices[WARM_UP:]:
            yield run.trade(prices, last=prices is self._prices[-1])


class _Run:
    """One pass over the prices: everything that carries over from day to day."""

    __slots__ = (
        "_equities",
        "_histories",
        "_manager",
        "_monitor",
        "_number",
        "_open_alerts",
        "_orders",
        "_reported_value",
        "_risk",
        "_yesterday",
    )

    def __init__(self, warm_up: Sequence[PriceDay]) -> None:
        symbols = sorted(warm_up[0].closes)
        self._histories = {
            symbol: [float(day.closes[symbol]) for day in warm_up] for symbol in symbols
        }
        self._manager = Manager(
            [Allocation(symbols), Momentum(symbols), MeanReversion(symbols)], INITIAL_CASH
        )
        self._risk = RiskAgent(symbols)
        self._monitor = RiskMonitor()
        self._orders: list[Order] = []
        self._equities: list[float] = []
        self._reported_value = float(INITIAL_CASH)
        self._open_alerts: dict[str, str] = {}
        self._number = 0
        self._yesterday = warm_up[-1].date

    def trade(self, prices: PriceDay, *, last: bool) -> TradingDay:
        """Fill yesterday's orders, let the agents decide on today's closes, and record the day.

        The `last` day leaves no alert open: nobody will watch over its cause any more.
        """
        review = self._number == 0 or _week(prices.date) != _week(self._yesterday)
        close = self._close(prices, review)
        alerts, cleared = self._alerts(close, prices.date, review)
        if last:
            cleared += self._open_alerts.values()
        day = TradingDay(
            number=self._number,
            date=prices.date,
            signals=[signal_record(signal, prices.date) for signal in close.signals],
            trades=[trade_record(execution, prices.date) for execution in close.executions],
            alerts=alerts,
            cleared=cleared,
            portfolio=portfolio_record(self._manager.account, prices.closes, close.performance),
            metrics=metric_records(close),
            agents=agent_records(close),
            system=system_records(close, len(self._monitor.active)),
            trades_so_far=self._manager.account.fills,
        )
        self._number += 1
        self._yesterday = prices.date
        return day

    def _close(self, prices: PriceDay, review: bool) -> Close:
        manager, risk = self._manager, self._risk
        for symbol, history in self._histories.items():
            history.append(float(prices.closes[symbol]))
        executions = manager.execute(self._orders, prices.closes, self._number)
        self._equities.append(float(manager.account.equity(prices.closes)))
        signals = [
            signal for agent in manager.agents for signal in agent.decide(self._histories, review)
        ]
        signals += risk.decide(self._histories, manager.account, review)
        self._orders = manager.orders(prices, risk.scales, review)
        return Close(
            closes=prices.closes,
            manager=manager,
            risk=risk,
            performance=summary(self._equities),
            daily_return=(daily_returns(self._equities[-2:]) or [0.0])[0],
            executions=executions,
            signals=signals,
            orders=self._orders,
        )

    def _alerts(self, close: Close, day: date, review: bool) -> tuple[list[Record], list[str]]:
        raised, cleared_keys = self._monitor.check(risk_readings(close))
        if review:
            raised.append(self._weekly_report(close))
            cleared_keys += [WEEKLY_REPORT] if WEEKLY_REPORT in self._open_alerts else []
        cleared = [self._open_alerts.pop(key) for key in cleared_keys]
        records = [alert_record(alert, self._risk.agent_id, day) for alert in raised]
        for alert, record in zip(raised, records, strict=True):
            self._open_alerts[alert.key] = record["id"]
        return records, cleared

    def _weekly_report(self, close: Close) -> Alert:
        change = close.equity / self._reported_value - 1
        self._reported_value = close.equity
        drawdown = close.performance.get("current_drawdown", 0.0)
        return Alert(
            key=WEEKLY_REPORT,
            title="Weekly report",
            message=(
                f"The account is worth {close.equity:,.2f} USD, {change:+.2%} since the last "
                f"report and {drawdown:.2%} below its highest value"
            ),
            severity="info",
            rule_id=WEEKLY_REPORT,
            metric_name="total_value",
            metric_value=close.equity,
            threshold=None,
            tags=("report",),
        )


def _week(day: date) -> tuple[int, int]:
    return day.isocalendar()[:2]
