"""python -m keras_cnns: build, train and look at landmark convolutional networks."""

import sys

from pipelines import cli
from pipelines.cli import Command


def list_flags(parser):
    parser.add_argument("filter", nargs="?", default="", help="part of a name")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def list_networks(args):
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
            [v.name, v.year, f"{v.params:,}", f"{v.macs:,}", _by(v.input_shape), v.paper]
            for v in found
        ],
    )
    cli.next_commands(f"python -m keras_cnns show {found[0].name}")


def _by(shape):
    return " x ".join(map(str, shape))


INCEPTION = "inception_3a"  # not a network: the lecture's table of one block


def show_flags(parser):
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help=f"a network of `list`, or {INCEPTION}"
    )
    parser.add_argument("--image-size", type=int, metavar="N", help="height and width to build for")
    parser.add_argument("--classes", type=int, metavar="N", help="number of classes to build for")
    parser.add_argument(
        "--compare", action="store_true", help="two or more networks side by side, as the lecture"
    )


def show(args):
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
        print(f"{v.name}, {v.year}, {v.paper}: {_by(model.input_shape[1:])}")
        cli.table(
            ["layer", "kind", "output", "parameters", "MACs"],
            [
                *[[r.name, r.kind, _by(r.output), f"{r.params:,}", f"{r.macs:,}"] for r in rows],
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


def train_flags(parser):
    from keras_cnns.recipes import Training
    from pipelines.settings import add_flags
    from pipelines.sources import HELP

    parser.add_argument("--model", required=True, metavar="NAME", help="a network of `list`")
    parser.add_argument("--data", required=True, metavar="SOURCE", help=HELP)
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared TFDS sets lie")
    parser.add_argument("--out", required=True, metavar="RUN", help="a new folder for the run")
    parser.add_argument("--recipe", default="plain", metavar="NAME", help="named settings")
    add_flags(parser, Training)
    parser.add_argument("settings", nargs="*", metavar="key=value", help="any setting, as above")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def train(args):
    """Train a network on a source."""
    from keras_cnns import recipes
    from keras_cnns.registry import find
    from pipelines import recipes as augmentations
    from pipelines.settings import given, key_values, resolve

    # What can be wrong is looked for before TensorFlow starts and before images are read.
    find(args.model)
    changes = given(args, recipes.Training) | key_values(args.settings)
    settings = resolve(recipes.find(args.recipe), changes)
    augmentations.find(settings.augment)
    from pathlib import Path

    from keras_cnns.run import claim
    from pipelines.quiet import quiet
    from pipelines.sources import open_source, refuse_inside

    out = Path(args.out)
    claim(out)
    refuse_inside(out, args.data)
    with quiet():
        from keras_cnns.train import train
    source = open_source(args.data, data_dir=args.data_dir)
    metrics = train(
        args.model, source, settings, out,
        recipe=args.recipe, data_dir=args.data_dir, bar=sys.stdout.isatty(),
    )  # fmt: skip
    print(
        f"{args.model}: validation accuracy {100 * metrics['val_accuracy']:.2f}% of "
        f"{metrics['val_images']:,} images at epoch {metrics['best_epoch']}, "
        f"{metrics['seconds']:.0f} s"
    )
    if args.json:
        cli.print_json(metrics)
        return
    from shlex import quote

    cli.next_commands(
        f"python -m keras_cnns evaluate {quote(str(out))}",
        f"tensorboard --logdir {quote(str(out / 'tensorboard'))}",
        f"python -m export bundle {quote(str(out))} --out {quote(str(out / 'bundle'))}",
    )


def evaluate_flags(parser):
    from pipelines.sources import HELP

    parser.add_argument("model", metavar="RUN|MODEL.keras|MODEL.tflite", help="what to evaluate")
    parser.add_argument("--data", metavar="SOURCE", help=f"{HELP} (default: that of the training)")
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared TFDS sets lie")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--plot", metavar="FILE.png", help="write the confusion matrix")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def evaluate(args):
    """Print accuracy and the weakest classes of a model."""
    from export.trained import find, source_of

    trained = find(args.model)
    from pipelines.quiet import quiet

    if args.plot:
        from pipelines.files import check_picture

        check_picture(args.plot)
    with quiet():
        from keras_cnns.evaluate import evaluate
    report = evaluate(trained, source_of(trained, args.data, args.data_dir), args.split)
    low, high = report["accuracy_95"]
    print(
        f"{args.model} on {report['split']} of {report['source']}: accuracy "
        f"{100 * report['accuracy']:.2f}% of {report['images']:,} images "
        f"(95%: {100 * low:.2f} to {100 * high:.2f})"
    )
    print("classes, those found least first:")
    cli.table(
        ["class", "images", "precision", "recall"],
        [
            [name, f"{c['images']:,}", _percent(c["precision"]), _percent(c["recall"])]
            for name, c in sorted(report["classes"].items(), key=lambda kv: kv[1]["recall"] or 0)
        ][:20],
    )
    if args.plot:
        import numpy as np

        from keras_cnns.plots import confusion

        confusion(np.array(report["confusion"]), list(report["classes"]), args.plot)
        print(f"wrote {args.plot}")
    if args.json:
        cli.print_json(report)


def _percent(share):
    return "-" if share is None else f"{100 * share:.1f}%"


def predict_flags(parser):
    parser.add_argument("model", metavar="RUN|MODEL", help="a run, .keras or .tflite file")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files")
    parser.add_argument("--top", type=int, default=3, metavar="N", help="answers for each image")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def predict(args):
    """Print the most probable classes of images."""
    from export.trained import find
    from pipelines.errors import UserError

    trained = find(args.model)
    if args.top < 1:
        raise UserError(f"--top is at least 1, not {args.top}")
    from pipelines.check import find_image

    for image in args.images:
        find_image(image)
    from pipelines.quiet import quiet

    with quiet():
        from keras_cnns.evaluate import predict
    answers = predict(trained, args.images)
    for answer in answers:
        best = "  ".join(f"{name} {100 * p:.1f}%" for name, p in answer["answers"][: args.top])
        print(f"{answer['image']}: {best}")
    if args.json:
        cli.print_json({"images": answers})


def import_flags(parser):
    parser.add_argument("name", metavar="NAME", help="a network of `list`")
    parser.add_argument("file", metavar="FILE", help=".safetensors, .npz or .pth of torch names")
    parser.add_argument("--out", required=True, metavar="RUN", help="a new folder for the model")
    parser.add_argument("--classes", type=int, metavar="N", help="default: those of the file")
    parser.add_argument("--labels", metavar="FILE", help="class names, a line each, in its order")


def import_weights(args):
    """Make a model that takes pixels out of a checkpoint."""
    from pathlib import Path

    from keras_cnns import run, weights
    from keras_cnns.registry import find

    variant, out = find(args.name), Path(args.out)
    run.claim(out)
    checkpoint = weights.read(args.file)
    from pipelines.quiet import quiet

    with quiet():
        import keras  # noqa: F401  (its start-up lines are held back)

        from keras_cnns.imported import import_checkpoint
    labels = Path(args.labels).read_text("utf-8").splitlines() if args.labels else None
    dropped, classes = import_checkpoint(variant, checkpoint, args.classes, labels, args.file, out)
    print(f"{args.name} with the weights of {args.file}: {classes} classes, pixels 0..255 in")
    if dropped:
        print(f"left out, being of another number of classes: {', '.join(dropped)};")
        print("it is drawn by chance, so the model answers by chance until it is trained")
    from shlex import quote

    cli.next_commands(
        f"python -m keras_cnns evaluate {quote(str(out))} --data folder:PATH",
        f"python -m export bundle {quote(str(out))} --calibrate folder:PATH "
        f"--out {quote(str(out / 'bundle'))}",
    )


def demo_flags(parser):
    parser.add_argument("--out", default="runs/demo", metavar="DIR", help="default: runs/demo")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the training")


def demo(args):
    """Run the whole line on the embedded digits."""
    from pipelines.quiet import quiet

    with quiet():
        from keras_cnns.demo import demo
    demo(args.out, seed=args.seed, bar=False)


COMMANDS = {
    "list": Command("the networks, oldest first", list_flags, list_networks),
    "show": Command("the layers of a network and what each costs", show_flags, show),
    "train": Command("train a network on a source of images", train_flags, train),
    "evaluate": Command("accuracy of a model, class by class", evaluate_flags, evaluate),
    "predict": Command("what a model sees in images", predict_flags, predict),
    "import-weights": Command("a model out of a torch checkpoint", import_flags, import_weights),
    "demo": Command("the whole line on embedded digits, in two minutes", demo_flags, demo),
}

if __name__ == "__main__":
    sys.exit(cli.main("keras_cnns", __doc__.split(": ", 1)[1], COMMANDS))
