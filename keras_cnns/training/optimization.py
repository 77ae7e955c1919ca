"""The learning rate as a function of the step, and the optimizers that follow it."""

import math

import keras
from keras import ops

FIRST_SCALE = 2.0**15  # Keras' own; one that is too high is halved within a few steps


class Rate(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of a step, as `recipes.Schedule` describes it.

    Args:
        schedule: a `recipes.Schedule`.
        peak: the highest rate.
        steps: of the whole training.
        steps_per_epoch: steps in an epoch.
        plateau: a variable, the factor that a stalled validation has earned so far.
    """

    def __init__(self, schedule, peak, steps, steps_per_epoch, plateau=None):
        self.schedule, self.peak, self.plateau = schedule, peak, plateau
        self.steps, self.steps_per_epoch = steps, steps_per_epoch
        self.warmup = round(min(steps, schedule.warmup_epochs * steps_per_epoch))

    def __call__(self, step):
        """Rate of a step, counted from 0; a float32 scalar."""
        step = ops.cast(step, "float32")
        factor = getattr(self, f"_{self.schedule.name}")(step)
        if self.warmup:  # Goyal et al. 2017, section 2.2: linear, and not 0 at the first step
            factor = ops.where(step < self.warmup, (step + 1) / self.warmup, factor)
        return self.peak * factor

    def _constant(self, step):
        return ops.ones_like(step)

    def _cosine(self, step):
        # Loshchilov and Hutter 2017, equation 5, without restarts.
        share = ops.clip((step - self.warmup) / max(1, self.steps - self.warmup), 0, 1)
        final = self.schedule.final
        return final + (1 - final) * 0.5 * (1 + ops.cos(math.pi * share))

    def _steps(self, step):
        factor = ops.ones_like(step)
        marks = zip(self.schedule.milestones, step_factors(self.schedule), strict=True)
        for milestone, value in marks:
            factor = ops.where(step >= round(milestone * self.steps), value, factor)
        return factor

    def _exponential(self, step):
        times = ops.floor(step / (self.schedule.every * self.steps_per_epoch))
        return ops.power(ops.cast(self.schedule.factor, "float32"), times)

    def _plateau(self, step):
        return ops.ones_like(step) * self.plateau

    def get_config(self):
        """Not to be saved: a model is kept without its optimizer."""
        raise NotImplementedError


def step_factors(schedule):
    """The factor after each milestone of a schedule of steps."""
    powers = (schedule.factor ** (k + 1) for k in range(len(schedule.milestones)))
    return schedule.factors or tuple(powers)


def plateau_factor(schedule, rows):
    """The factor that epochs without progress have earned; a function of the history alone.

    Args:
        rows: one mapping an epoch, with "val_accuracy".
    """
    factor, best, waited = 1.0, -math.inf, 0
    for row in rows:
        waited = 0 if row["val_accuracy"] > best else waited + 1
        best = max(best, row["val_accuracy"])
        if waited >= schedule.patience:
            factor, waited = factor * schedule.factor, 0
    return factor


def peak_rate(settings):
    """The highest learning rate, in proportion to the batch (Goyal et al. 2017, section 2.1)."""
    optimizer = settings.optimizer
    scale = settings.batch_size / (optimizer.for_batch or settings.batch_size)
    return optimizer.learning_rate * scale


def make(settings, rate, variables, *, scaled=False):
    """Make the Keras optimizer of `settings` for trainable variables.

    The L2 term of `decoupled: no` is not in it: `engine.Engine` adds it to the gradients.

    Args:
        scaled: for gradients in float16, which end below 6e-8: the loss is multiplied by a scale
            that doubles after 2,000 good steps; a step whose gradients are not finite is left
            out, and the scale halved.
    """
    wanted = settings.optimizer
    options = {}
    if wanted.weight_decay and wanted.decoupled:
        options["weight_decay"] = wanted.weight_decay
    if wanted.name == "sgd":
        options |= {"momentum": wanted.momentum, "nesterov": wanted.nesterov}
        optimizer = keras.optimizers.SGD(rate, **options)
    elif wanted.name == "rmsprop":
        optimizer = keras.optimizers.RMSprop(rate, momentum=wanted.momentum, **options)
    else:
        optimizer = keras.optimizers.Adam(rate, **options)
    if options.get("weight_decay") and not wanted.decay_all:
        kept = {id(v) for v in decayed(variables, all=False)}
        optimizer.exclude_from_weight_decay([v for v in variables if id(v) not in kept])
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=FIRST_SCALE)
    optimizer.build(variables)
    return optimizer


def decayed(variables, *, all):
    """The variables that weight decay is for: all, or those that are no bias and no norm's."""
    return [v for v in variables if all or len(v.shape) > 1]
