"""The figures of a track record, equal to those of scipy and scikit-learn."""

from __future__ import annotations

import random

import pytest

from alphapulse_api.domain.track_record.figures import calibration, figures_of
from alphapulse_api.domain.track_record.intervals import mean, rank_correlation, share
from alphapulse_api.domain.track_record.outcomes import Outcome, call_of, stated_of
from tests.domain.track_record.agents import Market


@pytest.mark.parametrize("count", [1, 7, 400])
def test_figures_equal_those_of_scipy_and_scikit_learn(count: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    metrics = pytest.importorskip("sklearn.metrics")
    curves = pytest.importorskip("sklearn.calibration")
    generator = random.Random(count)
    stated = [round(generator.random(), generator.choice([1, 3])) for _ in range(count)]
    hits = [generator.random() < each for each in stated]
    changes = [round(generator.gauss(0, 0.02), 2) for _ in range(count)]
    hit_rate = share(sum(hits), count)
    assert hit_rate is not None
    interval = stats.binomtest(sum(hits), count).proportion_ci(method="wilson")
    assert hit_rate == pytest.approx((sum(hits) / count, interval.low, interval.high))
    brier = mean([(p - hit) ** 2 for p, hit in zip(stated, hits, strict=True)])
    assert brier is not None
    assert brier.value == pytest.approx(metrics.brier_score_loss(hits, stated, pos_label=True))
    if count > 1:
        error = stats.sem([(p - hit) ** 2 for p, hit in zip(stated, hits, strict=True)])
        assert brier[1:] == pytest.approx(stats.norm.interval(0.95, brier.value, error))
        correlation = rank_correlation(stated, changes)
        assert correlation is not None
        assert correlation.value == pytest.approx(stats.spearmanr(stated, changes).statistic)
    happened, predicted = curves.calibration_curve(hits, stated, n_bins=10, pos_label=True)
    bins = calibration(list(zip(stated, hits, strict=True)))
    assert [each.happened.value for each in bins] == pytest.approx(list(happened))
    assert [each.stated for each in bins] == pytest.approx(list(predicted))


def test_no_outcomes_have_no_figures() -> None:
    empty = figures_of([], 0.001)
    assert empty.outcomes == 0
    assert (empty.hit_rate, empty.base_rate, empty.brier_score, empty.mean_return) == (None,) * 4
    assert empty.calibration == []


def test_an_unchanged_price_is_no_hit_and_a_fall_is_one_of_a_call_down() -> None:
    assert not Outcome("A", 0, 1, 1, 0.0).hit
    assert Outcome("A", 0, 1, -1, -0.1).hit


def test_the_base_rate_is_that_of_the_windows_before() -> None:
    assert Outcome("A", 0, 1, 1, 0.1, rises=19, falls=9, windows=28).base_rate == 20 / 30
    assert Outcome("A", 0, 1, -1, 0.1, rises=19, falls=9, windows=28).base_rate == 10 / 30


def test_costs_are_taken_from_each_return() -> None:
    figures = figures_of([Outcome("A", 0, 1, -1, -0.02), Outcome("A", 1, 2, 1, 0.01)], 0.001)
    assert figures.mean_return is not None
    assert figures.mean_return_after_cost is not None
    assert figures.mean_return.value == pytest.approx(0.015)
    assert figures.mean_return_after_cost.value == pytest.approx(0.014)
    assert figures_of([Outcome("A", 0, 1, 1, 0.1)], None).mean_return_after_cost is None


def test_a_skilled_agent_hits_more_often_than_the_base_rate() -> None:
    figures = figures_of(Market(5).agent(6, skill=0.6), None)
    assert figures.hit_rate is not None
    assert figures.base_rate is not None
    assert figures.base_rate.value is not None
    assert figures.hit_rate.low is not None
    assert figures.hit_rate.low > figures.base_rate.value + 0.2


def test_words_and_numbers_of_signals_become_calls_and_probabilities() -> None:
    assert [call_of(each) for each in ("buy", "cover", "sell", "short", "hold")] == [
        1, 1, -1, -1, None,
    ]  # fmt: skip
    assert stated_of(0.7, -1.0) == 0.7
    assert stated_of(None, -0.5) == 0.75
    assert stated_of(None, None) is None
