"""Points that no other beats: sorting, crowding and the hypervolume.

A point is a tuple of numbers, each of which is to be small; who wants a number large gives its
negative. Deb, Pratap, Agarwal and Meyarivan 2002, A Fast and Elitist Multiobjective Genetic
Algorithm: NSGA-II, IEEE Transactions on Evolutionary Computation 6(2), doi:10.1109/4235.996017.
"""

import math


def dominates(a, b):
    """Whether a is nowhere worse than b, and somewhere better."""
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


def fronts(points):
    """Sort points into fronts: the first is dominated by none, the second by the first alone, ...

    Args:
        points: tuples of one length.

    Returns:
        Lists of indices, each in the order of the points; equal points share a front (section
        III-A, the fast non-dominated sort).
    """
    beaten_by = [sum(dominates(q, p) for q in points) for p in points]
    beats = [[i for i, q in enumerate(points) if dominates(p, q)] for p in points]
    found, current = [], [i for i, count in enumerate(beaten_by) if count == 0]
    while current:
        found.append(current)
        following = []
        for i in current:
            for j in beats[i]:
                beaten_by[j] -= 1
                if beaten_by[j] == 0:
                    following.append(j)
        current = sorted(following)
    return found


def crowding(points):
    """How lonely each point of one front is (section III-B): the sides of the box around it.

    Returns:
        A list of distances >= 0; the ends of every axis are infinitely lonely.
    """
    distances = [0.0] * len(points)
    for axis in range(len(points[0]) if points else 0):
        order = sorted(range(len(points)), key=lambda i: points[i][axis])
        low, high = points[order[0]][axis], points[order[-1]][axis]
        distances[order[0]] = distances[order[-1]] = math.inf
        if high > low:
            for before, i, after in zip(order, order[1:], order[2:], strict=False):
                distances[i] += (points[after][axis] - points[before][axis]) / (high - low)
    return distances


def ranked(points):
    """Indices of points, best first: by front, then by loneliness (the crowded comparison)."""
    order = []
    for front in fronts(points):
        lonely = crowding([points[i] for i in front])
        order += [i for _, i in sorted(zip([-d for d in lonely], front, strict=True))]
    return order


def hypervolume(points, reference):
    """The volume that points dominate, up to a reference (Zitzler and Thiele 1999).

    Args:
        points: tuples of one length, of any number of axes.
        reference: a point; others that are not better than it on every axis count for nothing.

    Returns:
        The exact volume of the union of the boxes between each point and the reference.
    """
    inside = [p for p in set(points) if all(x < r for x, r in zip(p, reference, strict=True))]
    return _volume(inside, tuple(reference))


def _volume(points, reference):
    """Cut the union into slabs along the last axis; each is a union of one axis less."""
    if not points:
        return 0.0
    if len(reference) == 1:
        return float(reference[0] - min(points)[0])
    points = sorted(points, key=lambda p: p[-1])
    levels = [p[-1] for p in points] + [reference[-1]]
    total = 0.0
    for i in range(len(points)):
        height = levels[i + 1] - levels[i]
        if height > 0:
            total += height * _volume([p[:-1] for p in points[: i + 1]], reference[:-1])
    return total
