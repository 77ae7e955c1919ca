"""experiment: a claim of the lecture, tried out."""

import sys

from pipelines import cli, interrupt


def flags(parser):
    import argparse

    from keras_cnns.training.recipes import Training
    from pipelines.commands.source import add_checks
    from pipelines.settings import add_flags
    from pipelines.sources import HELP

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", nargs="?", metavar="NAME", help="an experiment; without: which")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="any setting, of all arms")
    parser.add_argument("--out", metavar="DIR", help="a new folder for runs and results")
    parser.add_argument("--resume", action="store_true", help="go on where DIR was stopped")
    parser.add_argument("--seeds", metavar="N", type=int, help="trainings of each arm")
    parser.add_argument("--full", action="store_true", help="at the size of the paper")
    parser.add_argument("--data", metavar="SOURCE", help=f"{HELP} (default: digits)")
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared TFDS sets lie")
    parser.add_argument("--recipe", metavar="NAME", help="in place of the experiment's")
    add_checks(parser)
    add_flags(parser, Training)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """List the experiments, or carry one out."""
    from pathlib import Path

    from pipelines.errors import UserError

    if args.name and "=" in args.name:  # the name left out, as --resume allows
        args.name, args.settings = None, [args.name, *args.settings]
    if args.name is None and not args.resume:
        _list(args)
        return
    if args.out is None:
        raise UserError("name a new folder with --out")
    from keras_cnns.experiments.session import CONFIG

    is_resumed = args.resume and (args.name is None or (Path(args.out) / CONFIG).exists())
    session = _taken_up(args) if is_resumed else _begun(args)
    from pipelines.quiet import quiet

    with quiet():
        from keras_cnns.experiments import work
        from keras_cnns.training.checkpoint import locked
    if not is_resumed:
        work.network(session, session.experiment.arms[0], session.seeds[0])  # or it is refused
        _write_start(session)
    with locked(session.out):
        _carry_out(session, work, as_json=args.json)
        _finish(session, as_json=args.json)


def _carry_out(session, work, *, as_json):
    from pipelines.check.findings import lines

    stream, bar = (sys.stderr, False) if as_json else (sys.stdout, sys.stdout.isatty())
    for line in lines(session.source.warnings):
        print(line, file=sys.stderr)
    try:
        work.run(session, lambda line: print(line, file=stream, flush=True), bar=bar)
    except BaseException as stop:
        if not isinstance(stop, Exception):  # Ctrl-C or SIGTERM between two trainings
            interrupt.heard()
            print(f"\nto go on: {session.resume}", file=sys.stderr)
        raise


def _list(args):
    from shlex import quote

    from keras_cnns.experiments.table import EXPERIMENTS
    from pipelines.errors import UserError

    if args.out or args.full:
        raise UserError(f"name an experiment: {', '.join(EXPERIMENTS)}")
    if args.json:
        facts = {name: _facts(e) for name, e in EXPERIMENTS.items()}
        cli.print_json(facts)
        return
    for name, experiment in EXPERIMENTS.items():
        facts = _facts(experiment)
        print(f"{name}: {facts['question']}")
        print(f"  compares  {'; '.join(facts['arms'].values())}")
        for claim in facts["claims"]:
            print(f"  claim     {claim}")
        print(f"  costs     {facts['minutes']:g} min on the digits; --full: {facts['full']}\n")
    print("minutes: measured, on one x86-64 core, with all three seeds")
    first = next(iter(EXPERIMENTS))
    cli.next_commands(f"python -m keras_cnns experiment {quote(first)} --out runs/{quote(first)}")


def _facts(experiment):
    def said(claim):
        better, worse = (experiment.arm(name).words for name in (claim.better, claim.worse))
        published = f": {claim.published}" if claim.published else ""
        return f"{better}: better than {worse} ({claim.source}{published})"

    return {
        "question": experiment.question,
        "arms": {arm.name: arm.words for arm in experiment.arms},
        "claims": [said(claim) for claim in experiment.claims],
        "minutes": experiment.minutes,
        "full": experiment.full.wants,
    }


def _asked(args):
    """What the user said of settings, and of the images, None where not given."""
    import dataclasses

    from keras_cnns.training.recipes import Training
    from pipelines.commands.source import checks
    from pipelines.settings import asked

    changes = asked(args, Training)
    named = dataclasses.asdict(checks(args)) | {"data": args.data, "data_dir": args.data_dir}
    return changes, named


def _begun(args):
    from keras_cnns.experiments.session import begin
    from pipelines import recipes
    from pipelines.sources import refuse_inside

    changes, named = _asked(args)
    session = begin(
        args.out, args.name, full=args.full, changes=changes, named=named, recipe=args.recipe,
        seeds=args.seeds,
    )  # fmt: skip
    recipes.find(session.training.augment)
    session.claim()
    refuse_inside(session.out, session.config["data"])
    return session


def _taken_up(args):
    from keras_cnns.experiments.session import Session

    changes, named = _asked(args)
    named = {key: value for key, value in named.items() if getattr(args, key) is not None}
    named |= {"recipe": args.recipe, "full": args.full or None}
    return Session.open(args.out, args.name, changes=changes, named=named, seeds=args.seeds)


def _write_start(session):
    from keras_cnns.experiments.session import ENVIRONMENT
    from keras_cnns.run import environment
    from pipelines.files import write_json

    session.config |= {"fingerprint": session.source.fingerprint}
    session.write()
    write_json(session.out / ENVIRONMENT, environment())


def _finish(session, *, as_json):
    from keras_cnns.experiments import plots, work
    from keras_cnns.experiments.session import PICTURE
    from pipelines.errors import TrainingFailed

    summary = work.summary(session)
    plots.write(session, summary, session.out / PICTURE)
    if as_json:
        cli.print_json(summary)
    else:
        _show(session, summary)
    if all(arm["accuracy"] is None for arm in summary["arms"].values()):
        raise TrainingFailed(f"no training of {session.out} came to a good end")
    if not as_json:
        cli.next_commands(*_next(session))


def _show(session, summary):
    from keras_cnns.experiments.session import PICTURE, RESULTS

    print()
    cli.table(
        ["arm", "test accuracy", "95%", "images", "runs", "last loss", "parameters", "MACs"],
        [_row(arm) for arm in summary["arms"].values()],
    )
    print(f"\n{summary['question']}")
    for claim in summary["claims"]:
        print(f"- {claim['sentence']}.", *([claim["pace"]] if claim["pace"] else []))
    for caveat in summary["caveats"]:
        print(f"  {caveat}")
    print(f"\nruns: {session.out / RESULTS}   picture: {session.out / PICTURE}")


def _row(arm):
    head, tail = arm["words"], [f"{arm['params']:,}", f"{arm['macs']:,}"]
    if arm["accuracy"] is None:
        return [head, "-", "did not train", "-", arm["runs"], "-", *tail]
    low, high = (100 * share for share in arm["accuracy_95"])
    return [
        head, f"{100 * arm['accuracy']:.2f}%", f"{low:.1f} to {high:.1f}",
        f"{arm['test_images']:,}", arm["runs"], f"{arm['loss']:.4f}", *tail,
    ]  # fmt: skip


def _next(session):
    from shlex import quote

    name, runs = session.config["experiment"], session.out / "runs"
    yield f"{session.resume} --seeds {session.config['seeds'] + 2}"
    if not session.config["full"]:
        folder = quote(f"{session.out}-full")
        yield f"python -m keras_cnns experiment {name} --full --data SOURCE --out {folder}"
    arm = session.experiment.arms[-1]
    yield f"python -m keras_cnns evaluate {quote(str(session.run(arm, session.seeds[0])))}"
    yield f"tensorboard --logdir {quote(str(runs))}"
