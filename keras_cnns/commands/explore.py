"""explore: train one of the lecture's things to explore, measure it, and draw it."""

from pipelines import cli


def flags(parser):
    from keras_cnns.explore.settings import SUBJECTS
    from pipelines.commands.source import add_source

    about = "; ".join(f"{name}: {what}" for name, (_, _, what) in SUBJECTS.items())
    parser.add_argument("subject", metavar="NAME", help=about)
    add_source(parser, "--data", required=True)
    parser.add_argument("--out", required=True, metavar="RUN", help="a new folder for the run")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="knobs: " + knobs())
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def knobs():
    """Each subject's knobs with their defaults, in words."""
    from dataclasses import fields

    from keras_cnns.explore.settings import SUBJECTS

    return "; ".join(
        f"{name}: " + ", ".join(f"{field.name}={field.default}" for field in fields(kind))
        for name, (kind, _, _) in SUBJECTS.items()
    )


def run(args):
    """Train, print the table and where the pictures lie."""
    from importlib import import_module
    from pathlib import Path
    from shlex import quote

    from keras_cnns.explore.settings import find
    from pipelines.commands.source import checks
    from pipelines.settings import key_values, resolve
    from pipelines.sources import open_source, refuse_inside

    kind, module, _ = find(args.subject)
    settings, out = resolve(kind(), key_values(args.settings)), Path(args.out)
    from keras_cnns.run import claim
    from pipelines.quiet import quiet

    claim(out)
    refuse_inside(out, args.data)
    with quiet():
        training = import_module(f"keras_cnns.explore.{module}")
    source = open_source(args.data, data_dir=args.data_dir, checks=checks(args))
    report = training.train(source, settings, out)
    training.show(report)
    print(f"{report['seconds']:.0f} s; pictures: {', '.join(map(str, sorted(out.glob('*.png'))))}")
    if args.json:
        cli.print_json(report)
    elif training.NEXT:
        cli.next_commands(*(line.format(out=quote(str(out))) for line in training.NEXT))
