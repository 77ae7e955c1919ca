"""What `bundle`, `choose` and `verify` share: images and limits of a check, and its report."""

from pipelines import cli


def add_flags(parser, flag, default):
    from export.limits import Limits
    from export.trained import add_source
    from pipelines import settings

    add_source(parser, flag, default)
    settings.add_flags(parser, Limits)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def add_format_flags(parser):
    parser.add_argument(
        "--formats",
        metavar="NAME,...",
        help="of float32, float16, dynamic_wi8, uint8, int8 (made by default), int16x8, wi4, onnx; "
        "or all",
    )


def add_prefer_flag(parser):
    parser.add_argument(
        "--prefer",
        choices=("size", "latency"),
        default="size",
        help="what the best is best in (default: size)",
    )


def limits(args, known=()):
    """The `Limits` that the user gave.

    Args:
        known: {name: value} of those that hold where the user gave none.
    """
    from export.limits import Limits

    return _resolved(args, Limits, known)


def options(args):
    from export.limits import Options

    return _resolved(args, Options)


def _resolved(args, settings, known=()):
    from pipelines.settings import given, resolve

    return resolve(settings(), dict(known) | given(args, settings))


def again(args):
    """The user's own flags on formats, images and limits, for a command that asks for the same."""
    from export.limits import Limits, Options
    from pipelines.check import Checks
    from pipelines.settings import knobs

    names = ("formats", "calibrate", "data_dir", *knobs(Checks), "changed_data")
    return cli.again(args, (*names, *knobs(Limits), *knobs(Options)))


def show(report, args):
    from export import choose

    choose.show(report)
    if args.json:
        cli.print_json(report)
