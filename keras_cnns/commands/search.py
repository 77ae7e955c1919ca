"""search: block widths, depths and cells under a device's budget, to a Pareto front."""

from pipelines import cli, interrupt


def flags(parser):
    from keras_cnns.commands.train import what_to_train
    from keras_cnns.search.settings import Search
    from pipelines.settings import add_flags

    what_to_train(parser)
    add_flags(parser, Search)
    parser.add_argument(
        "--tune", action="append", default=[], metavar="KEY=VALUES",
        help="a setting of the recipe to search: KEY=a,b,c, or KEY=LOW:HIGH (logarithmic); "
        "may be given again",
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder for the search")
    parser.add_argument("--resume", action="store_true", help="go on where a search was stopped")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run(args):
    """Search, or go on with a search, or be one of its workers."""
    import os
    from pathlib import Path

    session = _taken_up(args) if args.resume else _begun(args)
    from pipelines.quiet import quiet

    with quiet():
        from keras_cnns.search import supervise, work
    from keras_cnns.training.checkpoint import locked

    if not args.resume:
        session.config |= {"fingerprint": session.source.fingerprint}
        _begin(session)
    if work.IP in os.environ:
        _join(session, work, supervise)
        if work.SUPERVISED in os.environ or not work.is_chief():
            return None
        told = []
    else:
        with locked(session.out):
            told = _search(session, work, supervise, as_json=args.json)
    return _finish(session, told, Path(args.out), as_json=args.json)


def _begun(args):
    from keras_cnns.commands.train import wanted
    from keras_cnns.search.session import begin
    from keras_cnns.search.settings import Search
    from pipelines.settings import given, key_values, resolve
    from pipelines.sources import refuse_inside

    job = wanted(args)
    session = begin(args.out, job, resolve(Search(), given(args, Search)), key_values(args.tune))
    session.claim()
    refuse_inside(session.out, job["data"])
    return session


def _taken_up(args):
    from keras_cnns.commands.train import named, said
    from keras_cnns.search.session import Session
    from keras_cnns.search.settings import Search
    from pipelines.settings import given, key_values

    return Session.open(
        args.out, given(args, Search), training=said(args), named=named(args),
        tune=key_values(args.tune),
    )  # fmt: skip


def _begin(session):
    """Write what is known before the first trial, unless no candidate can keep the limits."""
    from keras_cnns.run import environment
    from keras_cnns.search.narrowest import Narrowest
    from keras_cnns.training.progress import say
    from pipelines.files import write_json

    narrowest = Narrowest(session)
    narrowest.refuse()
    session.write()
    write_json(session.out / "env.json", environment())
    narrowest.tell_latency(say)


def _join(session, work, supervise):
    """Be the chief or a worker, as keras-tuner's environment says."""
    import os

    if work.SUPERVISED in os.environ:
        supervise.end_with_parent()
    work.run(session)


def _search(session, work, supervise, *, as_json):
    """Search, and train the front again where that is asked for; return the rows of that."""
    import sys

    from keras_cnns.search import front
    from keras_cnns.search.standing import Standing

    stream = sys.stderr if as_json else sys.stdout
    standing = Standing(session, lambda line: print(line, file=stream, flush=True))
    try:
        if not standing.is_complete():
            session.open_images()
            if session.search.workers > 1:
                supervise.run(session, standing.tick)
            else:
                work.run(session, told=lambda result: standing.tick())
    except BaseException as stop:
        if not isinstance(stop, Exception):  # Ctrl-C or SIGTERM between two trainings
            interrupt.heard()
            print(f"\nto go on: {session.resume}", file=sys.stderr)
        raise
    finally:
        front.write(session)  # of a search that is stopped, what it has found so far
    if not session.search.retrain:
        return []
    from keras_cnns.search.retrain import retrain

    return retrain(session, standing.say)


def _finish(session, retrained, out, *, as_json):
    from shlex import quote

    from keras_cnns.search import front, page, plots, standing
    from pipelines.errors import TrainingFailed
    from pipelines.files import write_json

    members, best = front.write(session)
    plots.write(session)
    page.write(session, retrained)
    summary = standing.summary(session, best, members) | {"retrained": retrained}
    write_json(session.out / "summary.json", summary)
    if as_json:
        cli.print_json(summary)
    if not summary["completed"]:
        raise TrainingFailed(_why_none(session, summary))
    if as_json:
        return
    _show(session, summary, members, best)

    def at(name):
        return quote(str(out / name))

    cli.next_commands(
        f"python -m webbrowser {at('index.html')}",
        f"python -m keras_cnns show {at('best.yaml')}",
        f"python -m keras_cnns train --config {at('best.yaml')} --out {quote(f'{out}-best')}",
        f"python -m export bundle {at('trials/' + best['id'])} --out {quote(f'{out}-bundle')}",
        *([] if retrained else [f"{session.resume} --retrain 3"]),
        f"tensorboard --logdir {at('tensorboard')}",
    )


def _why_none(session, summary):
    refused = ", ".join(f"{n} by {why}" for why, n in summary["refused_by"].items())
    parts = [f"{summary['failed']} failed", f"{summary['refused']} refused ({refused or 'none'})"]
    parts.append(f"{summary['stopped_early']} stopped early")
    told = [summary["ended_early"], *_least(session)]
    failed = [r["reason"] for r in session.results.of("failed")]
    told += [f"the last one: {failed[-1]}"] if failed else []
    text = f"no trial of {session.out} came to its end within the limits: {', '.join(parts)}"
    return "; ".join([text, *filter(None, told), f"all of them: {session.out / 'index.html'}"])


def _least(session):
    """For each limit that was broken, the least that a candidate came to."""
    from keras_cnns.search.objectives import LIMITS

    for limit, key in LIMITS.items():
        broken = [r[key] for r in session.results.of("refused") if r["limit"] == limit and key in r]
        if broken:
            yield f"the least {key} that was refused is {min(broken):,.6g}"


def _show(session, summary, members, best):
    from keras_cnns.search.front import by_accuracy
    from keras_cnns.search.standing import shown

    others = _choices(session)
    names = list(dict.fromkeys([o.name for o in session.objectives] + ["bytes", "macs"]))
    uniform = session.results.of("done", kind="uniform")
    rows = [
        [
            r["id"],
            "chosen" if r is best else "front" if r in members else "uniform",
            *[shown(name, r[name]) for name in names],
            ", ".join(f"{w:g}" for w in r["widths"]),
            *(str(_choice(r, name)) for name in others),
        ]
        for r in [*members, *(u for u in uniform if u not in members)]
    ]
    print()
    cli.table(["trial", "what", *names, "widths", *others], rows)
    refused = ", ".join(f"{n} by {why}" for why, n in summary["refused_by"].items())
    print(
        f"\n{summary['completed']} trained to the end, {summary['stopped_early']} stopped early, "
        f"{summary['failed']} failed, {summary['refused']} refused untrained"
        + (f" ({refused})" if refused else "")
    )
    if summary["ended_early"]:
        print(f"{summary['trials']} of {session.search.trials} trials: {summary['ended_early']}")
    if by_accuracy(session) and not summary["retrained"]:
        print("accuracies are of validation images, on which the search chose: see --retrain")
    for row in summary["retrained"]:
        print(retrained_line(row))


def _choices(session):
    """What was searched besides the widths, as columns: a network's name holds some of it."""
    from keras_cnns.search.space import TUNED

    dimensions = session.space.dimensions
    named = any(not n.startswith(("width_", "image_size", TUNED)) for n in dimensions)
    columns = ["network"] if named else []
    return columns + [n for n in dimensions if n.startswith(("image_size", TUNED))]


def _choice(result, name):
    from keras_cnns.search.space import TUNED

    if name.startswith(TUNED):
        value = result["values"].get(name, "")
        return f"{value:.4g}" if isinstance(value, float) else value
    return result["model" if name == "network" else name]


def retrained_line(row):
    """What a row of retrained.csv says, in one line."""
    text = f"test, {row['id']}: "
    if "tflite_accuracy" not in row:
        return text + f"failed in all of {row['seeds']} trainings"
    low, high = (100 * row[f"tflite_accuracy_{side}"] for side in ("low", "high"))
    text += f"{100 * row['tflite_accuracy']:.2f}% ({low:.2f} to {high:.2f})"
    if "against" in row:
        low, high = (100 * row[f"difference_{side}"] for side in ("low", "high"))
        text += f", {100 * row['difference']:+.2f} ({low:+.2f} to {high:+.2f}) points against "
        text += f"{row['against']} (x{row['against_latency']:.3f})"
    failed = f", failed in {row['failed']} of {row['seeds']} trainings" if row["failed"] else ""
    return f"{text}, latency x{row['latency']:.3f}{failed}"
