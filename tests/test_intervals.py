"""Intervals are those of the textbooks."""

import numpy as np
import pytest
from scipy import stats

from export.intervals import of_median, wilson


@pytest.mark.parametrize("right, n", [(0, 10), (10, 10), (50, 100), (1, 3), (997, 1000)])
def test_that_of_a_share_is_wilsons(right, n):
    known = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson(right, n) == pytest.approx((known.low, known.high), abs=1e-7)


@pytest.mark.parametrize("n", [6, 7, 15, 50, 200])
def test_that_of_a_median_lies_between_the_sorted_values_that_the_binomial_tells(n):
    values = np.random.default_rng(n).permutation(n)  # value k is the k-th from below
    low, high = of_median(values)
    assert low + high == n - 1  # as far from either end
    missed = 2 * stats.binom.cdf(low, n, 0.5)
    assert missed <= 0.05 < 2 * stats.binom.cdf(low + 1, n, 0.5)


def test_too_few_values_leave_no_interval():
    assert of_median([1.0] * 5) is None


def test_it_covers_a_median_of_skewed_times():
    draws = np.random.default_rng(0).lognormal(size=(2000, 15))
    ends = np.array([of_median(row) for row in draws])
    assert 0.95 < ((ends[:, 0] <= 1) & (ends[:, 1] >= 1)).mean() < 0.985
