"""bench: how fast, large and hungry .tflite files are, side by side."""

from pipelines import cli


def flags(parser):
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE.tflite|BUNDLE",
        help="files to measure, or all of a bundle",
    )
    parser.add_argument("--against", metavar="FILE.tflite", help="what ratios are taken to")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--runs", type=int, default=200, metavar="N", help="default: 200 rounds")
    parser.add_argument(
        "--reference-kernels", action="store_true", help="in place of XNNPACK; slow"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Print the measurements of the files, ratios first."""
    from export.trained import tflite_files
    from pipelines.errors import UserError

    for name in ("threads", "runs"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} is at least 1, not {getattr(args, name)}")
    files = [file for path in args.files for file in tflite_files(path)]
    against = tflite_files(args.against)[0] if args.against else None
    from export import bench

    rows = bench.measure(
        list(dict.fromkeys(files)),
        against=against,
        threads=args.threads,
        runs=args.runs,
        reference_kernels=args.reference_kernels,
    )
    bench.show(rows)
    if args.json:
        cli.print_json({"files": rows})
