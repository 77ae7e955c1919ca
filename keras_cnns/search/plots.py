"""The picture of a front: accuracy against latency, size and multiply-adds."""

from matplotlib.figure import Figure

from keras_cnns.plots import save
from keras_cnns.search import front, objectives
from keras_cnns.search.results import DONE, HALTED, SEARCHED, UNIFORM

COSTS = {  # key of a result: (label of the axis, unit's size)
    "latency": ("latency / reference's", 1),
    "bytes": ("uint8 .tflite, KiB", 1024),
    "macs": ("million multiply-adds", 1e6),
}
INK, SOFT, FRONT, PLAIN, CHOSEN = "#1b1f24", "#9aa4af", "#2f6fbb", "#9a6a12", "#c2255c"


def outer(points):
    """Of (cost, accuracy), those that no other beats, cheapest first."""
    found = []
    for cost, accuracy in sorted(points, key=lambda p: (p[0], -p[1])):
        if not found or accuracy > found[-1][1]:
            found.append((cost, accuracy))
    return found


def points(results, cost, accuracy):
    """(cost in the axis' unit, accuracy in percent) of results."""
    scale = COSTS[cost][1]
    return [(r[cost] / scale, 100 * r[accuracy]) for r in results]


def figure(session):
    """The front in three panels, one a cost; each draws the front between its two axes alone."""
    accuracy = objectives.accuracy_of(session.objectives)
    results = session.results
    kept = front.eligible(session)
    best = front.chosen(session, front.members(session))
    groups = [
        ("stopped early", results.of(HALTED, kind=SEARCHED), {"marker": "x", "color": SOFT}),
        ("trained", results.of(DONE, kind=SEARCHED), {"marker": "o", "color": SOFT}),
    ]
    uniform = results.of(DONE, kind=UNIFORM)
    picture = Figure(figsize=(12, 4.2), layout="constrained")
    panels = picture.subplots(1, len(COSTS), sharey=True)
    for axes, (cost, (label, _)) in zip(panels, COSTS.items(), strict=True):
        for name, some, style in groups:
            axes.scatter(*_columns(points(some, cost, accuracy)), s=26, label=name, **style)
        line = outer(points(kept, cost, accuracy))
        axes.plot(*_columns(line), color=FRONT, marker="o", ms=5, lw=1.8, label="best of these two")
        plain = sorted(points(uniform, cost, accuracy))
        axes.plot(*_columns(plain), color=PLAIN, marker="s", ms=6, ls="--", lw=1.2,
                  label="uniform widths")  # fmt: skip
        if best is not None:
            place = points([best], cost, accuracy)
            axes.scatter(*_columns(place), marker="*", s=230, color=CHOSEN, zorder=5,
                         edgecolor="white", label="chosen")  # fmt: skip
        axes.set(xlabel=label)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set(ylabel="accuracy, % of the validation images")
    if full := [100 * r[accuracy] for r in results.of(DONE)]:  # what was stopped may lie below
        margin = 0.08 * (max(full) - min(full)) + 0.3
        panels[0].set(ylim=(min(full) - margin, max(full) + margin))
    panels[-1].legend(loc="lower right", fontsize=8)
    title = f"{session.model} on {session.config['data']}: {session.search.oracle}"
    picture.suptitle(title, fontsize=11, color=INK, parse_math=False)
    return picture


def _columns(pairs):
    return ([x for x, _ in pairs], [y for _, y in pairs])


def write(session):
    """Write front.png."""
    save(figure(session), session.out / "front.png")
