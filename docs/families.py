"""Directives of the pages of families: `{family} NAME`, `{variants} NAME` and `{families}`.

All of it is read where it is kept: the head of the family's file, the registry, docs/networks.md
for the references, and drawings as `python -m keras_cnns show NAME --out FILE.png` makes them.
"""

import importlib
import inspect
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import keras_cnns

ROOT = Path(__file__).parent.parent
DRAWINGS = ROOT / "docs" / "_build" / "drawings"
DRAWN_BY = ("anatomy", "blocks", "complexity", "drawing", "flowchart", "plots")


class Family(SphinxDirective):
    """What a family is, and drawings of the networks that `:draw:` names."""

    required_arguments = 1
    option_spec = {"draw": str.split}

    def run(self):
        """The nodes of the text and of the drawings."""
        family = self.arguments[0]
        self.env.note_dependency(ROOT / "keras_cnns" / "models" / f"{family}.py")
        found = self.parse_text_to_nodes(_head(family))
        for name in self.options["draw"]:
            image = nodes.image(uri=_drawing(name), alt=f"{name}, drawn")
            found.append(nodes.container("", image, classes=["drawing"]))
        return found


class Variants(SphinxDirective):
    """The table of a family's networks."""

    required_arguments = 1

    def run(self):
        """The nodes of the table."""
        table = self.parse_text_to_nodes(_table(variants()[self.arguments[0]]))
        table[0]["classes"].append("variants")
        return table


class Families(SphinxDirective):
    """A table of all families, the oldest paper first."""

    def run(self):
        """The nodes of the table."""
        lines = ["| family | since | networks | |", "| --- | --- | --- | --- |"]
        for family, found in variants().items():
            about = _head(family).partition("\n\n")[0].replace("\n", " ").partition(": ")[2]
            lines.append(
                f"| [{_title(family)}](families/{family}.md) | {min(v.year for v in found)} "
                f"| {len(found)} | {about} |"
            )
        return self.parse_text_to_nodes("\n".join(lines))


def variants():
    """{family: its Variants}, the oldest first."""
    found = {}
    for name in keras_cnns.names():
        variant = keras_cnns.VARIANTS[name]
        found.setdefault(variant.family, []).append(variant)
    return found


def _title(family):
    page = ROOT / "docs" / "families" / f"{family}.md"
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _head(family):
    return inspect.getdoc(importlib.import_module(f"keras_cnns.models.{family}"))


def _drawing(name):
    from keras_cnns.drawing import draw

    picture = DRAWINGS / f"{name}.png"
    package = ROOT / "keras_cnns"
    sources = [*package.glob("models/*.py"), *(package / f"{name}.py" for name in DRAWN_BY)]
    if not picture.exists() or picture.stat().st_mtime < max(f.stat().st_mtime for f in sources):
        picture.parent.mkdir(parents=True, exist_ok=True)
        draw(keras_cnns.build(name), f"{name}, {keras_cnns.VARIANTS[name].year}", picture)
    return f"/_build/drawings/{picture.name}"


def _table(found):
    """Variants as Markdown; reference and difference from docs/networks.md."""
    header = ["network", "year", "parameters", "MACs", "input", "paper", "reference", "difference"]
    lines = [header, ["---", *["---:"] * 3, "---", "---", "---", "---:"]]
    for v in found:
        shape = " × ".join(map(str, v.input_shape))
        lines.append(
            [f"`{v.name}`", v.year, f"{v.params:,}", f"{v.macs:,}", shape, _paper(v.paper),
             *REFERENCES[v.name]]
        )  # fmt: skip
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _references():
    lines = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    return {row[0]: row[5:7] for row in rows}


REFERENCES = _references()


def _paper(paper):
    kind, _, number = paper.partition(":")
    places = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
    return f"[{paper}]({places[kind]}{number})" if kind in places else paper


def setup(app):
    app.add_directive("family", Family)
    app.add_directive("variants", Variants)
    app.add_directive("families", Families)
    return {"parallel_read_safe": True}
