"""show: what each layer of a network costs, and what the whole of it looks like."""

from pipelines import cli

INCEPTION = "inception_3a"  # not a network: the lecture's table of one block


def flags(parser):
    parser.add_argument(
        "names", nargs="+", metavar="NAME",
        help=f"a network of `list`, the best.yaml of a search, or {INCEPTION}",
    )  # fmt: skip
    parser.add_argument("--image-size", type=int, metavar="N", help="height and width to build for")
    parser.add_argument("--classes", type=int, metavar="N", help="number of classes to build for")
    parser.add_argument(
        "--compare", action="store_true", help="two or more networks side by side, as the lecture"
    )
    parser.add_argument("--out", metavar="FILE.png", help="draw one network")


def run(args):
    """Print the layers of networks with what each costs."""
    from keras_cnns.registry import find

    wanted = [_read(name) for name in args.names if name != INCEPTION]
    variants = [find(facts["model"]) for facts in wanted]
    _check(args, variants)
    from pipelines.quiet import quiet

    with quiet():
        import keras  # noqa: F401  (its start-up lines are held back)

    if INCEPTION in args.names:
        _show_block()
    models = (_built(v, facts, args) for v, facts in zip(variants, wanted, strict=True))
    if args.compare:
        _show_side_by_side(variants, list(models))
    elif variants:
        for v, facts, model in zip(variants, wanted, models, strict=True):
            _show_layers(v, model, facts.get("widths"))
            if args.out:
                _draw(v, model, args.out)
        _show_next(args, wanted[0], variants[0].name)


def _check(args, variants):
    from pipelines.errors import UserError
    from pipelines.files import check_picture

    if args.compare and len(variants) < 2:
        raise UserError("--compare needs two networks or more")
    if args.out:
        check_picture(args.out)
        if len(args.names) > 1 or not variants:
            raise UserError("--out draws one network; name one")


def _built(v, facts, args):
    """The network of a variant, as the user and the file of a search say."""
    from keras_cnns import build

    side = args.image_size or facts.get("image_size")
    size = (side, side) if side else v.input_shape[:2]
    channels = facts.get("channels") or v.input_shape[2]
    classes = args.classes or facts.get("classes")
    return build(v.name, classes, (*size, channels), facts.get("widths"))


def _show_block():
    from keras_cnns.lecture import inception_table

    rows = [[label, f"{w:,}", f"{macs:,}"] for label, w, macs in inception_table()]
    cli.table(["block", "weights", "MACs"], rows)
    print("192 channels to 256, 28 x 28 pixels; weights without biases\n")


def _show_layers(v, model, widths):
    from keras_cnns import complexity

    rows = complexity.rows(model)
    print(f"{v.name}, {v.year}, {v.paper}: {cli.by(model.input_shape[1:])}")
    if widths:
        print(f"widths {', '.join(f'{width:g}' for width in widths)}")
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


def _draw(v, model, path):
    from keras_cnns.drawing import draw

    draw(model, f"{v.name}, {v.year}", path)
    print(f"drawn: {path}")


def _show_next(args, facts, name):
    from pipelines.check import shell

    named = next(name for name in args.names if name != INCEPTION)
    again = ["python -m keras_cnns show", shell(named), *cli.again(args, ("image_size", "classes"))]
    # A best.yaml says all of it.
    way = f"--config {shell(named)}" if "widths" in facts else f"--model {name} --data digits"
    train = ["python -m keras_cnns train", way, *cli.again(args, ("image_size",))]
    cli.next_commands(
        *([] if args.out else [" ".join([*again, f"--out {name}.png"])]),
        " ".join([*train, "--out runs/first"]),
    )


def _read(name):
    """{"model", "widths", "image_size"} of what the user named, as far as it says them."""
    from pathlib import Path

    from keras_cnns.found import read
    from pipelines.errors import UserError

    if Path(name).is_dir():
        _check_folder(Path(name))
    if not name.endswith((".yaml", ".yml")):
        return {"model": name}
    facts = read(name)
    if "model" not in facts:
        raise UserError(f"{name} is no best.yaml of a search: it names no network and widths")
    return facts


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


def _check_folder(folder):
    """Refuse a folder, unless it is called as a network is, and say what to name in its place."""
    from export.trained import CARD, CONFIG, config_of
    from keras_cnns.registry import names
    from pipelines.check import shell
    from pipelines.errors import UserError

    if str(folder) in names():
        return
    what = "is a folder, and no network of `list`"
    if (folder / "best.yaml").is_file():
        what = f"is a search; the network that it chose is {shell(str(folder / 'best.yaml'))}"
    elif (folder / "search.yaml").is_file():
        what = "is a search that has chosen no network yet"
    elif (folder / CONFIG).is_file():
        model = config_of(folder).get("model", "not told")
        what = f"is the run of a training; its network is {model}"
    elif (folder / CARD).is_file():
        what = "is a bundle; its MODEL_CARD.md says what it holds"
    raise UserError(f"{folder} {what}")
