"""show: what each layer of a network costs."""

from pipelines import cli

INCEPTION = "inception_3a"  # not a network: the lecture's table of one block


def flags(parser):
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help=f"a network of `list`, or {INCEPTION}"
    )
    parser.add_argument("--image-size", type=int, metavar="N", help="height and width to build for")
    parser.add_argument("--classes", type=int, metavar="N", help="number of classes to build for")
    parser.add_argument(
        "--compare", action="store_true", help="two or more networks side by side, as the lecture"
    )


def run(args):
    """Print the layers of networks with what each costs."""
    from keras_cnns.registry import find
    from pipelines.errors import UserError

    block = INCEPTION in args.names
    variants = [find(name) for name in args.names if name != INCEPTION]
    if args.compare and len(variants) < 2:
        raise UserError("--compare needs two networks or more")
    from pipelines.quiet import quiet

    with quiet():
        import keras  # noqa: F401  (its start-up lines are held back)
    from keras_cnns import build, complexity

    def built(v):
        size = (args.image_size, args.image_size) if args.image_size else v.input_shape[:2]
        return build(v.name, args.classes, (*size, v.input_shape[2]))

    if block:
        from keras_cnns.lecture import inception_table

        rows = [[label, f"{w:,}", f"{macs:,}"] for label, w, macs in inception_table()]
        cli.table(["block", "weights", "MACs"], rows)
        print("192 channels to 256, 28 x 28 pixels; weights without biases\n")
    if args.compare:
        _show_side_by_side(variants, [built(v) for v in variants])
    if args.compare or not variants:
        return
    for v in variants:
        model = built(v)
        rows = complexity.rows(model)
        print(f"{v.name}, {v.year}, {v.paper}: {cli.by(model.input_shape[1:])}")
        cli.table(
            ["layer", "kind", "output", "parameters", "MACs"],
            [
                *[[r.name, r.kind, cli.by(r.output), f"{r.params:,}", f"{r.macs:,}"] for r in rows],
                ["all", "", "", f"{complexity.params(model):,}", f"{complexity.macs(model):,}"],
            ],
        )
        if len(model.outputs) > 1:
            print("all: MACs of a prediction, which leaves the auxiliary heads out")
        print()
    cli.next_commands(
        f"python -m keras_cnns train --model {variants[0].name} --data digits --out runs/first"
    )


def _show_side_by_side(variants, models):
    from keras_cnns.lecture import compare

    header = ["layer"]
    for v in variants:
        header += [f"{v.name} weights", f"{v.name} MACs"]
    rows = compare(models)
    cli.table(
        header, [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    )
    print("weights without biases; 1 MAC is what the lecture calls 1 FLOP; see docs/errata.md")
