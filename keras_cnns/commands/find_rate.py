"""find-rate: a learning rate to begin with, and the picture that tells why."""

from pipelines import cli


def flags(parser):
    from keras_cnns.commands.train import what_to_train

    what_to_train(parser)
    parser.add_argument("--out", required=True, metavar="PNG", help="the picture")
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="default: 100")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Let the learning rate climb, and suggest one."""
    from keras_cnns.commands.train import opened, wanted
    from pipelines.errors import UserError
    from pipelines.files import check_picture
    from pipelines.quiet import quiet

    job = wanted(args)
    check_picture(args.out)
    if args.steps < 10:
        raise UserError(f"--steps is at least 10, not {args.steps}")
    with quiet():
        from keras_cnns.training import rate_finder
    found = rate_finder.find(job["model"], opened(job), job["training"], args.steps)
    rate_finder.draw(found, args.out)
    print(f"learning rate {found['suggested']:.2g}: the loss falls fastest there ({args.out})")
    if args.json:
        cli.print_json(found)
        return
    cli.next_commands(
        f"python -m keras_cnns train {_again(args)} --out RUN "
        f"learning_rate={found['suggested']:.2g}"
    )


def _again(args):
    """The user's own words on what to train, but for a learning rate."""
    from keras_cnns.training.recipes import Training
    from pipelines.check import Checks, shell
    from pipelines.settings import knobs

    names = ("model", "data", "data_dir", "recipe", "config", *knobs(Checks), *knobs(Training))
    settings = [s for s in args.settings if s.split("=")[0].split(".")[-1] != "learning_rate"]
    return " ".join(cli.again(args, names) + list(map(shell, settings)))
