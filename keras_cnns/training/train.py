"""Train a network on a source, and leave a run folder; take a training up where it was stopped."""

import dataclasses
import shutil
from pathlib import Path

from export import trained
from export.trained import CHECKPOINTS, MODEL
from keras_cnns import complexity, plots, run
from keras_cnns.training import devices, dry_run, progress, recipes, stops
from keras_cnns.training.board import Board, profiled
from keras_cnns.training.checkpoint import Checkpoints, locked
from keras_cnns.training.endings import LAST, told
from keras_cnns.training.history import Rows
from keras_cnns.training.job import Job
from keras_cnns.training.loop import Loop
from pipelines import settings as knobs
from pipelines.errors import EnvironmentFault, UserError
from pipelines.files import whole_file, write_json
from pipelines.preview import write as write_preview
from pipelines.sources.recorded import anywhere, record, take_up

GROWTH = 3  # checkpoints' worth of space that has to be free before a training begins


def train(name, source, settings, out, *, recipe="plain", bar=False):
    """Train a network and write the run.

    Args:
        name: a registered network.
        source: a `pipelines.sources.Source`.
        settings: a `recipes.Training`.
        out: the run's folder; it must not hold anything yet.
        recipe: the name of the recipe that `settings` began as, for the record.
        bar: show a progress bar, not a line an epoch.

    Returns:
        The contents of metrics.json; None in a process that is not the chief of several.

    Raises:
        BuildError: the network cannot be built for these images.
        UserError: `out` is taken, or a setting does not fit.
        TrainingFailed: the loss became NaN, infinite or absurd.
        Stopped: by a signal, after saving.
        EnvironmentFault: the disk is full, or another process trains into `out`.
    """
    out = Path(out)
    profiled(settings.tensorboard.profile)
    if devices.is_chief():
        run.claim(out)
    job = Job(name, source, settings)
    for sentence in job.told:
        progress.say(sentence)
    if not job.chief:
        return _follow(job, out, _config(job, recipe, xla=False))
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        run.claim_held(out)
        _check_memory(job)
        xla, reason = devices.choose_xla(job, settings)
        progress.say(reason)
        config = _config(job, recipe, xla=xla)
        run.write_start(out, config, source.classes, source.skipped)
        return _go_on(job, out, config, bar)


def resume(out, *, changes=None, named=None, bar=False):
    """Take up the training of a run where it was stopped; it ends as if it had not been.

    Args:
        out: the run's folder.
        changes: {setting: text} that the user gave; each must be what it was.
        named: the same for model, data, data_dir and recipe.

    Returns:
        The contents of metrics.json, as `train` does.

    Raises:
        UserError: no run, other settings, or other images than it began with.
        DamagedFile: every checkpoint is damaged.
    """
    out = Path(out)
    config = run.config_of(out)
    if not devices.is_chief():
        return _resume(out, config, changes or {}, named or {}, bar)
    with locked(out):
        return _resume(out, config, changes or {}, named or {}, bar)


def _resume(out, config, changes, named, bar):
    if run.is_complete(out):
        if changes or named:
            _refuse_changes(recipes.of_config(config), changes, config, named)
        progress.say(f"{out} is complete: nothing is left to train")
        return run.metrics(out)
    settings, source = _begun(out, config, changes, named)
    fresh = not Checkpoints(out / CHECKPOINTS).steps()
    if fresh:
        progress.say(f"{out} has no checkpoint: the training begins at its first step")
    job = Job(config["model"], source, settings, pixels=config.get("pixels"), fill=fresh)
    if not job.chief:
        return _follow(job, out, config)
    run.write_about(out, source.classes, source.skipped)
    _check_memory(job)
    return _go_on(job, out, config, bar)


def begun(out, *, changes=None, named=None):
    """What a training began with, that it is to go on with.

    Args:
        out, changes, named: of `resume`.

    Returns:
        (network, source, settings), these without the file of weights, which a checkpoint replaces.

    Raises:
        UserError: no run, other settings, or other images than it began with.
    """
    config = run.config_of(Path(out))
    settings, source = _begun(out, config, changes or {}, named or {})
    return config["model"], source, dataclasses.replace(settings, weights=None)


def _begun(out, config, changes, named):
    settings = recipes.of_config(config)
    _refuse_changes(settings, changes, config, named)
    return settings, take_up(config, out)


def _refuse_changes(settings, changes, config, named):
    changed = knobs.resolve(settings, changes)
    before, after = (knobs.flat(knobs.plain(s)) for s in (settings, changed))
    before = anywhere(before | {name: config.get(name) for name in named})
    after = anywhere(after | named)
    for name in before:
        if before[name] != after[name]:
            raise UserError(
                f"this run was begun with {name}={before[name]}, not {after[name]}; a resumed "
                "training keeps its settings, so leave it out or name another --out"
            )


def _config(job, recipe, *, xla):
    """What config.yaml holds: enough to do the same again."""
    source = job.source
    config = {"model": job.name} | record(source)
    config |= {"recipe": recipe} | anywhere(knobs.plain(job.settings))
    pixels = [_plain(part) for part in job.pixels] if job.pixels else None
    config |= {"image_size": job.shape[0], "channels": job.shape[2], "pixels": pixels}
    return config | {"xla": xla}


def _plain(value):
    return [float(v) for v in value] if hasattr(value, "__len__") else float(value)


def _go_on(job, out, config, bar):
    """Train from the last checkpoint, or from the first step, to the end."""
    with stops.Signals() as signals:
        checkpoints = Checkpoints(out / CHECKPOINTS, job.settings.checkpoint.keep)
        loop = Loop(
            job, xla=config["xla"], checkpoints=checkpoints, identity=config, signals=signals
        )
        _take_up(loop, checkpoints, config, out)
        board = Board(out / "tensorboard", config, loop.progress.step)
        loop.watchers = (progress.show(bar), Rows(out / "history.csv"), board)
        _check_space(loop, out)
        if not (out / run.SHEET).exists():
            size = min(job.shape[0], 256)
            write_preview(job.source, job.settings.augment, out / run.SHEET, size=size)
        try:
            with told(loop, out):
                loop.run()
                board.ended(loop)
                return _finish(loop, out)
        finally:
            for watcher in loop.watchers:
                watcher.close()


def _follow(job, out, config):
    """What a process does that is not the chief: the same steps, and no writing."""
    with stops.Signals() as signals:
        loop = Loop(job, xla=False, checkpoints=None, identity=config, signals=signals)
        _take_up(loop, Checkpoints(out / CHECKPOINTS), config, out)
        with told(loop, out):
            loop.run()


def _take_up(loop, checkpoints, config, out):
    found = checkpoints.load()
    for folder in checkpoints.damaged:
        devices.warn(f"{folder} is damaged; the one before it is taken")
    if found is None:
        return
    arrays, facts = found
    if facts["identity"] != config:
        both = facts["identity"] | config
        names = [k for k in both if facts["identity"].get(k) != config.get(k)]
        raise UserError(
            f"{out / trained.CONFIG} was changed after the training began ({', '.join(names)}); "
            "put it back, or start anew with another --out"
        )
    loop.restore(arrays, facts)
    job, step = loop.job, loop.progress.step
    if job.chief:
        epoch = len(loop.progress.rows) + 1
        progress.say(f"resumed at step {step:,} of {job.steps:,}, in epoch {epoch}")


def _check_space(loop, out):
    """Refuse a training whose checkpoints cannot be kept, before its first step."""
    size = sum(array.nbytes for array in [*loop.engine.state(), *loop.engine.serving])
    free = shutil.disk_usage(out).free
    if free < GROWTH * size:
        raise EnvironmentFault(
            f"{out} has {free / 2**20:.0f} MiB free, and checkpoints of this training take "
            f"{GROWTH * size / 2**20:.0f} MiB; free some, or name another --out"
        )


def _check_memory(job):
    """Warn of a training that the system may kill, which leaves no time for a word."""
    wanted = dry_run.least(job.model, job.batch)
    free = dry_run.free()
    if free is not None and wanted > free:
        progress.say(
            f"WARNING: this training takes {wanted / 2**30:.1f} GiB of memory at the least, and "
            f"{free / 2**30:.1f} are free: the system may kill it; a smaller --batch-size or "
            "--image-size takes less"
        )


def _finish(loop, out):
    """Write the model of the best epoch and what was reached."""
    job, rows, best = loop.job, loop.progress.rows, loop.progress.best_epoch
    job.serve(loop.best)
    with whole_file(out / MODEL) as temporary:
        job.serving.save(temporary)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    plots.curves(columns, best, out / "curves.png")
    (out / CHECKPOINTS / LAST).unlink(missing_ok=True)
    metrics = {
        "val_accuracy": rows[best - 1]["val_accuracy"],
        "val_loss": rows[best - 1]["val_loss"],
        "val_images": len(job.source.splits["val"]),
        "best_epoch": best,
        "epochs": job.settings.epochs,
        "params": complexity.params(job.serving),
        "macs": complexity.macs(job.serving),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
    }
    write_json(out / run.METRICS, metrics)
    return metrics
