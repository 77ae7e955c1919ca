"""Sorting, crowding and the volume of a front, against cases worked by hand and definitions."""

import itertools
import math
import random

import pytest

from keras_cnns.search import pareto

# The front by hand: (1, 5) and (2, 3) and (4, 1) beat all others; (3, 3) and (2, 6) stand behind
# them; (5, 5) behind (3, 3).
POINTS = [(1, 5), (3, 3), (2, 3), (5, 5), (4, 1), (2, 6)]


def test_fronts_are_those_worked_out_by_hand():
    assert pareto.fronts(POINTS) == [[0, 2, 4], [1, 5], [3]]
    assert pareto.fronts([(1, 1), (1, 1), (2, 2)]) == [[0, 1], [2]]
    assert pareto.fronts([]) == []
    assert pareto.fronts([(3,), (1,), (2,)]) == [[1], [2], [0]]


def test_fronts_are_what_their_definition_says():
    chance = random.Random(0)
    for axes in (2, 3, 4):
        points = [tuple(chance.randrange(6) for _ in range(axes)) for _ in range(40)]
        left = set(range(len(points)))
        for found in pareto.fronts(points):
            unbeaten = {
                i for i in left if not any(pareto.dominates(points[j], points[i]) for j in left)
            }
            assert set(found) == unbeaten
            left -= unbeaten
        assert not left


def test_crowding_is_that_worked_out_by_hand():
    # Between (1, 5) and (4, 1): (4 - 1) / 3 across, (5 - 1) / 4 up.
    assert pareto.crowding([(1, 5), (2, 3), (4, 1)]) == [math.inf, 2.0, math.inf]
    found = pareto.crowding([(0, 10), (1, 6), (2, 5), (10, 0)])
    assert found == [math.inf, pytest.approx(0.2 + 0.5), pytest.approx(0.9 + 0.6), math.inf]
    assert pareto.crowding([(1, 1), (1, 1)]) == [math.inf, math.inf]
    assert pareto.crowding([]) == []


def test_rank_goes_by_front_then_by_loneliness():
    points = [(0, 10), (1, 6), (2, 5), (10, 0), (3, 7)]
    assert pareto.ranked(points) == [0, 3, 2, 1, 4]


@pytest.mark.parametrize(
    "points, reference, volume",
    [
        ([(1, 1)], (3, 4), 6),
        ([(1, 3), (2, 1)], (4, 4), 3 * 1 + 2 * 3 - 2 * 1),
        ([(1, 3), (2, 1), (3, 3), (2, 1)], (4, 4), 7),
        ([(5, 5)], (4, 4), 0),
        ([(1, 4)], (4, 4), 0),
        ([], (4, 4), 0),
        ([(0, 0, 0)], (1, 2, 3), 6),
        ([(0, 1, 1), (1, 0, 1), (1, 1, 0)], (2, 2, 2), 4),
        ([(2,), (1,)], (5,), 4),
    ],
)
def test_hypervolume_has_its_closed_form(points, reference, volume):
    assert pareto.hypervolume(points, reference) == pytest.approx(volume)


def test_hypervolume_is_the_count_of_cells():
    chance = random.Random(1)
    for axes in (2, 3):
        points = [tuple(chance.randrange(7) for _ in range(axes)) for _ in range(9)]
        cells = itertools.product(range(6), repeat=axes)
        inside = sum(
            any(all(p <= c for p, c in zip(point, cell, strict=True)) for point in points)
            for cell in cells
        )
        assert pareto.hypervolume(points, (6,) * axes) == inside
