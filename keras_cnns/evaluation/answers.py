"""What a model answers to each image of a split, with a batch of them in memory at a time."""

import sys
import time
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_cnns.evaluation import calibration, crops
from pipelines import dataset
from pipelines.errors import DamagedFile

BATCH = 64  # images held at a time

tf.get_logger().setLevel("ERROR")  # each member of an ensemble is traced once: no warning is due


@dataclass(frozen=True)
class Answers:
    """A number an image, in the order of the split."""

    labels: np.ndarray  # int (n,), the true classes
    answers: np.ndarray  # int (n,), the most probable classes
    ranks: np.ndarray  # int (n,), how many classes stand before the true one: 0, it is the answer
    confidence: np.ndarray  # float (n,), probability of the answer
    loss: np.ndarray  # float (n,), minus the logarithm of the true class's probability
    tempered: np.ndarray | None  # float (n,), confidence at a temperature
    images_per_second: float  # of the model alone, views of an image counted as one image

    @property
    def right(self):
        """Where the answer is the true class, bool (n,)."""
        return self.ranks == 0


def floor(model):
    """The least probability that a model can tell from 0, in place of which a 0 is taken."""
    details = getattr(model, "output", None)  # of a .tflite file
    scale = details["quantization"][0] if isinstance(details, dict) else 0
    return scale / 2 if scale else float(np.finfo(np.float32).tiny)


def ask(model, split, *, way=None, temperature=None, label="evaluating"):
    """Run a model on every image of a split.

    Args:
        model: what `export.models.load` returned.
        split: a `pipelines.sources.Split`.
        way: a value of `crops.WAYS`: average the probabilities of its views of each image.
        temperature: also tell the confidence at this temperature.
        label: of the progress on a terminal.

    Returns:
        Answers. A tie goes to the class that comes first, as argmax has it.
    """
    columns, clock = [], Clock()
    for probabilities, labels in probabilities_of(model, split, way, clock, label):
        columns.append(_judge(probabilities, labels, floor(model), temperature))
    labels, answers, ranks, confidence, loss, warm = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    if temperature is None:
        warm = None
    return Answers(labels, answers, ranks, confidence, loss, warm, clock.rate())


def _judge(probabilities, labels, least, temperature):
    true = probabilities[np.arange(len(labels)), labels]
    classes = np.arange(probabilities.shape[1])
    before = (probabilities == true[:, None]) & (classes < labels[:, None])
    ranks = (probabilities > true[:, None]).sum(1) + before.sum(1)
    confidence = warm = probabilities.max(1)
    logs = np.log(np.maximum(probabilities, least))
    if temperature is not None:
        warm = np.exp(calibration.tempered(logs, temperature)).max(1)
    loss = -logs[np.arange(len(labels)), labels]
    return labels, probabilities.argmax(1), ranks, confidence, loss, warm


def log_probabilities(model, split, *, way=None, label="calibrating"):
    """Logarithms of all probabilities, float32 (n, classes): for splits that fit in memory."""
    parts = probabilities_of(model, split, way, Clock(), label)
    return np.concatenate([np.log(np.maximum(part, floor(model))) for part, _ in parts])


def probabilities_of(model, split, way, clock, label):
    """Yield (float (n, classes), int (n,)) of a batch after the other; views are averaged."""
    done = full = 0
    for images, labels in _batches(split, model.input_shape, way):
        views = images.reshape(-1, *model.input_shape)
        full = max(full, len(views))
        # A last, shorter batch is filled up: Keras would compile the model for its shape.
        blank = np.zeros((full - len(views), *model.input_shape), views.dtype)
        found = clock.time(model.predict, np.concatenate([views, blank]), len(labels))
        found = found[: len(views)]
        if not np.isfinite(found).all():
            raise DamagedFile(
                "the model answers with numbers that are not finite: its training went bad"
            )
        yield found.reshape(len(labels), -1, model.classes).mean(1), labels
        done += len(labels)
        if sys.stderr.isatty():
            end = "\n" if done == len(split) else ""
            print(f"\r{label} {done:,} of {len(split):,}", end=end, file=sys.stderr, flush=True)


def _batches(split, shape, way):
    """Yield (uint8 (n, height, width, channels) or (n, views, ...), int (n,))."""
    if way is None:
        yield from dataset.evaluation(split, shape, batch_size=BATCH, cache=0).as_numpy_iterator()
        return
    items = [tf.constant(item) for item in split.items]
    indices = tf.data.Dataset.range(len(split))
    images = indices.map(lambda i: split.read(*(item[i] for item in items)), tf.data.AUTOTUNE)
    held, first = [], 0
    for i, image in enumerate(images.prefetch(2).as_numpy_iterator(), 1):
        held.append(crops.cut(image, way(image.shape[:2], tuple(shape[:2])), shape))
        if i == len(split) or len(held) * len(held[0]) >= BATCH:
            yield np.stack(held), split.labels[first:i]
            held, first = [], i


class Clock:
    """Images a second of a model: the median over its batches but the first, which warms it."""

    def __init__(self):
        self.rates = []
        self.largest = 0
        self.again = None

    def time(self, predict, images, count):
        """Call `predict`; a shorter last batch is not counted."""
        begun = time.perf_counter()
        found = predict(images)
        seconds = time.perf_counter() - begun
        if self.again is None:
            self.largest, self.again = count, lambda: self.time(predict, images, count)
        elif count == self.largest:
            self.rates.append(count / seconds)
        return found

    def rate(self):
        """Images a second; where there was but one batch it is run again."""
        if not self.rates:
            self.again()
        return float(np.median(self.rates))
