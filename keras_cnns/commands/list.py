"""list: the catalogue."""

from pipelines import cli


def flags(parser):
    parser.add_argument("filter", nargs="?", default="", help="part of a name")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Print the catalogue."""
    from keras_cnns import VARIANTS, names
    from pipelines.errors import UserError, did_you_mean

    found = [VARIANTS[name] for name in names(args.filter)]
    if not found:
        raise UserError(f"no network's name contains {args.filter!r}; "
                        + did_you_mean(args.filter, VARIANTS))  # fmt: skip
    if args.json:
        facts = ("year", "params", "macs", "input_shape", "classes", "paper")
        cli.print_json({v.name: {fact: getattr(v, fact) for fact in facts} for v in found})
        return
    cli.table(
        ["network", "year", "parameters", "MACs", "input", "paper"],
        [
            [v.name, v.year, f"{v.params:,}", f"{v.macs:,}", cli.by(v.input_shape), v.paper]
            for v in found
        ],
    )
    cli.next_commands(f"python -m keras_cnns show {found[0].name}")
