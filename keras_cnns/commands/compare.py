"""compare: accuracy against what it costs, for runs or for published networks."""

import sys

from pipelines import cli


def flags(parser):
    from export.trained import add_source

    parser.add_argument("runs", nargs="*", metavar="RUN", help="runs, measured on their data")
    parser.add_argument(
        "--published", action="store_true", help="networks with published ImageNet accuracies"
    )
    parser.add_argument(
        "--networks", metavar="NAME,...", help="of --published: these (default: all)"
    )
    parser.add_argument(
        "--measure", action="store_true",
        help="of --published: also time them here; without --networks a small one of each family",
    )  # fmt: skip
    parser.add_argument("--format", default="float32", metavar="NAME", help="of the .tflite timed")
    add_source(parser, "--data", "that of each run")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of page and tables")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Compare, and write page, picture and two tables."""
    from export.trained import find
    from pipelines.errors import UserError
    from pipelines.files import claim
    from pipelines.quiet import quiet
    from pipelines.sources import refuse_inside

    if bool(args.runs) == args.published:
        raise UserError("name runs, or --published, and not both")
    if not args.published and (args.networks or args.measure):
        raise UserError("--networks and --measure go with --published; runs are always measured")
    trained = [find(path, suffixes=(".keras",)) for path in args.runs]
    for one in trained:
        refuse_inside(args.out, args.data or one.config.get("data"))
    with quiet():
        from export.bundle import formats
        from export.tflite import FORMATS
        from keras_cnns.evaluation import scatter
    claim(args.out, marker=scatter.MARKER, owned=scatter.OWNED, as_whole=True)
    names = formats(args.format)
    if len(names) != 1 or FORMATS[names[0]].suffix != ".tflite":
        raise UserError("--format takes the name of one format of .tflite")
    rows, notes = _published(args) if args.published else _of_runs(args, trained)
    scatter.write(rows, args.out, notes)
    _show(rows, notes)
    print(f"page: {args.out}/compare.html   picture: {args.out}/compare.png")
    if args.json:
        cli.print_json({"rows": rows, "notes": notes})


def _published(args):
    from keras_cnns.evaluation import compare

    chosen = [name.strip() for name in (args.networks or "").split(",") if name.strip()]
    if args.measure and not chosen:
        chosen = list(compare.MEASURED)
    rows = compare.published(chosen)
    notes = ["Accuracies are published ones, on ImageNet-1k, and were not measured here."]
    if args.measure:
        notes += _measured([(row, None, None) for row in rows], args.format)
    return rows, notes


def _of_runs(args, trained):
    from export.trained import source_of
    from keras_cnns.evaluation import compare
    from pipelines import dataset
    from pipelines.sources.recorded import identity

    found, sources = [], {}
    for one in trained:
        key = identity(one.config)
        if key not in sources:
            sources[key] = source_of(one, args)
        row, model = compare.of_run(one, sources[key])
        split = sources[key].splits["train"]
        some = dataset.subset(split, dataset.stratified(split, compare.CALIBRATION))
        found.append((row, model, dataset.pixels(some, model.input_shape[1:])))
    rows = [row for row, _, _ in found]
    _tell_apart(rows, args.runs)
    notes = ["Accuracies were measured here, on test images."]
    if len(set(map(compare.images_of, sources.values()))) > 1:
        notes.append("WARNING: the runs were measured on different images; name one by --data")
    return rows, notes + _measured(found, args.format)


def _tell_apart(rows, paths):
    """Runs in folders of the same name are called by their whole paths."""
    names = [row["model"] for row in rows]
    for row, path in zip(rows, paths, strict=True):
        if names.count(row["model"]) > 1:
            row["model"] = str(path)


def _measured(found, form):
    """Time (row, model, images) one after the other; return how it was done, in words."""
    from keras_cnns import speed
    from keras_cnns.evaluation import compare

    watch = speed.stopwatch()
    for i, (row, model, images) in enumerate(found, 1):
        print(f"measuring {row['model']} ({i} of {len(found)})", file=sys.stderr, flush=True)
        compare.measure(row, model, watch, form, images)
    compare.in_seconds([row for row, _, _ in found], watch)
    one = 1e3 * watch.seconds(1)
    return [
        f"Times: CPU time on this machine, each round between two runs of {speed.REFERENCE} in "
        f"float32 ({one:.2f} ms); medians of the ratios, so that what else the machine did cancels "
        f"out, with their 95% intervals. Latency and size: {form} .tflite, one image, one thread; "
        f"images a second: Keras, batch {compare.BATCH}, a core. A GPU is not timed."
    ]


def _show(rows, notes):
    from keras_cnns.evaluation.compare import accuracy, millions

    shown = sorted(rows, key=lambda row: -row["top1"])
    cli.table(
        ["model", "top-1 (95%)", "M parameters", "M MACs", "images/s", "latency (95%)", "size"],
        [
            [row["model"], accuracy(row), millions(row["params"]),
             millions(row["macs"]), *_times(row)]
            for row in shown
        ],
    )  # fmt: skip
    for note in notes:
        print(note)


def _times(row):
    from keras_cnns.evaluation.compare import latency

    if "latency_ms" not in row:
        return ["-", "-", "-"]
    return [
        f"{row['images_per_second']:,.1f}",
        latency(row),
        f"{row['bytes'] / 1024:,.1f} KiB",
    ]
