"""pack: a source as a sharded TFDS data set, for training on several machines."""

from pipelines import cli
from pipelines.commands.source import add_source


def flags(parser):
    add_source(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="the data set to make")
    parser.add_argument(
        "--shards", type=int, metavar="N",
        help="files of the train split, several for each worker (default: 4 for each processor)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Check every image and write the data set; go on where an earlier call was stopped."""
    from pathlib import Path

    from pipelines.commands.source import opened, words
    from pipelines.errors import UserError
    from pipelines.sources import refuse_inside

    if args.shards is not None and not 1 <= args.shards <= 99_999:
        raise UserError(f"--shards is at least 1 and at most 99999, not {args.shards}")
    refuse_inside(args.out, args.source)
    from pipelines.pack import check, pack

    check(args.out)
    source = opened(args)
    shards, kept = pack(source, args.out, args.shards)
    out = Path(args.out).absolute()
    images = {name: len(split) for name, split in source.splits.items()}
    if args.json:
        cli.print_json({"out": str(out), "shards": shards, "kept": kept, "images": images,
                        "fingerprint": source.fingerprint})  # fmt: skip
        return
    cli.table(["split", "images", "shards"], [[n, f"{images[n]:,}", shards[n]] for n in images])
    if kept:
        print(f"{kept} of {sum(shards.values())} shards were there from an earlier call")
    where = words(f"tfds:{out.name}", out.parent)
    cli.next_commands(
        f"python -m pipelines check {where}",
        f"python -m keras_cnns train --model lenet --data {where} --out runs/packed",
    )
