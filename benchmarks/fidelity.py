"""Every network in one table: what it costs, and how near it comes to its reference.

Each file of tests/reference holds the logits of a published definition under weights drawn by a
rule; the last column is the largest difference, relative to the largest logit.
"""

import argparse

from pipelines import cli


def main():
    """Print the table, or write it as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("filter", nargs="?", default="", help="part of a name")
    parser.add_argument("--write", metavar="FILE.md", help="write the table as Markdown")
    args = parser.parse_args()
    import keras_cnns
    from tests import reference

    header = ["network", "year", "parameters", "MACs", "input", "reference", "difference"]
    files = reference.files()
    rows = []
    for name in keras_cnns.names(args.filter):
        v = keras_cnns.VARIANTS[name]
        file = files.get(name)
        rows.append([
            name, v.year, f"{v.params:,}", f"{v.macs:,}", " x ".join(map(str, v.input_shape)),
            file.stem if file else "", f"{reference.difference(name, file):.1e}" if file else "",
        ])  # fmt: skip
    if args.write:
        lines = [header, ["---"] * len(header), *rows]
        text = "".join("| " + " | ".join(map(str, row)) + " |\n" for row in lines)
        with open(args.write, "w", encoding="utf-8") as file:
            file.write(HEAD.format(len(rows), sum(bool(row[5]) for row in rows)) + text)
    else:
        cli.table(header, rows)


HEAD = """# The networks

Written by `python -m benchmarks.fidelity --write docs/networks.md`. Parameters are trainable ones,
MACs multiply-adds of convolutions, dense layers and attention, both asserted for each of the {}
networks. The {} with a reference answer as it does under the same weights; the difference is
relative to the largest logit.

"""

if __name__ == "__main__":
    main()
