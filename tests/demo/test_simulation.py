"""The demo's trading process over all three years of real prices."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal as D
from itertools import islice, pairwise

import pytest

from alphapulse_api.demo.performance import summary
from alphapulse_api.demo.prices import load_prices, parse_prices
from alphapulse_api.demo.records import Record
from alphapulse_api.demo.simulation import INITIAL_CASH, Simulation, TradingDay
from alphapulse_api.schemas.alerts import AlertRequest
from alphapulse_api.schemas.decisions import DecisionRequest
from alphapulse_api.schemas.metrics import MetricPointRequest
from alphapulse_api.schemas.portfolio import PortfolioRequest
from alphapulse_api.schemas.signals import DIRECTIONS
from alphapulse_api.schemas.trades import TradeRequest


@pytest.fixture(scope="module")
def days() -> list[TradingDay]:
    """The first pass."""
    simulation = Simulation(load_prices())
    return list(islice(simulation, simulation.first_pass))


@pytest.fixture(scope="module")
def passes() -> list[TradingDay]:
    """Three passes: forwards, backwards, forwards."""
    return list(islice(Simulation(load_prices()), 696 + 755 + 755))


def longest_pause(numbers: Iterable[int], end: int) -> int:
    marks = [0, *numbers, end]
    return max(later - earlier for earlier, later in pairwise(marks))


def test_prices_are_the_real_ones() -> None:
    prices = load_prices()
    assert len(prices) == 756
    assert (prices[0].date, prices[-1].date) == (date(2007, 7, 2), date(2010, 6, 30))
    assert prices[0].closes == {
        "AAPL": D("121.26"),
        "GOOG": D("530.38"),
        "IBM": D("105.01"),
        "MSFT": D("29.74"),
    }


def test_prices_with_a_gap_are_refused() -> None:
    lines = ["date,symbol,close", "2008-01-02,A,1", "2008-01-02,B,2", "2008-01-03,A,1"]
    with pytest.raises(ValueError, match="2008-01-03 has other symbols"):
        parse_prices(lines)


def test_days_follow_the_warm_up(days: list[TradingDay]) -> None:
    assert len(days) == Simulation(load_prices()).first_pass == 696
    assert (days[0].place.date, days[-1].place.date) == (date(2007, 9, 26), date(2010, 6, 30))
    assert [day.number for day in days] == list(range(696))


def test_every_iteration_is_the_same(days: list[TradingDay]) -> None:
    for day, again in zip(days[:100], Simulation(load_prices()), strict=False):
        assert day == again


def test_first_days_give_every_resource_something(days: list[TradingDay]) -> None:
    first, second = days[:2]
    assert first.signals
    assert first.alerts
    assert first.metrics
    assert first.agents.keys() == {
        "allocation", "momentum", "mean-reversion", "risk", "coin-flip", "manager",
    }  # fmt: skip
    assert first.system
    assert first.portfolio["total_value"] == INITIAL_CASH
    assert second.trades
    assert second.portfolio["positions"]


def test_no_channel_is_silent_for_ten_seconds_at_the_default_speed(days: list[TradingDay]) -> None:
    assert longest_pause((day.number for day in days if day.trades), len(days)) <= 20
    assert longest_pause((day.number for day in days if day.alerts), len(days)) <= 20
    assert all(day.metrics and day.portfolio for day in days)


def test_value_is_cash_and_positions_to_the_last_digit(days: list[TradingDay]) -> None:
    for day in days:
        positions = day.portfolio["positions"]
        assert day.portfolio["total_value"] == day.portfolio["cash"] + sum(
            position["value"] for position in positions
        )
        for position in positions:
            sign = 1 if position["side"] == "long" else -1
            assert position["value"] == sign * position["quantity"] * position["current_price"]


def test_cash_is_what_the_trades_left(passes: list[TradingDay]) -> None:
    cash = INITIAL_CASH
    for day in passes:
        for trade in day.trades:
            cash += trade["value"] * (1 if trade["side"] == "sell" else -1) - trade["fee"]
        assert day.portfolio["cash"] == cash
        assert cash > 0


def test_agents_share_the_account_s_profit(days: list[TradingDay]) -> None:
    for day in days[::50]:
        profit = sum(agent["metrics"].get("pnl", 0) for agent in day.agents.values())
        assert profit == pytest.approx(float(day.portfolio["total_value"] - INITIAL_CASH))


def test_orders_fill_at_the_close_of_the_day_after_the_decision(days: list[TradingDay]) -> None:
    closes = {prices.date: prices.closes for prices in load_prices()}
    for yesterday, today in pairwise(days):
        for trade in today.trades:
            assert trade["price"] == closes[today.place.date][trade["symbol"]]
            assert trade["order_id"].startswith(f"demo-0-{yesterday.place.date}")


@pytest.mark.parametrize("book", ["main", "paper"])
def test_every_trade_follows_from_a_decision_of_its_book(days: list[TradingDay], book: str) -> None:
    decided: dict[str, Record] = {}
    for day in days:
        run = day if book == "main" else day.paper
        ordered: dict[str, D] = {}
        for trade in run.trades:
            assert trade["book"] == book
            ordered.setdefault(trade["decision_id"], D(0))
            sign = 1 if trade["side"] == "buy" else -1
            ordered[trade["decision_id"]] += sign * trade["quantity"]
        for id_, quantity in ordered.items():
            decision = decided.pop(id_)
            assert decision["outcome"] == "ordered"
            assert decision["targets"][0]["quantity"] == quantity
        assert not [d for d in decided.values() if d["outcome"] == "ordered"], "nothing forgotten"
        decided = {decision["id"]: decision for decision in run.decisions}


def test_decisions_say_what_the_agents_thought_and_what_risk_cut(days: list[TradingDay]) -> None:
    decisions = [decision for day in days for decision in day.decisions]
    assert all(signal["thesis"] for decision in decisions for signal in decision["signals"])
    cut = [decision for decision in decisions if decision["constraints"]]
    assert cut
    for decision in decisions:
        (target,) = decision["targets"]
        for constraint in decision["constraints"]:
            assert abs(constraint["after"]) < abs(constraint["before"])
            assert float(constraint["after"]) == target["weight_target"]
        for vote in decision["votes"]:
            assert (vote["weight"] == 0) == (vote["agent_id"] == "coin-flip")
    assert not any(decision["constraints"] for day in days for decision in day.paper.decisions)


def test_the_paper_book_has_money_of_its_own(days: list[TradingDay]) -> None:
    cash = INITIAL_CASH
    for day in days:
        for trade in day.paper.trades:
            cash += trade["value"] * (1 if trade["side"] == "sell" else -1) - trade["fee"]
        portfolio = day.paper.portfolio
        assert portfolio["cash"] == cash
        assert portfolio["total_value"] == cash + sum(p["value"] for p in portfolio["positions"])
        assert portfolio["total_value"] > 0


def test_the_crash_of_2008_is_felt(days: list[TradingDay]) -> None:
    drawdowns = {
        alert["rule_id"]: day.place.date
        for day in days
        for alert in day.alerts
        if alert["rule_id"].startswith("drawdown")
    }
    assert drawdowns.keys() == {"drawdown-5", "drawdown-10", "drawdown-15"}
    assert drawdowns["drawdown-15"] == date(2008, 10, 9)
    assert days[-1].portfolio["performance"]["max_drawdown"] == pytest.approx(0.156, abs=0.001)
    assert days[-1].portfolio["total_value"] == D("127629.1364")


def test_alerts_clear_after_they_were_raised(passes: list[TradingDay]) -> None:
    active: set[str] = set()
    for day in passes:
        active.update(alert["id"] for alert in day.alerts)
        for alert_id in day.cleared:
            active.remove(alert_id)
        assert len(active) <= 10


def test_ids_are_unique_over_all_passes(passes: list[TradingDay]) -> None:
    for kind in ("decisions", "signals", "trades", "alerts"):
        ids = [record["id"] for day in passes for record in getattr(day, kind)]
        assert len(ids) == len(set(ids))


def test_all_usual_metric_types_are_used(days: list[TradingDay]) -> None:
    types = {point["metric_type"] for point in days[10].metrics}
    assert types == {"performance", "risk", "trade", "agent", "system", "price"}
    series = [
        (point["metric_type"], point["name"], str(point["labels"])) for point in days[10].metrics
    ]
    assert len(series) == len(set(series))


def test_records_are_what_the_schemas_take(days: list[TradingDay]) -> None:
    for day in days[::10]:
        MetricPointRequest(many=True).load(day.metrics)
        TradeRequest(many=True).load([*day.trades, *day.paper.trades])
        DecisionRequest(many=True).load([*day.decisions, *day.paper.decisions])
        AlertRequest(many=True).load(day.alerts)
        assert {signal["direction"] for signal in day.signals} <= set(DIRECTIONS)
        positions = [
            {name: value for name, value in position.items() if name != "opened_on_day"}
            for position in day.portfolio["positions"]
        ]
        PortfolioRequest().load({**day.portfolio, "positions": positions})


def test_the_curve_is_one_account_s_over_all_passes(passes: list[TradingDay]) -> None:
    values = [float(day.portfolio["total_value"]) for day in passes]
    assert max(abs(later / earlier - 1) for earlier, later in pairwise(values)) < 0.05
    ends = passes[695], passes[696], passes[1450], passes[1451]
    assert [str(day.place) for day in ends] == [
        "2010-06-30, pass 1, forwards in time",
        "2010-06-29, pass 2, backwards in time",
        "2007-07-02, pass 2, backwards in time",
        "2007-07-03, pass 3, forwards in time",
    ]


def test_figures_are_those_of_the_whole_curve(passes: list[TradingDay]) -> None:
    values: list[float] = []
    for day in passes:
        values.append(float(day.portfolio["total_value"]))
        if day.number % 300 == 299:
            assert day.portfolio["performance"] == pytest.approx(summary(values))


def test_prices_value_and_state_stay_in_bounds() -> None:
    simulation, early = Simulation(load_prices()), 0
    for day in islice(simulation, 3_800):
        for position in day.portfolio["positions"]:
            assert D(10) < position["current_price"] < D(800)
        assert D(50_000) < day.portfolio["total_value"] < D(1_000_000)
        early = early or (len(simulation.state) if day.number == 1_000 else 0)
    assert len(simulation.state) < 1.3 * early


def test_a_simulation_goes_on_from_its_state() -> None:
    simulation = Simulation(load_prices())
    for _ in islice(simulation, 700):
        pass
    again = Simulation(load_prices(), simulation.state)
    assert list(islice(again, 20)) == list(islice(simulation, 20))
