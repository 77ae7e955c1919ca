"""ensemble: several runs as one model."""

from pipelines import cli


def flags(parser):
    from export.trained import add_source

    parser.add_argument("runs", nargs="+", metavar="RUN", help="runs or .keras files, two or more")
    parser.add_argument("--out", required=True, metavar="RUN", help="a new folder for the model")
    add_source(parser, "--data", "the first run's")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Average the probabilities of runs, and say what it gained."""
    from pathlib import Path
    from shlex import quote

    from export.trained import find, source_of
    from keras_cnns.run import claim
    from pipelines.quiet import quiet
    from pipelines.sources import refuse_inside

    first = find(args.runs[0], suffixes=(".keras",))
    claim(Path(args.out))
    refuse_inside(args.out, args.data or first.config.get("data"))
    with quiet():
        from keras_cnns.evaluation.ensemble import ensemble, members
    opened = members(args.runs)
    source = source_of(first, args)
    report = ensemble(opened, source, args.out, split=args.split)
    _show(report)
    if args.json:
        cli.print_json(report)
        return
    cli.next_commands(
        f"python -m keras_cnns evaluate {quote(args.out)}",
        f"python -m export bundle {quote(args.out)} --out {quote(args.out)}/bundle",
    )


def _show(report):
    rows = [[member["run"], *_cells(member)] for member in report["members"]]
    rows.append(["ensemble", *_cells(report["ensemble"])])
    print(f"{report['images']:,} {report['split']} images")
    cli.table(["model", "accuracy", "95%"], rows)
    low, high = report["gain_over_best_95"]
    print(
        f"gain {100 * report['gain_over_mean']:+.2f} points over the mean of its members, "
        f"{100 * report['gain_over_best']:+.2f} over the best of them "
        f"(95%, paired: {100 * low:+.2f} to {100 * high:+.2f})"
    )
    for folder in report["other_data"]:
        print(
            f"WARNING: {folder} was trained on other images or another split: some of these may be "
            "among its training images; evaluate on images that no member has seen"
        )


def _cells(share):
    low, high = share["accuracy_95"]
    return [f"{100 * share['accuracy']:.2f}%", f"{100 * low:.2f} to {100 * high:.2f}"]
