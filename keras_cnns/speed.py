"""How long work takes on this machine, told as a multiple of fixed work done before and after it.

On a machine that others use too, milliseconds change from minute to minute, and with them the work
and its reference alike: their ratio stays. CPU seconds are counted, not those on the wall: short
work ends before others are let in, long work does not, and that would not cancel out.
"""

import statistics
import time
from dataclasses import dataclass, field

from export import bench, models, tflite
from export.intervals import of_median
from keras_cnns.registry import build_for_pixels

REFERENCE = "resnet20_cifar"  # 41 million MACs, as a float32 .tflite on one thread
ROUNDS = 15
SECONDS = 10.0  # after which no further round of the same work is begun


@dataclass
class Stopwatch:
    """Times work between two runs of the reference, round by round."""

    reference: object  # a function without arguments
    clock: object = time.process_time
    seen: list = field(default_factory=list)  # seconds of the reference, all of them

    def ratio(self, work, rounds=None):
        """How long work takes, in each round by the mean of the reference's time on both sides.

        Returns:
            (the median of the rounds, its 95% interval, or None of fewer than 6 rounds).
        """
        work()  # warm, not timed
        ratios, begun, before = [], self.clock(), self._seconds(self.reference)
        for _ in range(rounds or ROUNDS):
            seconds, after = self._seconds(work), self._seconds(self.reference)
            ratios.append(2 * seconds / (before + after))
            self.seen += [before, after]
            before = after
            if self.clock() - begun > SECONDS:
                break
        return statistics.median(ratios), of_median(ratios)

    def seconds(self, ratio):
        """A ratio in seconds of this machine: times the median of the reference."""
        return ratio * statistics.median(self.seen)

    def _seconds(self, work):
        begun = self.clock()
        work()
        return self.clock() - begun


def stopwatch():
    """A Stopwatch whose reference is REFERENCE."""
    model = build_for_pixels(REFERENCE)
    return Stopwatch(bench.runner(models.TFLiteModel(tflite.of_model(model, "float32"))))


def batches(model, size):
    """A function that runs a Keras model on one batch, as a graph."""
    import tensorflow as tf

    images = tf.zeros((size, *model.input_shape[1:]))
    graph = tf.function(lambda x: model(x, training=False))
    return lambda: graph(images).numpy()
