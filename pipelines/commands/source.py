"""The flags by which a command is told where its images are, and how they are checked."""


def add_source(parser, name="source", *, default=None, **options):
    """Add SOURCE, or a flag of that name, --data-dir, and the knobs of `check.Checks`.

    Args:
        default: what is taken where the flag is not given, in words.
        options: of the flag itself, for argparse.
    """
    from pipelines.sources import HELP

    help = f"{HELP} (default: {default})" if default else HELP
    parser.add_argument(name, metavar="SOURCE", help=help, **options)
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared TFDS sets lie")
    add_checks(parser)


def add_checks(parser):
    """Add the knobs of `check.Checks`."""
    from pipelines.check import Checks
    from pipelines.settings import add_flags

    add_flags(parser, Checks)


def given_checks(args):
    """{knob of `check.Checks`: text} of the flags that the user gave."""
    from pipelines.check import Checks
    from pipelines.settings import given

    return given(args, Checks)


def checks(args):
    """The `check.Checks` of parsed arguments.

    Raises:
        UserError: a value that cannot be.
    """
    from pipelines.check import Checks
    from pipelines.settings import resolve

    return resolve(Checks(), given_checks(args))


def opened(args):
    """The source that parsed arguments name; see `sources.open_source`."""
    from pipelines.sources import open_source

    return open_source(args.source, data_dir=args.data_dir, checks=checks(args))


def words(spec, data_dir=None, checks=None):
    """The source and the flags by which a command opens it as it was opened, for a shell."""
    from dataclasses import fields
    from shlex import quote

    from pipelines.check import Checks, shell

    found = [shell(spec)]
    if data_dir:
        found += ["--data-dir", shell(str(data_dir))]
    for knob in fields(Checks):
        value = getattr(checks or Checks(), knob.name)
        if value != knob.default:
            found += [f"--{knob.name.replace('_', '-')}", quote(str(value))]
    return " ".join(found)
