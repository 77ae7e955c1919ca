"""The flags by which a command is told where its images are, and how they are checked."""


def add_source(parser, *flags):
    """Add SOURCE (or --data) and --data-dir."""
    from pipelines.sources import HELP

    options = {"required": True} if flags else {}
    parser.add_argument(*(flags or ["source"]), metavar="SOURCE", help=HELP, **options)
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared TFDS sets lie")


def add_checks(parser):
    """Add the knobs of `check.Checks`."""
    from pipelines.check import Checks
    from pipelines.settings import add_flags

    add_flags(parser, Checks)


def checks(args):
    """The `check.Checks` of parsed arguments.

    Raises:
        UserError: a value that cannot be.
    """
    from pipelines.check import Checks
    from pipelines.settings import given, resolve

    return resolve(Checks(), given(args, Checks))
