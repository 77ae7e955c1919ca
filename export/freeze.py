"""A Keras model as one graph of constants, from pixels to probabilities.

Freezing first is what makes export cheap and right. Keras' own route writes every weight twice
and costs several times the CPU; the converter's route from a concrete function leaves Keras 3
variables out of the file without a word (TensorFlow 2.21).
"""

from functools import cache

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from export import entrance
from export.models import gives_probabilities

INPUT, OUTPUT, SIGNATURE = "image", "probabilities", "serving_default"


class Frozen:
    """A frozen model; `save` writes it as a SavedModel for any or for a fixed batch size.

    Args:
        model: a float32 `keras.Model` from pixels to logits or probabilities.
    """

    def __init__(self, model):
        self.model = model
        self.image_shape = tuple(model.input_shape[1:])
        self.ends_in_softmax = gives_probabilities(model)
        self.graph = cache(self._graph)

    def _graph(self, channels):
        """The constants and operations for images of so many channels."""
        network = entrance.folded(self.model, channels)

        def answer(image):
            scores = tf.cast(network(image), tf.float32)
            return scores if self.ends_in_softmax else tf.nn.softmax(scores)

        traced = tf.function(answer).get_concrete_function(self._spec(None, channels))
        return convert_variables_to_constants_v2(traced)

    def _spec(self, batch, channels):
        shape = (batch, *self.image_shape[:2], channels)
        return tf.TensorSpec(shape, tf.float32, name=INPUT)

    def save(self, path, *, batch=None, channels=None):
        """Write a SavedModel whose signature maps `image` to `probabilities`.

        Args:
            batch: the batch size; None, any.
            channels: 3 for a network of grey images that is to take those of a camera; default,
                the network's own.
        """
        channels = channels or self.image_shape[-1]
        graph = self.graph(channels)
        module = tf.Module()
        # Once more inside a function of fixed shape: the converter then folds what Flatten would
        # compute from an unknown batch size, and one freezing serves both.
        module.answer = tf.function(
            lambda image: {OUTPUT: graph(image)[0]},
            input_signature=[self._spec(batch, channels)],
        )
        # A frozen graph is not trained on; tracing the gradients of its SiLUs would fail.
        inference = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        signatures = {SIGNATURE: module.answer}
        tf.saved_model.save(module, str(path), signatures=signatures, options=inference)
