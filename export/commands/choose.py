"""choose: the smallest or fastest format whose loss stays within the budget."""

from export.commands import checks
from pipelines import cli


def flags(parser):
    from export.limits import Options
    from pipelines import settings

    parser.add_argument("model", metavar="RUN|MODEL.keras", help="what to export")
    checks.add_format_flags(parser)
    checks.add_prefer_flag(parser)
    parser.add_argument("--plot", metavar="FILE.png", help="draw size against accuracy")
    settings.add_flags(parser, Options)
    checks.add_flags(parser, "--calibrate", "what the model was trained on")


def run(args):
    """Measure the formats and name the best; status 1 where none keeps to the limits."""
    from export.trained import find, source_of
    from pipelines.check import shell
    from pipelines.files import check_picture
    from pipelines.quiet import quiet

    limits, options = checks.limits(args), checks.options(args)
    trained = find(args.model, suffixes=(".keras",))
    if args.plot:
        check_picture(args.plot)
    with quiet():
        from export.bundle import formats, try_formats
    names = formats(args.formats)
    source = source_of(trained, args, "--calibrate")
    report = try_formats(
        trained.path, trained.labels, source, names, limits, options, args.prefer, args.plot
    )
    checks.show(report, args)
    if args.plot and not args.json:
        print(f"wrote {args.plot}")
    if report["passed"] and not args.json:
        same = f"python -m export bundle {shell(args.model)} --auto --prefer {args.prefer}"
        cli.next_commands(" ".join([same, *checks.again(args), "--out bundle"]))
    return 0 if report["passed"] else 1
