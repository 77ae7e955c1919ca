"""A learning rate to begin with: the loss as the rate climbs, once through a few steps.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.
"""

import dataclasses
import math

import numpy as np
from matplotlib.figure import Figure

from keras_cnns.training import optimization
from keras_cnns.training.job import Job
from keras_cnns.training.recipes import Ema, Finetune, Schedule
from pipelines.errors import TrainingFailed
from pipelines.files import whole_file

LOW, HIGH = 1e-6, 10.0
SMOOTHING = 0.9  # of the loss, share of what was before
BEYOND = 4  # times the lowest loss, at which the climb ends


class Climb(optimization.Rate):
    """The rate from LOW to HIGH, each step by the same factor."""

    def __init__(self, steps):
        self.steps = steps

    def __call__(self, step):
        """Rate of a step, counted from 0; a float32 scalar."""
        from keras import ops

        share = ops.cast(step, "float32") / (self.steps - 1)
        return LOW * ops.exp(share * math.log(HIGH / LOW))


def find(name, source, settings, steps=100):
    """Climb, and suggest a rate.

    Args:
        name: a registered network.
        source: a `pipelines.sources.Source`.
        settings: a `recipes.Training`; its rate, schedule and phases are left aside.
        steps: how many to take, at most.

    Returns:
        {"suggested": rate of the steepest fall, "rates": [...], "losses": smoothed, [...]}.

    Raises:
        TrainingFailed: the loss never fell.
    """
    per_epoch = max(1, len(source.splits["train"]) // settings.batch_size)
    settings = dataclasses.replace(
        settings, epochs=-(-steps // per_epoch), schedule=Schedule("constant"),
        finetune=Finetune(freeze_norms=settings.finetune.freeze_norms), ema=Ema(),
    )  # fmt: skip
    job = Job(name, source, settings)
    engine = job.engine(0, rate=Climb(steps))
    batches, rates, losses, mean = job.batches(), [], [], 0.0
    for _ in range(steps):
        rate = float(engine.rate(engine.optimizer.iterations))
        [loss], _, [gradient], [scale], _ = engine.run(batches, 1)
        if scale > 1 and math.isfinite(loss) and not math.isfinite(gradient):
            continue  # left out, in float16: the next has the same rate and a lower scale
        loss = float(loss)
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smooth = mean / (1 - SMOOTHING ** (len(losses) + 1))
        if not math.isfinite(loss) or (losses and smooth > BEYOND * min(losses)):
            break
        rates.append(rate)
        losses.append(smooth)
    return {"suggested": suggest(rates, losses), "rates": rates, "losses": losses}


def suggest(rates, losses):
    """The rate at which the loss falls fastest, before its lowest point.

    Raises:
        TrainingFailed: it never falls.
    """
    lowest = int(np.argmin(losses)) if len(losses) else 0
    if lowest < 2:
        raise TrainingFailed("the loss fell at no learning rate; look at the images and labels")
    slope = np.gradient(np.asarray(losses), np.log(rates))
    return float(rates[int(np.argmin(slope[: lowest + 1]))])


def draw(found, path):
    """The picture: loss over rate, the suggested one marked."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(found["rates"], found["losses"])
    axes.axvline(
        found["suggested"],
        color="grey",
        linestyle=":",
        label=f"suggested: {found['suggested']:.2g}",
    )
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss, smoothed")
    axes.legend()
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
