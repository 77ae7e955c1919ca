"""The whole line in two minutes: check, augment, train, evaluate, export, verify."""

import shutil
import time
from dataclasses import replace
from pathlib import Path
from shlex import quote

from export import bundle, trained, verify
from export.limits import Limits
from keras_cnns import run
from keras_cnns.evaluation.evaluate import evaluate
from keras_cnns.training import recipes
from keras_cnns.training.train import train
from pipelines import cli
from pipelines.commands.check import summarize
from pipelines.errors import CheckFailed, UserError
from pipelines.files import claim
from pipelines.sources import open_source

NETWORK, SOURCE, RECIPE = "lenet", "digits", "digits"
GOAL = 0.98  # test accuracy; several seeds reach it, see README.md


def demo(out, *, seed=0, bar=False):
    """Run the line on the embedded digits and print what came out.

    Args:
        out: a folder for the run and its bundle; an older demo there is replaced.

    Raises:
        UserError: the folder holds anything else.
        CheckFailed: the accuracy is under GOAL, or an exported file misses its limit.
    """
    begun = time.perf_counter()
    out = Path(out)
    clear(out)
    print("1. the data")
    source = open_source(SOURCE)
    summarize(source)
    settings = recipes.RECIPES[RECIPE]
    print(f"\n2. training {NETWORK} with the recipe {RECIPE!r}, {settings.epochs} epochs")
    train(NETWORK, source, replace(settings, seed=seed), out, recipe=RECIPE, bar=bar)
    print(f"augmented images: {out / run.SHEET}   curves: {out / 'curves.png'}")
    print("\n3. the held-out fifth")
    model = trained.find(out)
    report = evaluate(model, source)
    low, high = report["accuracy_95"]
    print(f"accuracy {100 * report['accuracy']:.2f}% of {report['images']} images", end=" ")
    print(f"(95%: {100 * low:.1f} to {100 * high:.1f})")
    print("\n4. export, every file run and compared with the Keras model")
    usual, place = bundle.formats(None), out / "bundle"
    try:
        verify.show(bundle.bundle(model.path, model.labels, source, place, usual, Limits()))
    except bundle.Missed as missed:
        verify.show(missed.report)
        raise
    if report["accuracy"] < GOAL:
        raise CheckFailed(f"test accuracy {report['accuracy']:.4f} is under {GOAL}")
    print(f"\nready in {time.perf_counter() - begun:.0f} s: {place}")
    cli.next_commands(
        f"python -m keras_cnns show {NETWORK}",
        f"tensorboard --logdir {quote(str(out / 'tensorboard'))}",
        "python -m pipelines check folder:PATH_TO_YOUR_PHOTOS",
        "python -m keras_cnns train --model lenet --data folder:PATH_TO_YOUR_PHOTOS "
        "--recipe photos --image-size 64 --out runs/mine",
        "python -m export bundle runs/mine --out bundle",
    )


def clear(out):
    """Remove an older demo, whatever its seed, and nothing that a demo could not make again.

    Raises:
        UserError: the folder holds anything else.
    """
    claim(out, marker=trained.CONFIG, owned=run.OWNED)
    config = trained.config_of(out)
    if config:
        told = {name: config.get(name) for name in ("seed", "image_size")}
        wanted = replace(recipes.RECIPES[RECIPE], **told)
        is_ours = (config.get("model"), config.get("data")) == (NETWORK, SOURCE)
        if not is_ours or recipes.of_config(config) != wanted:
            raise UserError(f"{out} holds a run that is no demo; name a new folder with --out")
    shutil.rmtree(out, ignore_errors=True)
