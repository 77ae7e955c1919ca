"""bundle: a model in every format, each verified."""

from export.commands import checks
from pipelines import cli


def flags(parser):
    from export.limits import Options
    from pipelines import settings

    parser.add_argument("model", metavar="RUN|MODEL.keras", help="what to export")
    parser.add_argument("--out", required=True, metavar="DIR", help="the bundle to make")
    checks.add_format_flags(parser)
    parser.add_argument(
        "--auto",
        action="store_true",
        help="leave out what misses a limit, mend the integer file, and name the best",
    )
    checks.add_prefer_flag(parser)
    settings.add_flags(parser, Options)
    checks.add_flags(parser, "--calibrate", "what the model was trained on")


def run(args):
    """Export, verify, and put the bundle in its place."""
    from shlex import quote

    from export.trained import find, source_of
    from pipelines.check import shell
    from pipelines.errors import CheckFailed
    from pipelines.quiet import quiet
    from pipelines.sources import refuse_inside

    limits, options = checks.limits(args), checks.options(args)
    trained = find(args.model, suffixes=(".keras",))
    refuse_inside(args.out, args.calibrate or trained.config.get("data"))
    with quiet():
        from export.bundle import Missed, bundle, claim, formats

    claim(args.out)
    names = formats(args.formats)
    source = source_of(trained, args, "--calibrate")
    prefer = args.prefer if args.auto else None
    what = (trained.path, trained.labels, source, args.out, names, limits, options, prefer)
    try:
        report = bundle(*what)
    except Missed as missed:
        checks.show(missed.report, args)
        near = " ".join([f"python -m export choose {shell(args.model)}", *checks.again(args)])
        raise CheckFailed(f"{missed}. What can be had within it: {near}") from None
    checks.show(report, args)
    if not args.json:
        made = list(report["formats"])
        usual = "uint8" if "uint8" in made else made[-1]
        best = report.get("choice", {}).get("format", usual)
        out, file = quote(args.out), quote(f"{args.out}/{report['formats'][best]['file']}")
        print(f"\nbundle: {args.out}")
        cli.next_commands(
            f"python -m export verify {out}",
            f"python -m export bench {out}",
            f"python -m export serve {out} --fetch-runtime",
            f"python -m keras_cnns predict {file} photo.jpg",
        )
