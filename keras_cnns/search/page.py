"""The page of a search: one HTML file with the fronts to point at, and every trial in a table."""

from html import escape

from keras_cnns import page
from keras_cnns.search import front, objectives, plots
from keras_cnns.search.results import DONE, HALTED, SEARCHED, UNIFORM
from keras_cnns.search.standing import shown, summary
from pipelines.files import write_text

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 520, 300, 52, 44, 12
STYLE = """<style>
.fronts{display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,1fr));gap:1rem}
.fronts figure{margin:0}.fronts svg{width:100%;height:auto;display:block}
.dot{fill:var(--soft);opacity:.55}.cross{stroke:var(--soft);stroke-width:1.6;fill:none}
.line{fill:none;stroke:var(--accent);stroke-width:2}.on{fill:var(--accent)}
.plain{fill:#b07d1a}.plainline{fill:none;stroke:#b07d1a;stroke-width:1.4;stroke-dasharray:5 4}
.star{fill:#d6336c;stroke:var(--ground);stroke-width:1.5}
.dot:hover,.on:hover,.plain:hover,.star:hover{stroke:var(--ink);stroke-width:2;opacity:1}
.key span{display:inline-block;margin-right:1.1rem}
</style>"""


def write(session):
    """Write index.html."""
    members = front.members(session)
    best = front.chosen(session, members)
    facts = summary(session, best, members)
    body = [STYLE, _sentence(session, best), page.facts(_boxes(session, facts))]
    body += [_figures(session, members, best), _table(session, members, best)]
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
    text += (
        f" Chosen: trial {best['id']}, {best['model']} at widths {widths}: the cheapest of the "
        "front whose accuracy is within one standard error of the highest. Accuracies are of "
        "validation images, on which the search chose: the test images tell what is left."
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
            (o.label, shown(o.name, facts["best"][o.name]), "of the chosen one")
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
    key = (
        '<p class="key soft"><span>● grey: trained</span><span>× stopped early</span>'
        "<span>● blue: the front of all objectives</span><span>■ uniform widths</span>"
        "<span>★ chosen</span></p>"
    )
    return f'<h2>Accuracy against cost</h2>{key}<div class="fronts">{"".join(figures)}</div>'


def _scatter(session, cost, label, accuracy, ids, best):
    results = session.results
    everything = results.of(DONE, HALTED)
    if not everything:
        return "<p class=soft>nothing was trained</p>"
    spots = plots.points(everything, cost, accuracy)
    place = Axes([x for x, _ in spots], [y for _, y in spots])
    shapes = [place.frame(label, "accuracy, %")]
    uniform = results.of(DONE, kind=UNIFORM)
    shapes.append(place.line(sorted(plots.points(uniform, cost, accuracy)), "plainline"))
    line = plots.outer(plots.points(front.eligible(session), cost, accuracy))
    shapes.append(place.line(line, "line"))
    for result in everything:
        (spot,) = plots.points([result], cost, accuracy)
        told = _told(result, accuracy)
        if best is not None and result["id"] == best["id"]:
            kind = "star"
        elif result["kind"] == UNIFORM:
            kind = "plain"
        elif result["id"] in ids:
            kind = "on"
        else:
            kind = "dot" if result["status"] == DONE else "cross"
        shapes.append(place.mark(spot, kind, told))
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
        """Pixels of a point."""
        shares = [
            (v - low) / (high - low) for v, low, high in zip(spot, self.low, self.high, strict=True)
        ]
        x = LEFT + shares[0] * (WIDTH - LEFT - 12)
        return x, TOP + (1 - shares[1]) * (HEIGHT - BOTTOM - TOP)

    def frame(self, across, up):
        """Axes with five numbers each."""
        parts = []
        for i in range(5):
            share = i / 4
            x, y = (
                low + share * (high - low) for low, high in zip(self.low, self.high, strict=True)
            )
            px, py = self.at((x, y))
            parts.append(
                f'<path d="M{LEFT} {py:.1f}H{WIDTH - 12}" stroke="var(--line)" opacity=".5"/>'
                f'<text x="{LEFT - 6}" y="{py + 4:.1f}" text-anchor="end">{y:.4g}</text>'
                f'<text x="{px:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x:.3g}</text>'
            )
        middle = (LEFT + WIDTH - 12) / 2
        parts.append(
            f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>'
            f'<text x="{LEFT + 4}" y="{TOP + 10}">{escape(up)}</text>'
        )
        return "".join(parts)

    def line(self, spots, kind):
        """A line through points."""
        if not spots:
            return ""
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in map(self.at, spots))
        return f'<path class="{kind}" d="M{path}"/>'

    def mark(self, spot, kind, told):
        """A point with what it says when one points at it."""
        x, y = self.at(spot)
        title = f"<title>{escape(told)}</title>"
        if kind == "cross":
            shape = f'<path class="cross" d="M{x - 4:.1f} {y - 4:.1f}l8 8m0-8l-8 8"'
        elif kind == "plain":
            shape = f'<rect class="plain" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"'
        elif kind == "star":
            shape = f'<path class="star" transform="translate({x:.1f} {y:.1f})" d="{STAR}"'
        else:
            shape = f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"'
        tag = shape.split(" ", 1)[0][1:]
        return f"{shape} tabindex=0>{title}</{tag}>"


STAR = "M0-11L2.6-3.6 10.5-3.4 4.2 1.4 6.5 8.9 0 4.4-6.5 8.9-4.2 1.4-10.5-3.4-2.6-3.6Z"


def _padded(values):
    low, high = min(values), max(values)
    margin = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    return low - margin, high + margin


def _table(session, members, best):
    ids = [r["id"] for r in members]
    accuracy = objectives.accuracy_of(session.objectives)
    header = ["trial", "what", "accuracy", "latency", "KiB", "arena KiB", "MACs", "parameters"]
    header += ["epochs", "widths", "network", "why"]
    rows = []
    for r in session.results.all():
        what = "chosen" if best is not None and r is best else "front" if r["id"] in ids else ""
        what = what or (r["status"] if r["kind"] == SEARCHED else "uniform")
        measured = r["status"] in (DONE, HALTED)
        numbers = [
            (f"{100 * r[accuracy]:.2f}%", r[accuracy]),
            (f"{r['latency']:.3f}", r["latency"]),
            (f"{r['bytes'] / 1024:,.1f}", r["bytes"]),
            (f"{r['arena'] / 1024:,.1f}", r["arena"]),
            (f"{r['macs']:,}", r["macs"]),
            (f"{r['params']:,}", r["params"]),
            (f"{r['epochs_done']}", r["epochs_done"]),
        ] if measured else [""] * 7  # fmt: skip
        widths = ", ".join(f"{w:g}" for w in r.get("widths", ()))
        rows.append([r["id"], what, *numbers, widths, r.get("model", ""), r.get("reason") or ""])
    return "<h2>Every candidate</h2>" + page.table("All candidates of the search", header, rows)
