"""train: a network, a source, a recipe, and a run folder."""

import sys

from pipelines import cli


def flags(parser):
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


def run(args):
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
