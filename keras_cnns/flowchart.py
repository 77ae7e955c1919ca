"""Where the boxes of a flow chart stand: in levels, with few crossings (Sugiyama et al. 1981)."""

import itertools
from typing import NamedTuple

GAP = 0.16  # inches between boxes side by side
PASSING = 0.12  # width of a line that passes a level


class Chart(NamedTuple):
    """Boxes and lines, in the units of the widths; the middle of the first box is x = 0."""

    places: list  # of each node: (x of its middle, level)
    lines: list  # ((from, to), [(x, level), ...]) with a place in each level that it passes
    left: float
    right: float
    levels: int


def chart(after, widths):
    """Place a graph without cycles.

    Args:
        after: for each node the nodes before it, which have lower numbers.
        widths: of each node's box.
    """
    level = []
    for before in after:
        level.append(1 + max((level[b] for b in before), default=-1))
    rows, edges, chains = _with_passing(after, level)
    wide = dict(enumerate(widths))
    _untangle(rows, edges)
    x = _middles(rows, edges, wide)
    places = [(x[node], level[node]) for node in range(len(after))]
    at = {node: i for i, row in enumerate(rows) for node in row}
    lines = [((c[0], c[-1]), [(x[node], at[node]) for node in c]) for c in chains]
    ends = [(x[n] - wide.get(n, PASSING) / 2, x[n] + wide.get(n, PASSING) / 2) for n in x]
    return Chart(places, lines, min(e[0] for e in ends), max(e[1] for e in ends), len(rows))


def _with_passing(after, level):
    """(nodes of each level, pairs of neighbouring levels, each line's nodes)."""
    rows = [[] for _ in range(max(level) + 1)]
    for node, at in enumerate(level):
        rows[at].append(node)
    edges, chains, fresh = [], [], len(after)
    for node, before in enumerate(after):
        for b in before:
            chain = [b]
            for between in range(level[b] + 1, level[node]):
                rows[between].append(fresh)
                chain.append(fresh)
                fresh += 1
            chains.append([*chain, node])
            edges += list(zip(chain, [*chain[1:], node], strict=True))
    return rows, edges, chains


def _untangle(rows, edges):
    """Order each level by the mean place of what its nodes are tied to, down and up again."""
    above, below = {}, {}
    for upper, lower in edges:
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    for sweep in range(8):
        down = sweep % 2 == 0
        tied = above if down else below
        order = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for i in order:
            row = rows[i - 1 if down else i + 1]
            place = {node: k - (len(row) - 1) / 2 for k, node in enumerate(row)}
            own = {node: k - (len(rows[i]) - 1) / 2 for k, node in enumerate(rows[i])}

            def mean(node, place=place, own=own, tied=tied):
                found = tied.get(node)
                return _mean([place[n] for n in found]) if found else own[node]

            rows[i].sort(key=mean)


def _middles(rows, edges, wide):
    """{node: x}: near what each node is tied to, in order and without overlap, the first at 0."""
    tied = {}
    for upper, lower in edges:
        tied.setdefault(upper, []).append(lower)
        tied.setdefault(lower, []).append(upper)
    x = {node: float(k) for row in rows for k, node in enumerate(row)}
    for _ in range(24):
        for row in rows:
            wanted = [_mean([x[n] for n in tied.get(node, [node])]) for node in row]
            x |= dict(zip(row, _apart(wanted, [wide.get(n, PASSING) for n in row]), strict=True))
    return {node: x[node] - x[rows[0][0]] for node in x}


def _apart(wanted, widths):
    """Places near the wanted ones, each box its gap away from the next: pushed right, and left."""
    room = [(a + b) / 2 + GAP for a, b in itertools.pairwise(widths)]
    right, left = list(wanted), list(wanted)
    for k, space in enumerate(room):
        right[k + 1] = max(right[k + 1], right[k] + space)
    for k in range(len(room) - 1, -1, -1):
        left[k] = min(left[k], left[k + 1] - room[k])
    return [(a + b) / 2 for a, b in zip(right, left, strict=True)]


def _mean(values):
    return sum(values) / len(values)
