"""The trading process itself: prices in, a day's records out. No clock, no I/O, no randomness."""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from alphapulse_api.demo.agents import Allocation, CoinFlip, MeanReversion, Momentum
from alphapulse_api.demo.manager import Manager, Order
from alphapulse_api.demo.measures import (
    Close,
    agent_records,
    metric_records,
    risk_readings,
    system_records,
)
from alphapulse_api.demo.paper import PaperDay, PaperRun
from alphapulse_api.demo.performance import Performance
from alphapulse_api.demo.prices import PriceDay
from alphapulse_api.demo.records import (
    Record,
    alert_record,
    decision_record,
    portfolio_record,
    trade_record,
)
from alphapulse_api.demo.risk import Alert, RiskAgent, RiskMonitor
from alphapulse_api.domain.books import MAIN

__all__ = ["INITIAL_CASH", "WARM_UP", "Place", "Simulation", "TradingDay"]

INITIAL_CASH = Decimal("100000.00")
WARM_UP = 60
"""Trading days that only fill the agents' averages; the longest average takes 50 days."""

WEEKLY_REPORT = "weekly-report"


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a day in history: its date, and the pass over the prices, from 0."""

    date: date
    pass_number: int
    backwards: bool

    def __str__(self) -> str:
        way = "backwards" if self.backwards else "forwards"
        return f"{self.date}, pass {self.pass_number + 1}, {way} in time"


@dataclass(frozen=True, slots=True)
class TradingDay:
    """All records of one day, as the Feed takes them, but without timestamps.

    Ids are unique over all passes. Decisions contain their signals. Positions have `opened_on_day`,
    the number of a trading day, where the Feed takes `opened_at`. `cleared` has the ids of alerts
    to resolve after the day's new alerts are raised. `paper` is the same day in the paper book.
    """

    place: Place
    number: int
    decisions: Sequence[Record]
    trades: Sequence[Record]
    alerts: Sequence[Record]
    cleared: Sequence[str]
    portfolio: Record
    metrics: Sequence[Record]
    agents: Mapping[str, Record]
    system: Sequence[Record]
    trades_so_far: int
    paper: PaperDay

    @property
    def signals(self) -> list[Record]:
        """The signals of the main account."""
        return [signal for decision in self.decisions for signal in decision["signals"]]


class Simulation:
    """An endless iterator over trading days: one account, for as long as it runs.

    The first pass replays `prices` forwards. The second goes back over them from the last day to
    the first, the third forwards again, and so on. So every price is real and follows its neighbour
    in history, and prices neither jump between passes nor leave the range of those years. If every
    pass went forwards, without jumps, one share's price would multiply and another's would vanish.

    Orders are decided on one day's closes and fill at the next day's, so no decision knows the
    price it gets. On the first day of a week, positions are rebalanced to their targets and the
    previous week is reported.

    Args:
        prices: the prices of all trading days, more than WARM_UP.
        state: the `state` of an earlier simulation over the same prices, which this one continues.
            It is a pickle, so it must come from a file that nobody else can write.
    """

    __slots__ = ("_prices", "_run")

    def __init__(self, prices: Sequence[PriceDay], state: bytes | None = None) -> None:
        if len(prices) <= WARM_UP:
            raise ValueError(f"{len(prices)} days of prices are not more than the {WARM_UP} needed")
        self._prices = prices
        self._run = pickle.loads(state) if state else _Run(prices[:WARM_UP])  # noqa: S301

    def __repr__(self) -> str:
        return f"<Simulation {self._prices[0].date} to {self._prices[-1].date}>"

    def __iter__(self) -> Iterator[TradingDay]:
        return self

    def __next__(self) -> TradingDay:
        place, prices = self._at(self._run.number)
        return self._run.trade(prices, place)

    @property
    def number(self) -> int:
        """The number of trading days so far."""
        return self._run.number

    @property
    def place(self) -> Place:
        """The position of the next day in history."""
        return self._at(self.number)[0]

    @property
    def first_pass(self) -> int:
        """The number of trading days of the first pass, after the warm-up."""
        return len(self._prices) - WARM_UP

    @property
    def state(self) -> bytes:
        """Everything that carries over to the next day."""
        return pickle.dumps(self._run)

    def _at(self, number: int) -> tuple[Place, PriceDay]:
        """The position of a trading day in history. The day where two passes meet occurs once."""
        if number < self.first_pass:
            prices = self._prices[WARM_UP + number]
            return Place(prices.date, 0, backwards=False), prices
        passes, step = divmod(number - self.first_pass, len(self._prices) - 1)
        backwards = passes % 2 == 0
        prices = self._prices[-2 - step] if backwards else self._prices[1 + step]
        return Place(prices.date, passes + 1, backwards=backwards), prices


class _Run:
    """Everything that carries over from day to day; it does not grow."""

    __slots__ = (
        "_coin",
        "_histories",
        "_manager",
        "_monitor",
        "_open_alerts",
        "_orders",
        "_paper",
        "_performance",
        "_reported_value",
        "_risk",
        "_yesterday",
        "number",
    )

    def __init__(self, warm_up: Sequence[PriceDay]) -> None:
        symbols = sorted(warm_up[0].closes)
        self._histories = {
            symbol: [float(day.closes[symbol]) for day in warm_up] for symbol in symbols
        }
        momentum = Momentum(symbols)
        self._manager = Manager(
            [Allocation(symbols), momentum, MeanReversion(symbols)], INITIAL_CASH
        )
        self._paper = PaperRun(momentum, INITIAL_CASH)
        self._coin = CoinFlip(symbols)
        self._risk = RiskAgent(symbols)
        self._monitor = RiskMonitor()
        self._orders: list[Order] = []
        self._performance = Performance()
        self._reported_value = float(INITIAL_CASH)
        self._open_alerts: dict[str, str] = {}
        self.number = 0
        self._yesterday = warm_up[-1].date

    def trade(self, prices: PriceDay, place: Place) -> TradingDay:
        """Fill yesterday's orders, let the agents decide on today's closes, and record the day."""
        date, prefix = place.date, f"demo-{place.pass_number}-"
        review = self.number == 0 or _week(date) != _week(self._yesterday)
        close = self._close(prices, review, f"{prefix}{date}")
        paper = self._paper.trade(prices, close.signals, review, self.number, prefix)
        alerts, cleared = self._alerts(close, place, review)
        day = TradingDay(
            place=place,
            number=self.number,
            decisions=[decision_record(each, date, prefix, MAIN) for each in close.decisions],
            trades=[trade_record(each, date, prefix, MAIN) for each in close.executions],
            alerts=alerts,
            cleared=cleared,
            portfolio=portfolio_record(
                self._manager.account, prices.closes, close.performance, MAIN
            ),
            metrics=metric_records(close),
            agents=agent_records(close),
            system=system_records(close, len(self._monitor.active)),
            trades_so_far=self._manager.account.fills,
            paper=paper,
        )
        self.number += 1
        self._yesterday = date
        return day

    def _close(self, prices: PriceDay, review: bool, cycle_id: str) -> Close:
        manager, risk = self._manager, self._risk
        for symbol, history in self._histories.items():
            history.append(float(prices.closes[symbol]))
            del history[:-WARM_UP]
        executions = manager.execute(self._orders, prices.closes, self.number)
        self._performance.add(float(manager.account.equity(prices.closes)))
        signals = [
            signal
            for agent in (*manager.agents, self._coin)
            for signal in agent.decide(self._histories, review)
        ]
        signals += risk.decide(self._histories, manager.account, review)
        self._orders = manager.orders(prices, risk.scales, review, cycle_id)
        return Close(
            closes=prices.closes,
            manager=manager,
            risk=risk,
            performance=self._performance.summary(),
            daily_return=self._performance.last_return,
            executions=executions,
            signals=signals,
            orders=self._orders,
            decisions=manager.decisions(prices, signals, risk.scales, self._orders, cycle_id),
            coin=self._coin,
        )

    def _alerts(self, close: Close, place: Place, review: bool) -> tuple[list[Record], list[str]]:
        raised, cleared_keys = self._monitor.check(risk_readings(close))
        if review:
            raised.append(self._weekly_report(close))
            cleared_keys += [WEEKLY_REPORT] if WEEKLY_REPORT in self._open_alerts else []
        cleared = [self._open_alerts.pop(key) for key in cleared_keys]
        prefix = f"demo-{place.pass_number}-"
        source = self._risk.agent_id
        records = [alert_record(alert, source, place.date, prefix) for alert in raised]
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
