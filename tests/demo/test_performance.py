"""The measures of an equity curve, against numbers worked out by hand."""

import math

import pytest

from alphapulse_api.demo import performance as p

YEAR = math.sqrt(252)


def test_daily_returns_are_simple_returns() -> None:
    assert p.daily_returns([100.0, 110.0, 99.0]) == pytest.approx([0.1, -0.1])


def test_total_return_compares_last_with_first() -> None:
    assert p.total_return([100.0, 150.0, 125.0]) == pytest.approx(0.25)


def test_volatility_is_the_sample_deviation_of_a_year() -> None:
    # Mean 0.01, squared distances 0.0004, 0, 0.0004: variance 0.0008 / 2.
    assert p.annualised_volatility([-0.01, 0.01, 0.03]) == pytest.approx(0.02 * YEAR)


def test_sharpe_ratio_divides_the_mean_by_the_sample_deviation() -> None:
    assert p.sharpe_ratio([-0.01, 0.01, 0.03]) == pytest.approx(0.01 / 0.02 * YEAR)
    assert p.sharpe_ratio([-0.01, 0.01, 0.03], risk_free=0.005) == pytest.approx(0.25 * YEAR)


def test_sortino_ratio_takes_the_downside_over_all_returns() -> None:
    # One loss of 0.02 among four: sqrt(0.0004 / 4) is 0.01; the mean is 0.015.
    assert p.sortino_ratio([-0.02, 0.02, 0.04, 0.02]) == pytest.approx(1.5 * YEAR)
    # Against a target of 0.02 only -0.02 falls short, by 0.04: sqrt(0.0016 / 4) is 0.02.
    assert p.sortino_ratio([-0.02, 0.02, 0.04, 0.02], target=0.02) == pytest.approx(-0.25 * YEAR)


def test_drawdowns_are_fractions_of_the_peak() -> None:
    values = [100.0, 120.0, 90.0, 108.0]
    assert p.max_drawdown(values) == pytest.approx(0.25)
    assert p.current_drawdown(values) == pytest.approx(0.1)
    assert p.max_drawdown([1.0, 2.0, 3.0]) == 0.0


def test_what_the_numbers_do_not_determine_is_none() -> None:
    assert p.total_return([100.0]) is None
    assert p.max_drawdown([]) is None
    assert p.current_drawdown([100.0]) is None
    assert p.annualised_volatility([0.01]) is None
    assert p.sharpe_ratio([0.01]) is None
    assert p.sortino_ratio([0.01]) is None


def test_without_deviation_there_is_no_ratio() -> None:
    assert p.sharpe_ratio([0.1, 0.1, 0.1]) is None
    assert p.sortino_ratio([0.1, 0.2, 0.1]) is None
    assert p.annualised_volatility([0.1, 0.1, 0.1]) == 0.0


def test_summary_leaves_out_what_is_not_determined() -> None:
    assert p.summary([100.0]) == {}
    assert p.summary([100.0, 110.0]) == pytest.approx(
        {"total_return": 0.1, "max_drawdown": 0.0, "current_drawdown": 0.0}
    )


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 5.5], [5.0] * 4, [5.0, 6.0, 4.0, 7.0, 6.5]])
def test_a_curve_that_grows_has_the_measures_of_the_whole_curve(values: list[float]) -> None:
    performance = p.Performance()
    for value in values:
        performance.add(value)
    assert performance.summary() == pytest.approx(p.summary(values))
