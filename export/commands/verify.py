"""verify: run every file of a bundle again."""

from export.commands import checks


def flags(parser):
    parser.add_argument("bundle", metavar="BUNDLE", help="a folder that `bundle` made")
    checks.add_flags(parser, "--data", "what the bundle was verified on")


def run(args):
    """Run every file of a bundle again; status 1 where one misses a limit."""
    from export.trained import Trained, source_in, source_of
    from pipelines.quiet import quiet

    limits = checks.limits(args)
    with quiet():
        from export.bundle import check
        from export.card import read_card
    card = read_card(args.bundle)
    known = Trained(args.bundle, tuple(card["labels"]), source_in(card))
    source = source_of(known, args.data, args.data_dir, changed_data=args.changed_data)
    report = check(args.bundle, source, limits)
    checks.show(report, args)
    return 0 if report["passed"] else 1
