"""launch: several workers on this machine that train one network together."""


def flags(parser):
    parser.usage = "python -m keras_cnns launch --workers N -- train ..."
    parser.add_argument("--workers", type=int, required=True, metavar="N", help="processes")
    parser.add_argument("words", nargs="+", metavar="train ...", help="a command, after --")


def run(args):
    """Start the workers, and wait for them."""
    from keras_cnns.training.launch import launch
    from pipelines.errors import UserError

    if args.words[0] != "train":
        raise UserError(f"only train can be launched, not {args.words[0]!r}")
    if args.workers < 1:
        raise UserError(f"--workers is at least 1, not {args.workers}")
    return launch(args.workers, ["-m", "keras_cnns", *args.words])
