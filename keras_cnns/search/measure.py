"""What a candidate costs on a device: its .tflite by the frozen route, and how fast that is."""

from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from export import arena, bench, calibration, models, tflite
from export.intervals import of_median
from keras_cnns import complexity, registry
from pipelines.files import whole_file

FORMAT = "uint8"
CALIBRATION = 100  # images, but no fewer than classes
SECONDS, MOST = 0.1, 1000  # of a measurement that is so short that it takes more rounds


class Bench:
    """Converts the candidates of a search, and measures them against its reference network.

    Args:
        session: a `session.Session`.
    """

    def __init__(self, session):
        self.session = session
        self._images = {}
        # That functions are traced anew for every network is no news to a user.
        tf.get_logger().setLevel("ERROR")
        self._reference = None

    def convert(self, model):
        """The full-integer .tflite of a Keras model, as `export bundle` makes it."""
        return tflite.of_model(model, FORMAT, self._calibration(tuple(model.input_shape[1:])))

    def _calibration(self, shape):
        if shape not in self._images:
            source = self.session.source
            count = calibration.usual(len(source.classes), CALIBRATION)
            self._images[shape] = calibration.images(source, shape, count)
        return self._images[shape]

    def latency(self, content):
        """Medians of a file, run in turn with the reference.

        Returns:
            {"latency": CPU time of an image as a share of the reference's, the median over the
            rounds; "latency_low", "latency_high": its 95% interval, or None of fewer than 6 rounds;
            "latency_ms", "reference_ms": medians by the clock}; one thread, this machine.
        """
        runners = [bench.runner(models.TFLiteModel(c)) for c in (content, self.reference)]
        rounds = self.session.search.rounds
        clock, cpu = bench.times(runners, rounds)
        more = min(int(SECONDS / cpu.sum(1).mean()), MOST)
        if more > rounds:  # a network of microseconds needs more rounds, and has them for nothing
            clock, cpu = bench.times(runners, more)
        mine, its = np.median(clock, axis=0) * 1e3
        shares = cpu[:, 0] / cpu[:, 1]
        low, high = of_median(shares) or (None, None)
        return {
            "latency": round(float(np.median(shares)), 4),
            "latency_low": low and round(low, 4),
            "latency_high": high and round(high, 4),
            "latency_ms": round(float(mine), 4),
            "reference_ms": round(float(its), 4),
        }

    @property
    def reference(self):
        """The bytes of reference.tflite, written once; its weights are as they were drawn."""
        path = self.session.out / "reference.tflite"
        if self._reference is None and not path.exists():
            with whole_file(path) as temporary:
                temporary.write_bytes(self.convert(self._reference_model()))
        self._reference = self._reference or path.read_bytes()
        return self._reference

    def _reference_model(self):
        session, source = self.session, self.session.source
        name = session.search.reference or session.model
        side = session.training.image_size or registry.find(name).input_shape[0]
        shape = (side, side, source.channels)
        return registry.build_for_pixels(name, len(source.classes), shape)


@contextmanager
def as_if_trained(model):
    """Make the weights of a network that was drawn differ, as training would, for so long.

    All biases are 0 at first, and a .tflite holds equal tensors once: its file is smaller then, of
    a small network by up to a sixth.
    """
    chance, kept = np.random.default_rng(0), []
    for weight in model.weights:
        values = weight.numpy()
        if values.size and values.dtype.kind == "f" and np.ptp(values) == 0:
            kept.append((weight, values))
            weight.assign(values + chance.uniform(0.001, 0.01, values.shape))
    try:
        yield
    finally:
        for weight, values in kept:
            weight.assign(values)


def of_network(model):
    """What a network costs without being run: {"params", "macs"}."""
    return {"params": complexity.params(model), "macs": complexity.macs(model)}


def of_file(content):
    """What a file takes: {"bytes", "arena"}."""
    return {"bytes": len(content), "arena": arena.peak(content)}
