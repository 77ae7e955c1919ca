"""One HTML file that needs nothing else: no network, images inside, dark and light, any width."""

import base64
from html import escape

STYLE = """
:root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d5dbe1;
--card:#f5f7f9;--accent:#2f6fbb;--warn:#9a3412;--warn-ground:#fff4e8}
@media(prefers-color-scheme:dark){:root{--ground:#14171b;--ink:#e8ebee;--soft:#a3adb8;
--line:#363d45;--card:#1d2127;--accent:#6ea8e8;--warn:#ffc078;--warn-ground:#35240f}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:70rem;padding:1rem 1rem 3rem;background:var(--ground);
color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
p{margin:.5rem 0;max-width:46rem}.soft,figcaption,caption{color:var(--soft);font-size:.875rem}
a{color:var(--accent)}:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));
gap:.6rem;margin:1rem 0}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;
padding:.6rem .8rem}
.facts b{display:block;font-size:1.45rem;line-height:1.2}
.warning{background:var(--warn-ground);border-left:4px solid var(--warn);padding:.5rem .8rem;
margin:.5rem 0;border-radius:.25rem}
.wide{overflow:auto;max-height:34rem;border:1px solid var(--line);border-radius:.5rem}
table{border-collapse:collapse;font-size:.875rem;width:100%}
caption{text-align:left;padding:.4rem .6rem}
th,td{padding:.3rem .6rem;text-align:left;border-bottom:1px solid var(--line);vertical-align:top;
max-width:18rem;overflow-wrap:break-word}
thead th{position:sticky;top:0;background:var(--card);z-index:1}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th button{all:unset;cursor:pointer;font-weight:600}
th button:focus-visible{outline:3px solid var(--accent)}
th[aria-sort=ascending] button::after{content:" \\2191"}
th[aria-sort=descending] button::after{content:" \\2193"}
.heat{width:auto}.heat td,.heat th{padding:.25rem .4rem;border:1px solid var(--line)}
.heat td{text-align:center;min-width:2.2rem;font-variant-numeric:tabular-nums;
background:color-mix(in srgb,var(--accent) calc(var(--share,0)*62%),transparent)}
.heat tbody th{max-width:11rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;
position:sticky;left:0;background:var(--card)}
.heat thead th{vertical-align:bottom;text-align:center}
.heat thead th span{writing-mode:vertical-rl;transform:rotate(180deg);max-height:9rem;
overflow:hidden;text-overflow:ellipsis;white-space:nowrap;display:inline-block}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.8rem}
.tiles figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.5rem;
overflow:hidden}
.tiles img{display:block;width:100%;height:9rem;object-fit:contain;background:#8883}
.tiles figcaption{padding:.4rem .6rem;line-height:1.35}.tiles b{color:var(--ink)}
.paper{background:#fff;border:1px solid var(--line);border-radius:.5rem;max-width:100%;height:auto}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}
"""

SORT = """
for (const button of document.querySelectorAll('th button')) button.onclick = () => {
  const head = button.parentElement, table = head.closest('table'), body = table.tBodies[0];
  const down = head.getAttribute('aria-sort') !== 'descending';
  for (const other of table.querySelectorAll('th[aria-sort]')) other.removeAttribute('aria-sort');
  head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
  const cell = row => row.cells[head.cellIndex];
  const value = row => cell(row).dataset.value ?? cell(row).innerText;
  const order = (a, b) => value(a).localeCompare(value(b), undefined, {numeric: true});
  body.append(...[...body.rows].sort((a, b) => down ? order(b, a) : order(a, b)));
};
"""


def page(title, body, *, script=""):
    """A whole page; `title` is text, `body` is HTML, `script` is JavaScript."""
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def facts(pairs):
    """Boxes of one number each: [(what, number, note)]."""
    boxes = [
        f"<div>{escape(what)}<b>{escape(number)}</b><span class=soft>{escape(note)}</span></div>"
        for what, number, note in pairs
    ]
    return f'<div class="facts">{"".join(boxes)}</div>'


def table(caption, header, rows):
    """A table that sorts by a click or a key on its header.

    Args:
        rows: lists of text, or of (text, number to sort by).
    """
    numeric = [any(isinstance(row[i], tuple) for row in rows) for i in range(len(header))]
    kinds = [' class="number"' if is_number else "" for is_number in numeric]
    head = "".join(
        f"<th scope=col{kind}><button>{escape(name)}</button></th>"
        for name, kind in zip(header, kinds, strict=True)
    )
    lines = []
    for row in rows:
        cells = [_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return _scrolling(
        caption, f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody>",
    )  # fmt: skip


def _cell(cell, kind):
    text, value = cell if isinstance(cell, tuple) else (cell, None)
    sorted_by = "" if value is None else f' data-value="{value:.9f}"'
    return f"<td{kind}{sorted_by}>{escape(text)}</td>"


def _scrolling(label, rows, kind=""):
    """A table that can be scrolled by finger and by key."""
    return (
        f'<div class="wide" tabindex=0 role=region aria-label="{escape(label)}">'
        f"<table{kind}>{rows}</table></div>"
    )


def heat(caption, matrix, labels):
    """A confusion matrix: counts, shaded by their share of the row."""
    head = "".join(
        f'<th scope=col title="{escape(label)}"><span>{escape(label)}</span></th>'
        for label in labels
    )
    lines = []
    for label, row in zip(labels, matrix, strict=True):
        total = max(1, sum(row))
        cells = "".join(
            f'<td style="--share:{count / total:.3f}">{count}</td>' if count else "<td></td>"
            for count in row
        )
        name = f'<th scope=row title="{escape(label)}">{escape(label)}</th>'
        lines.append(f"<tr>{name}{cells}</tr>")
    return _scrolling(
        caption, f"<thead><tr><td>true</td>{head}</tr></thead><tbody>{''.join(lines)}</tbody>",
        ' class="heat"',
    )  # fmt: skip


def image(content, alt, *, kind="png", css=""):
    """An image inside the page; `content` are the bytes of its file."""
    data = base64.b64encode(content).decode()
    css = f' class="{css}"' if css else ""
    return f'<img{css} alt="{escape(alt)}" loading="lazy" src="data:image/{kind};base64,{data}">'


def bars(rows, label):
    """A reliability diagram: accuracy of each bin as a bar, the diagonal where it should end."""
    side, left, bottom = 260, 40, 30
    shapes = []
    for row in rows:
        if not row["images"]:
            continue
        x, width = left + row["low"] * side, side / len(rows) - 1
        height, ideal = row["accuracy"] * side, row["confidence"] * side
        told = (
            f"confidence {row['low']:.2f} to {row['high']:.2f}: {row['images']:,} images, "
            f"{100 * row['accuracy']:.1f}% right, said {100 * row['confidence']:.1f}%"
        )
        shapes.append(
            f"<g><title>{escape(told)}</title>"
            f'<rect x="{x:.1f}" y="{side - height + 10:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" fill="var(--accent)"/>'
            f'<rect x="{x:.1f}" y="{side - ideal + 8.5:.1f}" width="{width:.1f}" height="3" '
            'fill="var(--warn)"/></g>'
        )
    axes = "".join(
        f'<text x="{left + v * side:.0f}" y="{side + 26}" text-anchor="middle">{v:g}</text>'
        f'<text x="{left - 6}" y="{side - v * side + 14:.0f}" text-anchor="end">{v:g}</text>'
        for v in (0, 0.25, 0.5, 0.75, 1)
    )
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {left + side + 12} '
        f'{side + bottom + 18}" style="width:100%;max-width:26rem">'
        f'<path d="M{left} {side + 10}L{left + side} 10" stroke="var(--soft)" '
        f'stroke-dasharray="4 4"/><path d="M{left} 10V{side + 10}H{left + side}" fill="none" '
        f'stroke="var(--line)"/>{"".join(shapes)}{axes}<text x="{left + side / 2}" '
        f'y="{side + 44}" text-anchor="middle">confidence</text></svg>'
    )
