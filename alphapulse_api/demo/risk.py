"""The risk agent: halves volatile positions, and raises alerts when a limit is crossed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from alphapulse_api.demo.agents import Signal
from alphapulse_api.demo.ledger import Ledger
from alphapulse_api.demo.performance import annualised_volatility, daily_returns

__all__ = ["ACCOUNT", "RULES", "Alert", "RiskAgent", "RiskMonitor", "Rule"]

ACCOUNT = "account"
"""The subject of a reading of the whole account."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit on a reading; the alert clears only at `clears_below`, so it does not flicker."""

    rule_id: str
    metric_name: str
    threshold: float
    clears_below: float
    severity: str
    title: str
    message: str


_DRAWDOWN = "The {subject} is {value:.2%} below its highest value; the limit is {limit:.0%}"
_WEIGHT = "{subject} is {value:.2%} of the account; the limit is {limit:.0%}"
_VOLATILITY = "{subject} moves by {value:.1%} a year; the limit is {limit:.0%}"
_LOSS = "The {subject} lost {value:.2%} today; the limit is {limit:.0%}"

RULES = (
    Rule("drawdown-5", "current_drawdown", 0.05, 0.03, "warning", "Drawdown over 5%", _DRAWDOWN),
    Rule("drawdown-10", "current_drawdown", 0.10, 0.08, "error", "Drawdown over 10%", _DRAWDOWN),
    Rule("drawdown-15", "current_drawdown", 0.15, 0.12, "critical", "Drawdown over 15%", _DRAWDOWN),
    Rule("concentration", "weight", 0.20, 0.18, "warning", "Position over 20%", _WEIGHT),
    Rule("volatility", "volatility", 0.50, 0.40, "warning", "Volatility over 50%", _VOLATILITY),
    Rule("daily-loss", "daily_loss", 0.03, 0.03, "error", "Daily loss over 3%", _LOSS),
)


@dataclass(frozen=True, slots=True)
class Alert:
    """A limit that was crossed, or a report; `key` is unique within a day."""

    key: str
    title: str
    message: str
    severity: str
    rule_id: str
    metric_name: str
    metric_value: float
    threshold: float | None
    tags: tuple[str, ...] = ()


class RiskMonitor:
    """Watches readings against `rules`: one alert from crossing a limit until it clears."""

    __slots__ = ("_rules", "active")

    def __init__(self, rules: Iterable[Rule] = RULES) -> None:
        self._rules = tuple(rules)
        self.active: set[tuple[str, str]] = set()

    def check(self, readings: Mapping[tuple[str, str], float]) -> tuple[list[Alert], list[str]]:
        """Compare readings, by metric name and subject (a symbol, or ACCOUNT), with the rules.

        Returns the alerts to raise, and the keys of those that cleared.
        """
        raised, cleared = [], []
        for rule in self._rules:
            for (metric_name, subject), value in readings.items():
                if metric_name != rule.metric_name:
                    continue
                name = (rule.rule_id, subject)
                if name not in self.active and value > rule.threshold:
                    self.active.add(name)
                    raised.append(_crossed(rule, subject, value))
                elif name in self.active and value <= rule.clears_below:
                    self.active.remove(name)
                    cleared.append(_key(rule, subject))
        return raised, cleared


def _key(rule: Rule, subject: str) -> str:
    return f"{rule.rule_id}-{subject}"


def _crossed(rule: Rule, subject: str, value: float) -> Alert:
    return Alert(
        key=_key(rule, subject),
        title=f"{rule.title}: {subject}",
        message=rule.message.format(subject=subject, value=value, limit=rule.threshold),
        severity=rule.severity,
        rule_id=rule.rule_id,
        metric_name=rule.metric_name,
        metric_value=round(value, 6),
        threshold=rule.threshold,
        tags=("risk", subject),
    )


class RiskAgent:
    """Halves the positions in a symbol while its volatility is over the limit.

    Volatility is of the last 20 daily returns, annualised. Positions return to full size below 40%.
    """

    agent_id = "risk"
    agent_type = "risk"

    WINDOW = 20
    LIMIT, BACK_TO_FULL = 0.50, 0.40
    FULL, REDUCED = Decimal(1), Decimal("0.5")

    def __init__(self, symbols: Iterable[str]) -> None:
        self.scales = dict.fromkeys(symbols, self.FULL)
        self.volatilities: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<RiskAgent {self.scales}>"

    def decide(
        self, histories: Mapping[str, Sequence[float]], account: Ledger, review: bool
    ) -> list[Signal]:
        """Set the day's scales; return a signal per changed symbol, or on a `review` per symbol."""
        signals = []
        for symbol, closes in histories.items():
            volatility = annualised_volatility(daily_returns(closes[-self.WINDOW - 1 :]))
            if volatility is None:
                raise ValueError("volatility needs at least three closes")
            self.volatilities[symbol] = volatility
            before = self.scales[symbol]
            if volatility > self.LIMIT:
                self.scales[symbol] = self.REDUCED
            elif volatility < self.BACK_TO_FULL:
                self.scales[symbol] = self.FULL
            reduce = self.scales[symbol] < before
            if review or self.scales[symbol] != before:
                signals.append(
                    Signal(
                        agent_id=self.agent_id,
                        symbol=symbol,
                        direction=self._direction(account.quantity(symbol), reduce),
                        confidence=round(min(1.0, volatility / self.LIMIT), 4),
                        evidence={
                            "volatility": round(volatility, 4),
                            "scale": float(self.scales[symbol]),
                        },
                        thesis=self._thesis(volatility, self.scales[symbol]),
                    )
                )
        return signals

    def _thesis(self, volatility: float, scale: Decimal) -> str:
        size = "half" if scale < self.FULL else "full"
        return (
            f"The price moves by {volatility:.1%} a year. Over {self.LIMIT:.0%} positions are "
            f"halved, until it is below {self.BACK_TO_FULL:.0%}. They are at {size} size."
        )

    @staticmethod
    def _direction(quantity: Decimal, reduce: bool) -> str:
        if not reduce or not quantity:
            return "hold"
        return "sell" if quantity > 0 else "cover"
