"""train: a network, a source, a recipe, and a run folder."""

import dataclasses
import sys

from pipelines import cli


def flags(parser):
    what_to_train(parser)
    parser.add_argument("--out", required=True, metavar="RUN", help="a new folder for the run")
    parser.add_argument("--resume", action="store_true", help="go on where RUN was stopped")
    parser.add_argument(
        "--dry-run", action="store_true", help="tell size, memory and time, and train nothing"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def what_to_train(parser):
    """Add the flags that name a network, its data and its settings."""
    import argparse

    from keras_cnns.training.recipes import Training
    from pipelines.commands.source import add_checks
    from pipelines.settings import add_flags
    from pipelines.sources import HELP

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", metavar="NAME", help="a network of `list`")
    parser.add_argument("--data", metavar="SOURCE", help=HELP)
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared TFDS sets lie")
    parser.add_argument("--recipe", metavar="NAME", help="named settings (default: plain)")
    parser.add_argument("--config", metavar="FILE", help="a run's config.yaml, to do it again")
    add_checks(parser)
    add_flags(parser, Training)
    parser.add_argument("settings", nargs="*", metavar="key=value", help="any setting")


def run(args):
    """Train a network on a source, or go on with a training."""
    import os
    from pathlib import Path

    from keras_cnns.run import claim

    # What can be wrong is looked for before TensorFlow starts and before images are read.
    out = Path(args.out)
    is_resumed = args.resume and ((out / "config.yaml").exists() or not (args.model or args.config))
    job = None if is_resumed else wanted(args)
    begun_with = {"changes": said(args), "named": named(args)} if is_resumed else {}
    from pipelines.quiet import quiet
    from pipelines.sources import refuse_inside

    if not is_resumed and not args.dry_run and not os.environ.get("TF_CONFIG"):
        claim(out)
        refuse_inside(out, job["data"])
    with quiet():
        from keras_cnns.training import train
    bar = sys.stdout.isatty() and not args.json
    if args.dry_run:
        begun = train.begun(out, **begun_with) if is_resumed else None
        _dry_run(args, *(begun or (job["model"], opened(job), job["training"])))
        return
    if is_resumed:
        metrics = train.resume(out, **begun_with, bar=bar)
    else:
        metrics = train.train(
            job["model"], opened(job), job["training"], out, recipe=job["recipe"], bar=bar
        )
    if metrics is not None:
        _tell(metrics, out, args.json)


def wanted(args):
    """What the flags ask for: model, data, data_dir, recipe and the resolved settings.

    Raises:
        UserError: one is missing or wrong.
    """
    from keras_cnns import found
    from keras_cnns.registry import find
    from keras_cnns.training import recipes
    from pipelines import recipes as augmentations
    from pipelines.check import Checks
    from pipelines.errors import UserError
    from pipelines.settings import resolve

    config, base = _config(args)
    job = {"model": None, "data": None, "data_dir": None, "recipe": "plain"}
    job |= dataclasses.asdict(Checks())
    job |= {name: config[name] for name in job if name in config}
    job |= {name: value for name in job if (value := getattr(args, name)) is not None}
    if args.widths:
        job["model"] = found.model_of(args.widths, job["model"])
    for name in ("model", "data", "data_dir", "recipe"):
        if not isinstance(job[name], str | None):
            raise UserError(f"{name} is text, not {job[name]!r}")
    for name in ("model", "data"):
        if job[name] is None:
            raise UserError(f"name a {'network' if name == 'model' else 'source'} with --{name}")
    checks = resolve(Checks(), {name: job[name] for name in dataclasses.asdict(Checks())})
    job |= dataclasses.asdict(checks)
    find(job["model"])
    recipe = recipes.find(job["recipe"])
    job["training"] = resolve(base or recipe, _changes(args))
    augmentations.find(job["training"].augment)
    if args.widths:
        _tell_tuned(args.widths, job["training"])
    return job


def named(args):
    """What a resumed run must have been begun with, where the user names it again."""
    from keras_cnns import found
    from pipelines.commands.source import checks

    config, _ = _config(args)
    known = dataclasses.asdict(checks(args))
    names = ("model", "data", "data_dir", "recipe", *known)
    said = {name: config[name] for name in names if name in config}
    given = {name: known.get(name, getattr(args, name)) for name in names}
    said |= {name: value for name, value in given.items() if getattr(args, name) is not None}
    if args.widths and "model" in said:
        said["model"] = found.model_of(args.widths, said["model"])
    return said


def said(args):
    """{setting: value} that a resumed run must have been begun with, of --config and the flags."""
    from pipelines.settings import plain, resolve

    _, base = _config(args)
    if base is None:
        return _changes(args)
    said = plain(resolve(base, _changes(args)))
    if said["image_size"] is None:  # the network's own, which the run has by its number
        del said["image_size"]
    return said


def opened(job):
    """The source of `wanted`; what is odd about it is told on the error output."""
    from pipelines.check.findings import lines
    from pipelines.sources.recorded import reopen

    source = reopen(job)
    for line in lines(source.warnings):
        print(line, file=sys.stderr)
    return source


def _config(args):
    """(what the file of --config holds, its `Training`); the latter None where a recipe is named.

    Raises:
        UserError: no such file, or keys that are no settings.
    """
    from keras_cnns.training import recipes

    config = _read_config(args.config) if args.config else {}
    base = recipes.of_config(config) if config else None
    return config, None if args.recipe else base


def _read_config(path):
    from pathlib import Path

    from export import yaml_file
    from export.trained import CONFIG
    from pipelines.errors import UserError

    path = Path(path) / CONFIG if Path(path).is_dir() else Path(path)
    if not path.is_file():
        raise UserError(f"no file {path} with the settings of a run")
    config = yaml_file.parse(path)
    if not isinstance(config, dict):
        raise UserError(f"{path} holds no settings")
    return config


def _changes(args):
    """{setting: value} of flags and key=value words."""
    from keras_cnns import found
    from keras_cnns.training.recipes import Training
    from pipelines.settings import asked

    changes = asked(args, Training)
    if changes.get("widths"):
        size = found.read(changes["widths"]).get("image_size")
        changes = ({"image_size": size} if size else {}) | changes
        changes["widths"] = found.widths(changes["widths"])
    return changes


def _tell_tuned(path, training):
    """Say which settings a search found with the widths, where this training has others."""
    from shlex import quote

    from keras_cnns import found
    from pipelines.settings import resolve

    tuned = found.read(path).get("tuned") or {}
    others = [f"{k}={v}" for k, v in tuned.items() if resolve(training, {k: v}) != training]
    if others:
        print(
            f"{path} was found with {', '.join(others)}, which --widths leaves out; "
            f"to take all of it: --config {quote(str(path))}",
            file=sys.stderr,
        )


def _dry_run(args, name, source, settings):
    from keras_cnns.training.dry_run import estimate, show

    report = estimate(name, source, settings)
    cli.print_json(report) if args.json else show(report)


def _tell(metrics, out, as_json):
    if as_json:
        cli.print_json(metrics)
        return
    from shlex import quote

    cli.table(
        ["kept epoch", "val accuracy", "val loss", "val images", "parameters", "MACs", "time"],
        [[
            f"{metrics['best_epoch']} of {metrics['epochs']}",
            f"{100 * metrics['val_accuracy']:.2f}%",
            f"{metrics['val_loss']:.4f}",
            f"{metrics['val_images']:,}",
            f"{metrics['params']:,}",
            f"{metrics['macs']:,}",
            f"{metrics['seconds']:,.0f} s",
        ]],
    )  # fmt: skip
    cli.next_commands(
        f"python -m keras_cnns evaluate {quote(str(out))}",
        f"tensorboard --logdir {quote(str(out / 'tensorboard'))}",
        f"python -m export bundle {quote(str(out))} --out {quote(str(out / 'bundle'))}",
    )
