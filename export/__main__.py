"""python -m export: turn a trained model into verified files for a device."""

import sys

from pipelines import cli
from pipelines.cli import Command


def _shared_flags(parser, flag, default):
    from export.limits import Limits
    from pipelines.settings import add_flags
    from pipelines.sources import HELP

    parser.add_argument(flag, metavar="SOURCE", help=f"{HELP} (default: {default})")
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared TFDS sets lie")
    add_flags(parser, Limits)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def _limits(args):
    from export.limits import Limits
    from pipelines.settings import given, resolve

    return resolve(Limits(), given(args, Limits))


def bundle_flags(parser):
    parser.add_argument("model", metavar="RUN|MODEL.keras", help="what to export")
    parser.add_argument("--out", required=True, metavar="DIR", help="the bundle to make")
    parser.add_argument("--formats", metavar="NAME,...", help="default: all of them")
    _shared_flags(parser, "--calibrate", "what the model was trained on")


def bundle(args):
    """Export, verify, and put the bundle in its place."""
    from shlex import quote

    from export.trained import find, source_of
    from pipelines.quiet import quiet
    from pipelines.sources import refuse_inside

    limits, trained = _limits(args), find(args.model, suffixes=(".keras",))
    refuse_inside(args.out, args.calibrate or trained.config.get("data"))
    with quiet():
        from export.bundle import MARKER, OWNED, bundle, formats
    from pipelines.files import claim

    claim(args.out, marker=MARKER, owned=OWNED)
    names = formats(args.formats)
    source = source_of(trained, args.calibrate, args.data_dir, flag="--calibrate")
    report = bundle(trained.path, trained.labels, source, args.out, names, limits)
    _show(report, args)
    if not args.json:
        print(f"\nbundle: {args.out}")
        cli.next_commands(
            f"python -m export verify {quote(args.out)}",
            f"python -m keras_cnns predict {quote(args.out)}/model_{names[-1]}.tflite photo.jpg",
        )


def verify_flags(parser):
    parser.add_argument("bundle", metavar="BUNDLE", help="a folder that `bundle` made")
    _shared_flags(parser, "--data", "what the bundle was verified on")


def verify(args):
    """Run every file of a bundle again; status 1 where one misses a limit."""
    from export.trained import Trained, source_of
    from pipelines.quiet import quiet

    limits = _limits(args)
    with quiet():
        from export.bundle import check
        from export.verify import read_card
    card = read_card(args.bundle)
    known = Trained(args.bundle, tuple(card["labels"]), {"data": card["data"]["source"]})
    report = check(args.bundle, source_of(known, args.data, args.data_dir), limits)
    _show(report, args)
    return 0 if report["passed"] else 1


def _show(report, args):
    from export.verify import show

    show(report)
    if args.json:
        cli.print_json(report)


COMMANDS = {
    "bundle": Command("export a model to every format and verify each", bundle_flags, bundle),
    "verify": Command("run every file of a bundle and compare it", verify_flags, verify),
}

if __name__ == "__main__":
    sys.exit(cli.main("export", __doc__.split(": ", 1)[1], COMMANDS))
