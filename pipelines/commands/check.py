"""check: decode every image of a source, and count them."""

from pipelines import cli
from pipelines.commands.source import add_source


def flags(parser):
    add_source(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
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
