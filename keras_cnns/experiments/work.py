"""Train every arm of an experiment with every seed, by the training that `train` is; sum up."""

import gc

import keras
import numpy as np

from export import models
from export.intervals import reached
from export.trained import CONFIG, LABELS, MODEL
from keras_cnns import complexity, registry
from keras_cnns import run as runs
from keras_cnns.evaluation.answers import ask
from keras_cnns.experiments import verdict
from keras_cnns.experiments.session import SUMMARY
from keras_cnns.training import stops
from keras_cnns.training.train import resume, train
from pipelines.errors import DamagedFile, EnvironmentFault, TrainingFailed
from pipelines.files import write_json

HISTORY = "history.csv"


def run(session, say, *, bar=False):
    """Train what is not trained yet, and keep what each run came to.

    Args:
        session: a `session.Session`.
        say: takes a line for the user.
        bar: show progress bars.

    Raises:
        Stopped: by a signal, after saving.
        EnvironmentFault: the disk is full, or cannot be written.
    """
    pairs = session.pairs()
    for number, (arm, seed) in enumerate(pairs, 1):
        say(f"{number} of {len(pairs)}: {arm.words}, seed {seed}")
        result = session.result(arm, seed)
        if result is None:
            result = _one(session, arm, seed, bar)
            session.put(arm, seed, result)
            keras.utils.clear_session(free_memory=False)
            gc.collect()
        say(f"  {_told(result)}")
    session.write_rows()  # a kill may have come between the two files of the last run


def _told(result):
    if not result["right"]:
        return result["status"]
    return f"test {100 * result['test_accuracy']:.2f}% of {result['test_images']:,}"


def _one(session, arm, seed, bar):
    folder = session.run(arm, seed)
    facts = {"arm": arm.name, "seed": seed, "network": session.network(arm)}
    try:
        metrics = _trained(session, arm, seed, folder, bar)
        right = _right(folder / MODEL, session.source.splits["test"])
    except TrainingFailed as error:
        return facts | _costs(session, arm, seed) | {"status": f"failed: {error}", "right": ""}
    except stops.Stopped as stop:
        raise stops.Stopped(stop.exit_code - 128, f"to go on: {session.resume}") from None
    except EnvironmentFault as fault:
        raise EnvironmentFault(f"{fault}; then: {session.resume}") from fault
    mean, (low, high) = reached(right[None])
    facts |= {"params": metrics["params"], "macs": metrics["macs"], "status": "done"}
    facts |= {"epochs": metrics["epochs"], "best_epoch": metrics["best_epoch"]}
    facts |= {"val_accuracy": metrics["val_accuracy"], "loss": history(folder)["loss"][-1]}
    facts |= {"test_images": len(right), "test_accuracy": mean, "low": low, "high": high}
    return facts | {"seconds": metrics["seconds"], "right": "".join("01"[int(r)] for r in right)}


def _trained(session, arm, seed, folder, bar):
    if (folder / CONFIG).exists():
        return resume(folder, bar=bar)
    settings, recipe = session.settings(arm, seed), session.config["recipe"]
    return train(session.network(arm), session.source, settings, folder, recipe=recipe, bar=bar)


def _right(path, split):
    model = models.load(path)
    try:
        return ask(model, split).right
    except DamagedFile as error:  # numbers that are not finite, from a file just written
        raise TrainingFailed(str(error)) from error


def network(session, arm, seed):
    """The network of a run, as it is trained there."""
    settings, source = session.settings(arm, seed), session.source
    size = settings.image_size
    name = session.network(arm)
    shape = (size, size) if size else registry.find(name).input_shape[:2]
    return registry.build(name, len(source.classes), (*shape, source.channels), settings.widths)


def _costs(session, arm, seed):
    """The columns of a run without a model, so that every row has the same."""
    model = network(session, arm, seed)
    facts = {"params": complexity.params(model), "macs": complexity.macs(model)}
    blank = ("best_epoch", "val_accuracy", "loss", "test_images", "test_accuracy", "low", "high")
    return facts | {"epochs": session.training.epochs} | dict.fromkeys((*blank, "seconds"))


def history(folder):
    """{column: numbers} of a run's history.csv."""
    table = np.genfromtxt(folder / HISTORY, delimiter=",", names=True, ndmin=1)
    return {name: table[name].tolist() for name in table.dtype.names}


def summary(session):
    """What came out, as plain data: `arms`, `claims` with their sentences, how it was done."""
    experiment = session.experiment
    results = {arm.name: session.of(arm) for arm in experiment.arms}
    config = {k: session.config[k] for k in ("experiment", "full", "data", "recipe", "seeds")}
    told = config | {"question": experiment.question, "arms": {}, "claims": []}
    for arm in experiment.arms:
        told["arms"][arm.name] = {"words": arm.words} | _arm(results[arm.name])
    for claim in experiment.claims:
        found = verdict.judge(results[claim.better], results[claim.worse])
        text = verdict.sentence(experiment, claim, results, found)
        told["claims"].append({
            "better": claim.better, "worse": claim.worse, "source": claim.source,
            "verdict": found.word, "difference": found.difference,
            "difference_95": None if found.low is None else [found.low, found.high],
            "sentence": text, "pace": pace(session, claim),
        })  # fmt: skip
    told |= {"caveats": caveats(session, told), "environment": runs.environment()}
    told["seconds"] = round(sum(row["seconds"] or 0 for row in session.rows()), 1)
    write_json(session.out / SUMMARY, told)
    return told


def curve(session, arm):
    """The experiment's column of history.csv, (runs that came to their last epoch, epochs)."""
    folders = [session.run(arm, seed) for seed in session.seeds]
    found = [history(f)[session.experiment.curve] for f in folders if (f / HISTORY).exists()]
    return np.array([numbers for numbers in found if len(numbers) == session.training.epochs])


def pace(session, claim):
    """How soon one arm was where the other ended, in words; None where it never was, or not sooner.

    By the means over the seeds of the column that the experiment draws.
    """
    better, worse = (session.experiment.arm(name) for name in (claim.better, claim.worse))
    curves = [curve(session, arm) for arm in (better, worse)]
    if session.experiment.curve == "loss" or not all(map(len, curves)):
        return None
    ours, theirs = (runs.mean(axis=0) for runs in curves)
    soonest, best = int(np.argmax(ours >= theirs.max())) + 1, int(theirs.argmax()) + 1
    if ours.max() < theirs.max() or soonest >= best:
        return None
    return (
        f"{verdict.capital(better.words)} came by epoch {soonest} to the best validation accuracy "
        f"of {worse.words} ({100 * theirs.max():.1f}%, epoch {best})."
    )


def _arm(results):
    first = results[0]
    facts = {name: first[name] for name in ("network", "params", "macs", "epochs")}
    right = verdict.matrix(results)
    facts |= {"runs": len(results), "failed": len(results) - len(right)}
    if not len(right):
        return facts | {"test_images": None, "accuracy": None, "accuracy_95": None, "loss": None}
    mean, interval = reached(right)
    losses = [r["loss"] for r in results if r["right"]]
    facts |= {"test_images": right.shape[1], "accuracy": mean, "accuracy_95": list(interval)}
    return facts | {"loss": float(np.mean(losses))}


def caveats(session, told):
    """Sentences on what the numbers do not say."""
    found = []
    if len(session.seeds) == 1:
        found.append(
            "One seed: the intervals are over the images alone, and what another start of the same "
            "training would give is not known; --resume --seeds 3 tells."
        )
    labels = session.run(session.experiment.arms[0], session.seeds[0]) / LABELS
    chance = 1 / len(labels.read_text(encoding="utf-8").splitlines())
    found += [
        f"{verdict.capital(arm['words'])} came out no better than guessing ({100 * chance:.0f}%): "
        "what is compared is a network that learnt with one that did not."
        for arm in told["arms"].values()
        if arm["accuracy"] is not None and arm["accuracy_95"][0] <= chance
    ]
    if not session.config["full"]:
        found.append("A small size, not that of the paper; --full has that.")
    within = session.experiment.macs_within
    if within is not None:
        macs = [arm["macs"] for arm in told["arms"].values()]
        spread = max(macs) / min(macs) - 1
        if spread > within:
            found.append(
                f"Multiply-adds differ by {100 * spread:.1f}% at these widths, over "
                f"{100 * within:g}%: they are alike at 1, 0.5 and 0.25."
            )
    return found
