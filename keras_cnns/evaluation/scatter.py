"""The picture of a comparison: a bubble a model, as a PNG and as a page that can be asked."""

import json
import math
from html import escape

from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from keras_cnns import page, plots, run
from keras_cnns.evaluation.compare import BATCH, accuracy, front, latency, millions, write_tables
from keras_cnns.speed import REFERENCE
from pipelines.files import whole_folder, write_json, write_text

MARKER = "compare.json"
OWNED = (MARKER, "compare.html", "compare.png", "accuracy.csv", "benchmark.csv")
COSTS = {  # key: (words, divisor, more is better)
    "images_per_second": (f"images a second (Keras, batch {BATCH}, one core)", 1, True),
    "latency_ms": ("latency of the .tflite, ms, one thread", 1, False),
    "bytes": ("size of the .tflite, MB", 1e6, False),
    "macs": ("multiply-adds, millions", 1e6, False),
    "params": ("parameters, millions", 1e6, False),
}


def write(rows, out, notes):
    """Write picture, page and tables to a folder; an older comparison there is replaced.

    Args:
        rows: of `compare`.
        out: the folder.
        notes: sentences on how the numbers came about.
    """
    costs = known_costs(rows)
    with whole_folder(out) as folder:
        write_json(folder / MARKER, {"rows": rows, "notes": notes, "machine": run.environment()})
        write_tables(rows, folder)
        picture(rows, costs[0], folder / "compare.png")
        write_text(folder / "compare.html", html(rows, costs, notes))


def known_costs(rows):
    """The COSTS that are known of any row, in their order."""
    return [cost for cost in COSTS if any(row.get(cost) is not None for row in rows)]


def colours(rows):
    """{family: colour as #rrggbb}."""
    families = sorted({row["family"] for row in rows})
    palette = colormaps["tab20" if len(families) > 10 else "tab10"]
    return {name: to_hex(palette(i % palette.N)) for i, name in enumerate(families)}


def picture(rows, cost, path):
    """The scatter as a PNG; bubbles by parameters, the Pareto front as a line."""
    words, unit, more = COSTS[cost]
    shown = [row for row in rows if row.get(cost) is not None]
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    axes = figure.subplots()
    for name, colour in colours(rows).items():
        of = [row for row in shown if row["family"] == name]
        axes.scatter(
            [row[cost] / unit for row in of], [100 * row["top1"] for row in of],
            s=[_radius(row) ** 2 for row in of], color=colour, alpha=0.65, label=name,
            edgecolor="white",
        )  # fmt: skip
    best = front(shown, cost, more_is_better=more)
    xs, ys = [row[cost] / unit for row in best], [100 * row["top1"] for row in best]
    axes.plot(xs, ys, color="#444", linestyle="--", linewidth=1, zorder=0)
    for row, x, y in zip(best, xs, ys, strict=True):
        axes.annotate(
            plots.shorten(row["model"], 28), (x, y), xytext=(0, _radius(row) / 2 + 3),
            textcoords="offset points", ha="center", fontsize=8, parse_math=False,
        )  # fmt: skip
    axes.set(xscale="log", xlabel=words, ylabel="top-1, %")
    axes.margins(0.08, 0.1)
    axes.grid(alpha=0.25)
    legend = axes.legend(fontsize=8, ncols=2, loc="lower left" if more else "lower right")
    for handle in legend.legend_handles:
        handle.set_sizes([40])
    plots.save(figure, path)


def _radius(row):
    """In points: the area of a bubble grows with the parameters, within what can be seen."""
    return min(36.0, max(9.0, 3.2 * math.sqrt(row["params"] / 1e6)))


def html(rows, costs, notes):
    """The page, as text."""
    told = [
        {
            "name": row["model"],
            "family": row["family"],
            "top1": 100 * row["top1"],
            "radius": _radius(row) / 2,
            "said": _said(row),
            "costs": {c: row[c] / COSTS[c][1] for c in costs if row.get(c) is not None},
        }
        for row in rows
    ]
    facts = {
        "rows": told,
        "colours": colours(rows),
        "costs": {cost: {"words": COSTS[cost][0], "more": COSTS[cost][2]} for cost in costs},
        "fronts": {
            cost: [rows.index(row) for row in front(rows, cost, more_is_better=COSTS[cost][2])]
            for cost in costs
        },
    }
    options = "".join(f'<option value="{c}">{escape(COSTS[c][0])}</option>' for c in costs)
    body = (
        f'<p><label>Accuracy against <select id="cost">{options}</select></label></p>'
        '<div id="chart"></div><p id="legend" class="soft"></p>'
        '<p class="soft">Bubbles: area by parameters. Dashes: the Pareto front, which nothing '
        "beats at the same cost. Point at a bubble, or go through them by Tab.</p>"
        + "".join(f'<p class="soft">{escape(note)}</p>' for note in notes)
        + f"<h2>All numbers</h2>{_table(rows)}<style>{STYLE}</style>"
    )
    # "<" never opens a tag inside a script that way, whatever a model is called.
    data = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
    return page.page("Accuracy against cost", body, script=f"const facts={data};{page.SORT}{DRAW}")


def _said(row):
    """What a bubble says of itself."""
    parts = [
        f"top-1 {accuracy(row)}",
        f"{millions(row['params'])} M parameters",
        f"{millions(row['macs'])} M MACs",
    ]
    if "latency_ms" in row:
        parts.append(f"{row['format']} {millions(row['bytes'])} MB, {latency(row)}")
        parts.append(f"{row['images_per_second']:,.0f} images/s")
    return ", ".join([*parts, row["source"]])


def _table(rows):
    def number(value, form="{:,.2f}"):
        return ("-", 0.0) if value is None else (form.format(value), float(value))

    header = ["model", "family", "top-1 (95%)", "top-5, %", "M parameters", "M MACs", "images/s",
              "latency, ms", "latency / reference", "MB", "source"]  # fmt: skip
    lines = [
        [row["model"], row["family"], (accuracy(row), row["top1"]),
         number(row["top5"] and 100 * row["top5"]), (millions(row["params"]), row["params"]),
         (millions(row["macs"]), row["macs"]), number(row.get("images_per_second"), "{:,.1f}"),
         number(row.get("latency_ms"), "{:,.3f}"), number(row.get("latency_ratio"), "{:,.3f}"),
         number(row.get("bytes") and row["bytes"] / 1e6), row["source"]]
        for row in sorted(rows, key=lambda row: -row["top1"])
    ]  # fmt: skip
    about = f"A heading sorts; the reference of latencies is {REFERENCE} in float32"
    return page.table(about, header, lines)


STYLE = """
select{font:inherit;padding:.3rem;max-width:100%}
#chart{position:relative}#chart svg{width:100%;height:auto;display:block}
#chart circle{stroke:var(--ground);stroke-width:1;fill-opacity:.7;cursor:pointer}
#chart circle:focus{outline:none;stroke:var(--ink);stroke-width:3}
#chart .on{font-weight:600;pointer-events:none;paint-order:stroke;
stroke:var(--ground);stroke-width:3px}
#tip{min-height:3rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem;
padding:.4rem .7rem;font-size:.875rem}
#legend span{display:inline-block;margin-right:.9rem}
#legend i{display:inline-block;width:.75rem;height:.75rem;border-radius:50%;margin-right:.3rem}
"""

DRAW = """
const chart = document.getElementById('chart'), choice = document.getElementById('cost');
const tip = Object.assign(document.createElement('div'), {id: 'tip'});
tip.setAttribute('role', 'status');
const make = (name, facts, text) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const key in facts) node.setAttribute(key, facts[key]);
  if (text !== undefined) node.textContent = text;
  return node;
};
const legend = document.getElementById('legend');
for (const [family, colour] of Object.entries(facts.colours)) {
  const entry = document.createElement('span'), dot = document.createElement('i');
  dot.style.background = colour;
  entry.append(dot, family);
  legend.append(entry);
}
const short = n => Number(n.toPrecision(2)).toLocaleString('en');
function draw() {
  const cost = choice.value, narrow = chart.clientWidth < 600;
  const width = narrow ? 420 : 900, height = narrow ? 400 : 480, left = 44, base = height - 44;
  const rows = facts.rows.filter(row => cost in row.costs);
  const xs = rows.map(row => Math.log10(row.costs[cost])), ys = rows.map(row => row.top1);
  const range = (all, share) => {
    const low = Math.min(...all), high = Math.max(...all), air = (high - low || 1) * share;
    return [low - air, high + air];
  };
  const [x0, x1] = range(xs, .07), [y0, y1] = range(ys, .1);
  const x = value => left + (Math.log10(value) - x0) / (x1 - x0) * (width - left - 10);
  const y = value => base - (value - y0) / (y1 - y0) * (base - 12);
  const svg = make('svg', {viewBox: `0 0 ${width} ${height}`, role: 'group',
    'aria-label': `top-1 against ${facts.costs[cost].words}`});
  const step = [.1, .2, .5, 1, 2, 5, 10, 20].find(s => (y1 - y0) / s < 9) ?? 50;
  for (let v = Math.ceil(y0 / step) * step; v < y1; v += step) {
    svg.append(make('path', {d: `M${left} ${y(v)}H${width}`, stroke: 'var(--line)'}));
    svg.append(make('text', {x: left - 6, y: y(v) + 4, 'text-anchor': 'end'}, +v.toFixed(1)));
  }
  let last = -99;
  for (let e = Math.floor(x0); e <= x1; e++) for (const m of [1, 2, 5]) {
    const v = m * 10 ** e;
    if (Math.log10(v) < x0 || Math.log10(v) > x1) continue;
    svg.append(make('path', {d: `M${x(v)} 12V${base}`, stroke: 'var(--line)'}));
    if (x(v) - last < (narrow ? 50 : 40)) continue;
    last = x(v);
    svg.append(make('text', {x: x(v), y: base + 18, 'text-anchor': 'middle'}, short(v)));
  }
  svg.append(make('text', {x: (left + width) / 2, y: height - 6, 'text-anchor': 'middle'},
    facts.costs[cost].words));
  svg.append(make('text', {x: left + 4, y: 12}, 'top-1, %'));
  const front = facts.fronts[cost].map(i => facts.rows[i]);
  svg.append(make('polyline', {fill: 'none', stroke: 'var(--soft)', 'stroke-dasharray': '5 4',
    points: front.map(row => `${x(row.costs[cost])},${y(row.top1)}`).join(' ')}));
  const name = make('text', {class: 'on', 'text-anchor': 'middle'});
  for (const row of [...rows].sort((a, b) => b.radius - a.radius)) {
    const at = [x(row.costs[cost]), y(row.top1)];
    const dot = make('circle', {cx: at[0], cy: at[1], r: row.radius * (narrow ? .8 : 1.2),
      fill: facts.colours[row.family], tabindex: 0, role: 'img',
      'aria-label': `${row.name}: ${row.said}`});
    const show = () => {
      tip.textContent = `${row.name} (${row.family}): ${row.said}`;
      name.textContent = row.name;
      name.setAttribute('x', Math.min(width - 60, Math.max(left + 50, at[0])));
      name.setAttribute('y', Math.max(12, at[1] - row.radius * 1.2 - 5));
    };
    dot.onpointerenter = dot.onfocus = dot.onclick = show;
    svg.append(dot);
  }
  svg.append(name);
  tip.textContent = 'Point at a bubble.';
  chart.replaceChildren(svg, tip);
}
choice.onchange = draw;
let was = 0;
new ResizeObserver(() => {
  if (chart.clientWidth !== was) { was = chart.clientWidth; draw(); }
}).observe(chart);
draw();
"""
