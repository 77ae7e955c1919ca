"""A network as a picture: its parts in a row, what each costs, and what is inside the blocks."""

import itertools
import math

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path

from keras_cnns import anatomy, flowchart, plots
from keras_cnns.steps import fused

COLOURS = {  # kinds of anatomy.Part and steps.Step
    "convolution": "#4c83c3", "depthwise": "#58b0c9", "separable": "#3d8f9f", "pooling": "#e3a03a",
    "dense": "#7d8590", "residual": "#7a5cb8", "dense layer": "#3f9a63", "branches": "#3f9a63",
    "attention": "#c9506b", "gate": "#b86a3c", "cell": "#a3548f", "learned": "#9a9a4a",
    "merge": "#d8dde3", "product": "#c9506b", "": "#eef1f4",
}  # fmt: skip
INK, SOFT, RULE = "#1b1f24", "#57606a", "#d5dbe1"
ENTRIES = ["last output", "the one before"]  # what a searched cell sees
MARGIN, PITCH, SPACE = 0.35, 0.46, 0.4  # inches: around, from part to part, between charts
LEVEL = 0.56  # inches from level to level of a flow chart
INSIDE, BROAD = 3, 12.5  # kinds of blocks whose inside is shown, as far as they fit so many inches


def draw(model, title, path):
    """Draw a network to a PNG file.

    Boxes are as high as the square root of the resolution and as thick as the logarithm of the
    channels asks; the bars tell shares of all trainable parameters and of all multiply-adds.

    Args:
        model: a functional model, of `keras_cnns.build`.
        title: one line above.
        path: a .png file.
    """
    parts = anatomy.parts(model)
    row = PITCH * len(parts)
    charts = _charts(parts, max(row, BROAD))
    wide = sum(chart.width for chart in charts) + SPACE * max(0, len(charts) - 1)
    longest = max(len(line) for part in parts for line in _named(part))
    below = max((0.7 + chart.height for chart in charts), default=0.2)
    tops = _tops(
        title=0.62, boxes=2.2, names=0.35 + 0.075 * longest, params=0.65, macs=0.65, inside=below
    )
    width = max(6.4, row + 1.5, wide) + 2 * MARGIN
    sheet = _Sheet(width, tops["end"])
    sheet.text(MARGIN, 0.34, title, size=12, weight="bold")
    size = " × ".join(map(str, model.input_shape[1:]))
    sheet.text(MARGIN, 0.58, f"input {size}. Height: resolution; thickness: channels", color=SOFT)
    left = max((width - row) / 2, MARGIN + 0.95)
    _boxes(sheet, parts, left, tops["names"])
    _names(sheet, parts, left, tops["names"] + 0.1)
    for cost, words in (("params", "parameters"), ("macs", "multiply-adds")):
        _bars(sheet, [getattr(part, cost) for part in parts], words, left, tops[cost])
    x = (width - wide) / 2
    for chart in charts:
        chart.draw(sheet, x, tops["inside"] + 0.4)
        x += chart.width + SPACE
    plots.save(sheet.figure, path)


def _tops(**heights):
    """Where each band begins, one below the other, and where the last ends, in inches."""
    edges = itertools.accumulate(heights.values(), initial=0)
    return dict(zip([*heights, "end"], edges, strict=True))


def _charts(parts, room):
    """Flow charts of the blocks, one at least, the dearest first to be let in."""
    found, used = [], 0
    for part in _blocks(parts):
        chart = _Inside(part)
        if found and used + SPACE + chart.width > room:
            continue
        found.append(chart)
        used += chart.width + SPACE
    return sorted(found, key=lambda chart: parts.index(chart.part))


class _Sheet:
    """A figure measured in inches from its upper left corner."""

    def __init__(self, width, height):
        self.figure = Figure(figsize=(width, height))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(height, 0))
        self.axes.set_axis_off()

    def text(self, x, y, text, *, size=8, **style):
        self.axes.text(x, y, text, fontsize=size, parse_math=False, **style)

    def polygon(self, corners, colour, **style):
        self.axes.add_patch(Polygon(corners, facecolor=colour, edgecolor="white", **style))

    def line(self, points, **style):
        xs, ys = zip(*points, strict=True)
        self.axes.plot(xs, ys, **{"color": SOFT, "linewidth": 0.9} | style)


def _side(part):
    """Pixels on a side, 1 for vectors; tokens count as pixels of a square."""
    shape = part.output
    return {3: shape[0], 2: math.sqrt(shape[0])}.get(len(shape), 1)


def _boxes(sheet, parts, left, floor):
    tallest = math.sqrt(max(map(_side, parts)))
    for i, part in enumerate(parts):
        middle = left + (i + 0.5) * PITCH
        high = max(0.09, 1.55 * math.sqrt(_side(part)) / tallest)
        thick = 0.07 + 0.2 * math.log2(part.output[-1] + 1) / 12
        y = floor - 0.12
        _cuboid(sheet, middle, y, thick, high, COLOURS[part.kind])
        if part.count > 1 and part.period == 1:
            sheet.text(middle, y - high - 0.17, f"{part.count}×", ha="center", weight="bold")
    i = 0
    while i < len(parts):
        if parts[i].period > 1:
            _brace(sheet, parts[i], left + i * PITCH, floor)
        i += parts[i].period


def _cuboid(sheet, x, y, thick, high, colour):
    lean = min(0.1, 0.1 * high / 0.5)
    x -= thick / 2 + lean / 2
    front = [(x, y), (x + thick, y), (x + thick, y - high), (x, y - high)]
    top = [(x, y - high), (x + lean, y - high - lean), (x + thick + lean, y - high - lean),
           (x + thick, y - high)]  # fmt: skip
    right = [(x + thick, y), (x + thick + lean, y - lean), (x + thick + lean, y - high - lean),
             (x + thick, y - high)]  # fmt: skip
    for corners, alpha in ((front, 1.0), (top, 0.55), (right, 0.75)):
        sheet.polygon(corners, colour, alpha=alpha, linewidth=0.6)


def _brace(sheet, part, x, floor):
    y, end = floor - 0.04, x + part.period * PITCH
    sheet.line([(x + 0.06, y - 0.05), (x + 0.06, y), (end - 0.06, y), (end - 0.06, y - 0.05)])
    above = floor - 1.98
    sheet.text((x + end) / 2, above, f"{part.count}×", ha="center", weight="bold")


def _names(sheet, parts, left, top):
    for i, part in enumerate(parts):
        middle = left + (i + 0.5) * PITCH
        style = {"rotation": 90, "ha": "center", "va": "top"}
        words, shape = _named(part)
        sheet.text(middle - 0.08, top, words, color=_darker(part.kind), weight="bold", **style)
        sheet.text(middle + 0.08, top, shape, color=SOFT, **style)


def _named(part):
    return part.text.split("\n")[0], " × ".join(f"{n:,}" for n in part.output)


def _darker(kind):
    return {"pooling": "#a86f14", "depthwise": "#2b7f97"}.get(kind, COLOURS[kind])


def _bars(sheet, costs, words, left, top):
    total = sum(costs)
    sheet.text(left - 0.12, top + 0.36, words, ha="right", va="center", size=8)
    sheet.text(left - 0.12, top + 0.49, _short(total), ha="right", va="center", size=7.5,
               color=SOFT)  # fmt: skip
    sheet.line([(left, top + 0.5), (left + PITCH * len(costs), top + 0.5)], color=RULE)
    most = max(costs)
    for i, cost in enumerate(costs):
        x, high = left + (i + 0.14) * PITCH, 0.32 * cost / most
        share = cost / total
        sheet.polygon(
            [(x, top + 0.5), (x + 0.72 * PITCH, top + 0.5), (x + 0.72 * PITCH, top + 0.5 - high),
             (x, top + 0.5 - high)], "#5a7fa8",
        )  # fmt: skip
        if share >= 0.01:
            sheet.text(x + 0.36 * PITCH, top + 0.47 - high, f"{100 * share:.0f}%", ha="center",
                       size=6.5)  # fmt: skip


def _short(count):
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {letter}"
    return str(count)


def _blocks(parts):
    """One part of each kind of block, the kinds that cost most first."""
    kinds = {}
    for part in parts:
        if len(part.steps) > 1:
            kinds.setdefault(tuple((s.kind, s.after) for s in part.steps), []).append(part)
    dearest = sorted(kinds.values(), key=lambda same: -sum(part.macs for part in same))[:INSIDE]
    return [max(same, key=lambda part: part.macs / part.count) for same in dearest]


class _Inside:
    """The flow chart of one block."""

    def __init__(self, part):
        self.part = part
        steps = fused(part.steps)
        entering = max(-a for step in steps for a in step.after)
        entries = [*ENTRIES, *(f"{k} before" for k in range(2, entering))][:entering]
        entries = entries if entering > 1 else ["input"]
        self.texts = [*entries, *(step.text for step in steps)]
        if part.tail:
            self.texts[-1] += f"\n{part.tail}"
        self.kinds = [*[""] * len(entries), *(step.kind for step in steps)]
        lines = [text.split("\n") for text in self.texts]
        self.widths = [0.2 + 0.068 * max(map(len, each)) for each in lines]
        self.highs = [0.2 + 0.13 * (len(each) - 1) for each in lines]
        after = [[] for _ in entries]
        after += [[a + len(entries) if a >= 0 else -1 - a for a in step.after] for step in steps]
        self.chart = flowchart.chart(after, self.widths)
        self.title = f"{part.text}, {' × '.join(f'{n:,}' for n in part.output)}"
        self.width = max(self.chart.right - self.chart.left, 0.078 * len(self.title))
        self.height = LEVEL * self.chart.levels

    def draw(self, sheet, left, top):
        sheet.text(left + self.width / 2, top - 0.08, self.title, ha="center", weight="bold",
                   color=_darker(self.part.kind))  # fmt: skip
        zero = left + self.width / 2 - (self.chart.left + self.chart.right) / 2

        def at(x, level):
            return zero + x, top + LEVEL * (level + 0.5)

        for nodes, line in self.chart.lines:
            self._line(sheet, [at(*place) for place in line], *nodes)
        for node, place in enumerate(self.chart.places):
            self._box(sheet, *at(*place), node)

    def _box(self, sheet, x, y, node):
        wide, high, kind = self.widths[node], self.highs[node], self.kinds[node]
        pale = kind in ("", "merge")
        sheet.axes.add_patch(FancyBboxPatch(
            (x - wide / 2, y - high / 2), wide, high, boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=COLOURS[kind], edgecolor="#8b949e" if pale else "none", linewidth=0.7,
            zorder=2,
        ))  # fmt: skip
        sheet.text(x, y, self.texts[node], ha="center", va="center", size=7.5, zorder=3,
                   color=INK if pale else "white", linespacing=1.15)  # fmt: skip

    def _line(self, sheet, points, first, last):
        """From the bottom of a box through the levels between to the top of another."""
        (x, y), (end, floor) = points[0], points[-1]
        points = [(x, y + self.highs[first] / 2), *points[1:-1]]
        points.append((end, floor - self.highs[last] / 2 - 0.06))
        path = points[:1]
        for (x, y), (to, below) in itertools.pairwise(points):
            half = (y + below) / 2
            path += [(x, half), (to, half), (to, below)]
        codes = [Path.MOVETO, *[Path.CURVE4] * (len(path) - 1)]
        sheet.axes.add_patch(PathPatch(Path(path, codes), facecolor="none", edgecolor=SOFT, lw=0.9))
        x, y = points[-1]
        sheet.polygon([(x - 0.035, y - 0.03), (x + 0.035, y - 0.03), (x, y + 0.06)], SOFT, zorder=2)
