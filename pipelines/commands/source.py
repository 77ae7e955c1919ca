"""The flags by which a command is told where its images are."""


def add_source(parser, *flags):
    """Add SOURCE (or --data) and --data-dir."""
    from pipelines.sources import HELP

    options = {"required": True} if flags else {}
    parser.add_argument(*(flags or ["source"]), metavar="SOURCE", help=HELP, **options)
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared TFDS sets lie")
