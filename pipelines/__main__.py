"""python -m pipelines: look at images before training on them."""

import sys

from pipelines import cli
from pipelines.cli import Command


def add_source(parser, *flags):
    """Add SOURCE (or --data) and --data-dir."""
    from pipelines.sources import HELP

    options = {"required": True} if flags else {}
    parser.add_argument(*(flags or ["source"]), metavar="SOURCE", help=HELP, **options)
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared TFDS sets lie")


def check_flags(parser):
    add_source(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def check(args):
    """Decode every image, and say what was found."""
    from pipelines.sources import open_source

    source = open_source(args.source, data_dir=args.data_dir)
    summarize(source)
    if args.json:
        cli.print_json(
            {
                "source": source.spec,
                "classes": source.classes,
                "channels": source.channels,
                "counts": source.counts(),
                "ignored": source.ignored,
                "fingerprint": source.fingerprint,
            }
        )
    else:
        from shlex import quote

        spec = quote(source.spec)
        cli.next_commands(
            f"python -m pipelines preview {spec} --out preview.png",
            f"python -m keras_cnns train --model lenet --data {spec} --out runs/first",
        )


def summarize(source):
    """Print what a source holds."""
    kind = "grey" if source.channels == 1 else "colour"
    total = sum(len(split) for split in source.splits.values())
    print(f"{source.spec}: {total:,} {kind} images in {len(source.classes)} classes")
    counts = source.counts()
    rows = [
        [name, *(f"{counts[split][i]:,}" for split in counts)]
        for i, name in enumerate(source.classes[:20])
    ]
    if len(source.classes) > 20:
        rows.append([f"... and {len(source.classes) - 20} more", *[""] * len(counts)])
    rows.append(["all", *(f"{sum(per_class):,}" for per_class in counts.values())])
    cli.table(["class", *counts], rows)
    for what, count in source.ignored.items():
        print(f"left out: {count:,} x {what}")


def preview_flags(parser):
    add_source(parser)
    parser.add_argument("--out", required=True, metavar="FILE.png", help="the picture to write")
    parser.add_argument("--recipe", default="digits", metavar="NAME", help="augmentation to show")
    parser.add_argument("--image-size", type=int, default=64, metavar="N", help="side in pixels")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which draws are shown")


def preview(args):
    """Write a contact sheet of the augmented images."""
    from pipelines import recipes
    from pipelines.errors import UserError
    from pipelines.files import check_picture
    from pipelines.sources import refuse_inside

    recipes.find(args.recipe)  # before the images are read: a wrong name is told at once
    check_picture(args.out)
    refuse_inside(args.out, args.source)
    if not 8 <= args.image_size <= 1024:
        raise UserError(f"--image-size is at least 8 and at most 1024, not {args.image_size}")
    from pipelines.quiet import quiet
    from pipelines.sources import open_source

    with quiet():
        from pipelines.preview import write

    source = open_source(args.source, data_dir=args.data_dir)
    write(source, args.recipe, args.out, size=args.image_size, seed=args.seed)
    print(f"wrote {args.out}")


COMMANDS = {
    "check": Command("decode every image of a source and count them", check_flags, check),
    "preview": Command("draw a contact sheet of augmented images", preview_flags, preview),
}

if __name__ == "__main__":
    sys.exit(cli.main("pipelines", __doc__.split(": ", 1)[1], COMMANDS))
