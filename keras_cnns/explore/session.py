"""What the trainings share: images, steps that are pure functions of their number, a run folder."""

import dataclasses
import math
import time

import keras

from keras_cnns import run
from pipelines import dataset
from pipelines.errors import TrainingFailed
from pipelines.files import whole_file, write_json
from pipelines.sources.recorded import record

SHAPE = (28, 28, 1)  # every source is brought to the size of MNIST, in grey


def begin(source, settings, out, subject):
    """Write what is known before the first step, and start the clock."""
    run.claim(out)
    keras.utils.set_random_seed(settings.seed)
    config = {"explore": subject} | record(source) | dataclasses.asdict(settings)
    config |= {"image_size": SHAPE[0], "channels": SHAPE[2]}
    run.write_start(out, config, source.classes)
    return time.perf_counter()


def end(metrics, begun, out):
    """Write metrics.json, the seconds in it, and return it."""
    metrics |= {"seconds": round(time.perf_counter() - begun, 1)}
    write_json(out / run.METRICS, metrics)
    return metrics


def pixels(source, split):
    """All images of a split, uint8 (n, 28, 28, 1)."""
    return dataset.pixels(source.splits[split], SHAPE)


def values(source, split):
    """All images of a split as numbers 0..1, float32 (n, 784)."""
    images = pixels(source, split)
    return (images.reshape(len(images), -1) / 255).astype("float32")


def save(model, path):
    """Write a model whole or not at all."""
    with whole_file(path) as temporary:
        model.save(temporary)


class Steps(keras.utils.PyDataset):
    """The batches of a training, each by its number.

    Args:
        batch: a function of the step's number, to (inputs, targets).
    """

    def __init__(self, batch, steps):
        super().__init__()
        self.batch, self.steps = batch, steps

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        return self.batch(step)


class Progress(keras.callbacks.Callback):
    """A line for each tenth of the steps; ends a training whose loss is no number."""

    def __init__(self, title, steps):
        super().__init__()
        self.title, self.steps = title, steps

    def on_train_batch_end(self, batch, logs=None):
        """Look at the mean loss so far."""
        loss = float(logs["loss"])
        refuse_spoilt(loss, batch + 1)
        tenth = max(1, self.steps // 10)
        if (batch + 1) % tenth == 0 or batch + 1 == self.steps:
            print(f"{self.title}: step {batch + 1:,}/{self.steps:,}  loss {loss:.4f}", flush=True)


def refuse_spoilt(loss, step):
    """End a training whose loss is no number.

    Raises:
        TrainingFailed: it is none.
    """
    if not math.isfinite(loss):
        raise TrainingFailed(f"the loss became {loss} at step {step}; try a lower learning_rate")


def fit(model, loss, batch, steps, learning_rate, title, *callbacks):
    """Train by Adam at a rate that half a cosine takes to 0; returns the seconds it took."""
    begun = time.perf_counter()
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    # A step of another length than its neighbours' throws a memory far off.
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=10.0), loss)
    model.fit(
        Steps(batch, steps), epochs=1, shuffle=False, verbose=0,
        callbacks=[Progress(title, steps), *callbacks],
    )  # fmt: skip
    seconds = time.perf_counter() - begun
    # The last update may have been one too many, and no step has seen what it did.
    refuse_spoilt(float(model.test_on_batch(*batch(steps))), steps)
    return seconds
