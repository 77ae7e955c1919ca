"""bundle: a model in every format, each verified."""

from export.commands import checks
from pipelines import cli


def flags(parser):
    parser.add_argument("model", metavar="RUN|MODEL.keras", help="what to export")
    parser.add_argument("--out", required=True, metavar="DIR", help="the bundle to make")
    parser.add_argument("--formats", metavar="NAME,...", help="default: all of them")
    checks.add_flags(parser, "--calibrate", "what the model was trained on")


def run(args):
    """Export, verify, and put the bundle in its place."""
    from shlex import quote

    from export.trained import find, source_of
    from pipelines.quiet import quiet
    from pipelines.sources import refuse_inside

    limits, trained = checks.limits(args), find(args.model, suffixes=(".keras",))
    refuse_inside(args.out, args.calibrate or trained.config.get("data"))
    with quiet():
        from export.bundle import MARKER, OWNED, bundle, formats
    from pipelines.files import claim

    claim(args.out, marker=MARKER, owned=OWNED)
    names = formats(args.formats)
    source = source_of(trained, args.calibrate, args.data_dir, flag="--calibrate")
    report = bundle(trained.path, trained.labels, source, args.out, names, limits)
    checks.show(report, args)
    if not args.json:
        print(f"\nbundle: {args.out}")
        cli.next_commands(
            f"python -m export verify {quote(args.out)}",
            f"python -m keras_cnns predict {quote(args.out)}/model_{names[-1]}.tflite photo.jpg",
        )
