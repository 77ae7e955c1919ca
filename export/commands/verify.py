"""verify: run every file of a bundle again."""

from export.commands import checks
from pipelines import cli


def flags(parser):
    parser.add_argument("bundle", metavar="BUNDLE", help="a folder that `bundle` made")
    checks.add_flags(parser, "--data", "what the bundle was verified on")
    parser.epilog = "limits that are not given are those that the bundle was made with"


def run(args):
    """Run every file of a bundle again; status 1 where one misses a limit."""
    import sys

    from export.trained import Trained, source_in, source_of
    from pipelines.files import ENVIRONMENT
    from pipelines.quiet import quiet

    checks.limits(args)  # what is wrong with them is told at once
    with quiet():
        from export import verify
        from export.bundle import check, keep
        from export.card import read_card
    card = read_card(args.bundle)
    limits = checks.limits(args, card.get("limits", {}))
    known = Trained(args.bundle, tuple(card["labels"]), source_in(card))
    source = source_of(known, args)
    report = check(args.bundle, source, limits)
    verify.show(report)
    if args.json:
        cli.print_json(report)
    try:
        keep(args.bundle, report)
    except OSError as error:
        if error.errno not in ENVIRONMENT:
            raise
        print(f"{args.bundle} keeps its old report: {error.strerror.lower()}", file=sys.stderr)
    return 0 if report["passed"] else 1
