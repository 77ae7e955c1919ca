"""The page of a search: one HTML file with the fronts to point at, and every trial in a table."""

import math
from html import escape

from keras_cnns import page
from keras_cnns.search import front, objectives, plots
from keras_cnns.search.results import DONE, HALTED, SEARCHED, UNIFORM
from keras_cnns.search.standing import shown, summary
from pipelines.files import write_text

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 380, 280, 46, 16, 44, 22  # pixels of a picture
STYLE = """<style>
.fronts{display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,1fr));gap:1rem}
.fronts figure{margin:0}.fronts svg{width:100%;height:auto;display:block}
.dot{fill:var(--soft);opacity:.55}.cross{stroke:var(--soft);stroke-width:1.6;fill:none}
.line{fill:none;stroke:var(--accent);stroke-width:2}.on{fill:var(--accent)}
.plain{fill:#b07d1a}.plainline{fill:none;stroke:#b07d1a;stroke-width:1.4;stroke-dasharray:5 4}
.star{fill:#d6336c;stroke:var(--ground);stroke-width:1.5}
.dot:hover,.on:hover,.plain:hover,.star:hover{stroke:var(--ink);stroke-width:2;opacity:1}
.key span{display:inline-flex;align-items:center;gap:.35rem;margin-right:1.1rem}
.key svg{width:1.1rem;height:1.1rem}td:first-child{white-space:nowrap}
</style>"""


def write(session, retrained=()):
    """Write index.html.

    Args:
        session: a `session.Session`.
        retrained: rows of `retrain`.
    """
    members = front.members(session)
    best = front.chosen(session, members)
    facts = summary(session, best, members)
    body = [STYLE, _sentence(session, best), page.facts(_boxes(session, facts))]
    body += [_figures(session, members, best)]
    if retrained:
        body.append(_tested(retrained))
    body.append(_table(session, members, best))
    title = f"Search: {session.model} on {session.config['data']}"
    write_text(session.out / "index.html", page.page(title, "\n".join(body), script=page.SORT))


def _sentence(session, best):
    limits = [
        f"{name.replace('_', ' ')} {getattr(session.search, name):,}"
        for name in objectives.LIMITS
        if getattr(session.search, name) is not None
    ]
    text = f"Proposed by the {session.search.oracle} oracle, judged by {session.search.objectives}"
    text += f", within {', '.join(limits)}." if limits else ", without limits."
    if best is None:
        return f"<p>{escape(text)} No trial came to its end.</p>"
    widths = ", ".join(f"{w:g}" for w in best["widths"])
    text += f" Chosen: trial {best['id']}, {best['model']} at widths {widths}: "
    text += f"{front.rule(session)}."
    if front.by_accuracy(session):
        text += (
            " Accuracies are of validation images, on which the search chose: the test images "
            "tell what is left."
        )
    return f"<p>{escape(text)}</p>"


def _boxes(session, facts):
    refused = ", ".join(f"{n} by {why}" for why, n in facts["refused_by"].items())
    boxes = [
        ("trained to the end", str(facts["completed"]), f"of {session.search.trials} trials"),
        ("stopped early", str(facts["stopped_early"]), "by a rung or a limit"),
        ("failed", str(facts["failed"]), "never best"),
        ("refused untrained", str(facts["refused"]), refused or "no limit was broken"),
        ("on the front", str(len(facts["front"])), "no other is better in everything"),
    ]
    if facts["best"]:
        boxes += [
            (
                f"{o.name.replace('_', ' ')} of the chosen",
                shown(o.name, facts["best"][o.name]),
                o.label,
            )
            for o in session.objectives
        ]
    return boxes


def _figures(session, members, best):
    accuracy = objectives.accuracy_of(session.objectives)
    ids = [r["id"] for r in members]
    figures = []
    for cost, (label, _) in plots.COSTS.items():
        svg = _scatter(session, cost, label, accuracy, ids, best)
        figures.append(f"<figure>{svg}</figure>")
    kinds = [
        ("on", "on the front of all objectives"), ("line", "the best of this picture's two axes"),
        ("dot", "trained"), ("cross", "stopped early"),
        ("plain", "uniform widths"), ("star", "chosen"),
    ]  # fmt: skip
    key = "".join(
        f'<span><svg viewBox="-12 -12 24 24" aria-hidden=true>{mark(0, 0, kind)}</svg>{text}</span>'
        for kind, text in kinds
    )
    key = f'<p class="key soft">{key}</p>'
    return f'<h2>Accuracy against cost</h2>{key}<div class="fronts">{"".join(figures)}</div>'


def _scatter(session, cost, label, accuracy, ids, best):
    results = session.results
    everything = results.of(DONE, HALTED)
    if not everything:
        return "<p class=soft>nothing was trained</p>"
    spots = plots.points(everything, cost, accuracy)
    # What was stopped early may lie far below, and would flatten the rest.
    full = plots.points(results.of(DONE), cost, accuracy) or spots
    place = Axes([x for x, _ in spots], [y for _, y in full])
    shapes = [place.frame(label, "accuracy, %")]
    uniform = results.of(DONE, kind=UNIFORM)
    shapes.append(place.line(sorted(plots.points(uniform, cost, accuracy)), "plainline"))
    line = plots.outer(plots.points(front.eligible(session), cost, accuracy))
    shapes.append(place.line(line, "line"))
    for result in sorted(everything, key=lambda r: r is best):
        (spot,) = plots.points([result], cost, accuracy)
        told = _told(result, accuracy)
        if result is best:
            kind = "star"
        elif result["kind"] == UNIFORM:
            kind = "plain"
        elif result["id"] in ids:
            kind = "on"
        else:
            kind = "dot" if result["status"] == DONE else "cross"
        shapes.append(mark(*place.at(spot), kind, told))
    return (
        f'<svg role="img" aria-label="accuracy against {escape(label)}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(shapes)}</svg>'
    )


def _told(result, accuracy):
    widths = ", ".join(f"{w:g}" for w in result["widths"])
    return (
        f"{result['id']} ({result['status']}): {100 * result[accuracy]:.2f}%, latency "
        f"x{result['latency']:.3f}, {result['bytes'] / 1024:,.1f} KiB, {result['macs']:,} MACs; "
        f"widths {widths}"
    )


class Axes:
    """Where numbers lie in a picture, and the shapes that stand there."""

    def __init__(self, xs, ys):
        self.low, self.high = zip(_padded(xs), _padded(ys), strict=True)

    def at(self, spot):
        """Pixels of a point; one that lies beyond an axis stands at its end."""
        shares = [
            min(1.0, max(0.0, (v - low) / (high - low)))
            for v, low, high in zip(spot, self.low, self.high, strict=True)
        ]
        x = LEFT + shares[0] * (WIDTH - LEFT - RIGHT)
        return x, TOP + (1 - shares[1]) * (HEIGHT - BOTTOM - TOP)

    def frame(self, across, up):
        """Axes with round numbers."""
        parts = []
        for value in ticks(self.low[1], self.high[1]):
            _, y = self.at((self.low[0], value))
            parts.append(
                f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="var(--line)"/>'
                f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
            )
        for value in ticks(self.low[0], self.high[0]):
            x, below = self.at((value, self.low[1]))
            parts.append(
                f'<text x="{x:.1f}" y="{below + 17:.1f}" text-anchor="middle">{value:g}</text>'
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>'
            f'<text x="4" y="13">{escape(up)}</text>'
        )
        return "".join(parts)

    def line(self, spots, kind):
        """A line through points."""
        if not spots:
            return ""
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in map(self.at, spots))
        return f'<path class="{kind}" d="M{path}"/>'


STAR = "M0-11L2.6-3.6 10.5-3.4 4.2 1.4 6.5 8.9 0 4.4-6.5 8.9-4.2 1.4-10.5-3.4-2.6-3.6Z"


def mark(x, y, kind, told=None):
    """The shape of a kind of trial at a pixel, with what it says when one points at it."""
    shapes = {
        "cross": f'path class="cross" d="M{x - 4:.1f} {y - 4:.1f}l8 8m0-8l-8 8"',
        "plain": f'rect class="plain" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"',
        "line": f'path class="line" d="M{x - 10:.1f} {y:.1f}h20"',
        "star": f'path class="star" transform="translate({x:.1f} {y:.1f})" d="{STAR}"',
    }
    shape = shapes.get(kind, f'circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"')
    if told is None:
        return f"<{shape}/>"
    return f"<{shape} tabindex=0><title>{escape(told)}</title></{shape.split()[0]}>"


def ticks(low, high, most=6):
    """Round numbers between two numbers: multiples of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(high - low))
    steps = (power * factor for factor in (0.1, 0.2, 0.5, 1, 2, 5))
    step = next(s for s in steps if (high - low) / s <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _padded(values):
    low, high = min(values), max(values)
    margin = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    return low - margin, high + margin


def _tested(rows):
    header = ["trial", "test accuracy", "95%", "latency", "KiB", "MACs", "widths"]
    header += ["against", "points", "95%", "failed"]
    seeds = f"{rows[0]['seeds']} seed" + ("s" if rows[0]["seeds"] > 1 else "")
    images = max(r.get("test_images", 0) for r in rows)
    lead = (
        f"Trained from scratch on train and val with {seeds}, to the last epoch; the uint8 "
        f"files answered {images:,} test images. Each is held against the uniform network whose "
        "latency is nearest to its own. Intervals are over images and seeds."
    )
    cells = [_tested_row(r) for r in rows]
    table = page.table("The front and uniform widths on the test images", header, cells)
    return f"<h2>Trained again, and tested</h2><p>{lead}</p>{table}"


def _tested_row(row):
    name = f"{row['id']} (chosen)" if row["chosen"] else row["id"]
    widths = row["widths"].replace(",", ", ")
    failed = f"{row['failed']} of {row['seeds']}"
    if "tflite_accuracy" not in row:
        return [name, *[""] * 5, widths, *[""] * 3, failed]
    low, high = (100 * row[f"tflite_accuracy_{side}"] for side in ("low", "high"))
    return [
        name,
        (f"{100 * row['tflite_accuracy']:.2f}%", row["tflite_accuracy"]),
        f"{low:.2f} to {high:.2f}",
        (f"{row['latency']:.3f}", row["latency"]),
        (f"{row['bytes'] / 1024:,.1f}", row["bytes"]),
        (f"{row['macs']:,}", row["macs"]),
        widths,
        *_difference(row),
        failed,
    ]


def _difference(row):
    if "against" not in row:
        return ["", "", ""]
    low, high = (100 * row[f"difference_{side}"] for side in ("low", "high"))
    against = f"{row['against']} (latency {row['against_latency']:.3f})"
    points = (f"{100 * row['difference']:+.2f}", row["difference"])
    return [against, points, f"{low:+.2f} to {high:+.2f}"]


def _ends(result):
    """The 95% interval of a latency; nothing where too few rounds measured it."""
    if result.get("latency_low") is None:
        return ""
    return f"{result['latency_low']:.3f} to {result['latency_high']:.3f}"


def _table(session, members, best):
    ids = [r["id"] for r in members]
    accuracy = objectives.accuracy_of(session.objectives)
    header = ["trial", "what", "accuracy", "latency", "95%", "KiB", "arena KiB", "MACs"]
    header += ["parameters", "epochs", "widths", "network", "why"]
    rows = []
    for r in session.results.all():
        what = "chosen" if best is not None and r is best else "front" if r["id"] in ids else ""
        what = what or (r["status"] if r["kind"] == SEARCHED else "uniform")
        measured = r["status"] in (DONE, HALTED)
        numbers = [
            (f"{100 * r[accuracy]:.2f}%", r[accuracy]),
            (f"{r['latency']:.3f}", r["latency"]),
            _ends(r),
            (f"{r['bytes'] / 1024:,.1f}", r["bytes"]),
            (f"{r['arena'] / 1024:,.1f}", r["arena"]),
            (f"{r['macs']:,}", r["macs"]),
            (f"{r['params']:,}", r["params"]),
            (f"{r['epochs_done']}", r["epochs_done"]),
        ] if measured else [""] * 8  # fmt: skip
        widths = ", ".join(f"{w:g}" for w in r.get("widths", ()))
        rows.append([r["id"], what, *numbers, widths, r.get("model", ""), r.get("reason") or ""])
    return "<h2>Every candidate</h2>" + page.table("All candidates of the search", header, rows)
