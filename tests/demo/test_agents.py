"""The demo's agents, on prices made for the case."""

from decimal import Decimal as D

import pytest

from alphapulse_api.demo.agents import CoinFlip, MeanReversion, Momentum
from alphapulse_api.demo.ledger import Fill, Ledger
from alphapulse_api.demo.risk import ACCOUNT, RiskAgent, RiskMonitor, Rule

RISING = [100.0 + day for day in range(50)]
FALLING = RISING[::-1]


def test_momentum_buys_a_rising_and_shorts_a_falling_price() -> None:
    agent = Momentum(["A", "B"])
    first, second = agent.decide({"A": RISING, "B": FALLING}, review=False)
    assert (first.symbol, first.direction, second.direction) == ("A", "buy", "short")
    assert first.evidence == {"fast_average": 144.5, "slow_average": 124.5}
    assert first.confidence == 1.0  # 16% apart
    assert agent.stances == {"A": 1, "B": -1}


def test_momentum_keeps_its_stance_inside_the_band() -> None:
    agent = Momentum(["A"])
    agent.decide({"A": RISING}, review=False)
    assert agent.decide({"A": [100.0] * 50}, review=False) == []
    assert agent.stances == {"A": 1}


def test_unchanged_stance_is_a_hold_only_on_review() -> None:
    agent = Momentum(["A"])
    agent.decide({"A": RISING}, review=False)
    assert agent.decide({"A": RISING}, review=False) == []
    assert [signal.direction for signal in agent.decide({"A": RISING}, review=True)] == ["hold"]


def test_a_thesis_states_the_rule_that_applied() -> None:
    (signal,) = Momentum(["A"]).decide({"A": FALLING}, review=False)
    assert signal.thesis == (
        "The 10-day average is -16.1% from the 50-day average. "
        "The trend is down, and it follows the trend."
    )
    assert (signal.conviction, signal.horizon) == (-1.0, "PT5S")


def test_the_coin_is_flipped_weekly_and_looks_at_no_price() -> None:
    symbols = [f"S{number}" for number in range(1000)]
    rising, falling = dict.fromkeys(symbols, RISING), dict.fromkeys(symbols, FALLING)
    assert CoinFlip(symbols).decide(rising, review=False) == []
    calls = [
        [signal.direction for signal in CoinFlip(symbols).decide(prices, review=True)]
        for prices in (rising, falling)
    ]
    assert calls[0] == calls[1]
    assert set(calls[0]) == {"buy", "short"}
    assert 450 < calls[0].count("buy") < 550


def test_mean_reversion_buys_two_deviations_below_and_sells_at_the_mean() -> None:
    agent = MeanReversion(["A"])
    base = [99.0, 101.0] * 9 + [100.0]
    (bought,) = agent.decide({"A": [*base, 97.0]}, review=False)
    # Of the twenty: mean 99.85, sample deviation 1.1821.
    assert bought.direction == "buy"
    assert bought.evidence["z_score"] == pytest.approx(-2.411, abs=0.001)
    assert bought.target_price == D("99.85")
    assert bought.stop_loss == D("95.71")
    (sold,) = agent.decide({"A": [*base, 100.5]}, review=False)
    assert (sold.direction, sold.target_price, sold.stop_loss) == ("sell", None, None)


def test_mean_reversion_gives_up_at_its_stop() -> None:
    agent = MeanReversion(["A"])
    base = [99.0, 101.0] * 9 + [100.0]
    agent.decide({"A": [*base, 97.0]}, review=False)
    (given_up,) = agent.decide({"A": [*base, 90.0]}, review=False)
    assert given_up.direction == "sell"
    assert given_up.evidence["z_score"] < -3.5


def test_mean_reversion_has_no_opinion_of_a_price_that_stands_still() -> None:
    agent = MeanReversion(["A"])
    assert agent.decide({"A": [100.0] * 20}, review=False) == []


def test_risk_agent_halves_a_held_symbol_that_swings() -> None:
    calm, wild = [100.0, 100.1] * 11, [100.0, 110.0] * 11
    account = Ledger(D(10_000))
    account.apply(Fill("A", D(10), D(100)), day=0)
    agent = RiskAgent(["A"])
    assert agent.decide({"A": calm}, account, review=False) == []
    (reduced,) = agent.decide({"A": wild}, account, review=False)
    assert (reduced.direction, agent.scales["A"]) == ("sell", D("0.5"))
    (restored,) = agent.decide({"A": calm}, account, review=False)
    assert (restored.direction, agent.scales["A"]) == ("hold", D(1))


def test_monitor_raises_once_until_the_reading_clears() -> None:
    rule = Rule("deep", "drawdown", 0.10, 0.08, "error", "Deep", "{subject}: {value:.0%}")
    monitor = RiskMonitor([rule])

    def check(value: float) -> tuple[list[str], list[str]]:
        raised, cleared = monitor.check({("drawdown", ACCOUNT): value})
        return [alert.message for alert in raised], cleared

    assert check(0.10) == ([], [])
    assert check(0.12) == (["account: 12%"], [])
    assert check(0.15) == ([], [])
    assert check(0.09) == ([], [])
    assert check(0.08) == ([], ["deep-account"])
    assert check(0.11) == (["account: 11%"], [])
