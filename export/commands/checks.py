"""What `bundle` and `verify` share: the images and limits of a check, and its report."""

from pipelines import cli


def add_flags(parser, flag, default):
    from export.limits import Limits
    from pipelines import settings
    from pipelines.sources import HELP

    parser.add_argument(flag, metavar="SOURCE", help=f"{HELP} (default: {default})")
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared TFDS sets lie")
    settings.add_flags(parser, Limits)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def limits(args):
    from export.limits import Limits
    from pipelines.settings import given, resolve

    return resolve(Limits(), given(args, Limits))


def show(report, args):
    from export.verify import show

    show(report)
    if args.json:
        cli.print_json(report)
