"""A Keras model as one graph of constants, from pixels to probabilities.

Freezing first is what makes export cheap and right. Keras' own route writes every weight twice
and costs several times the CPU; the converter's route from a concrete function leaves Keras 3
variables out of the file without a word (TensorFlow 2.21).
"""

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from export.models import gives_probabilities

INPUT, OUTPUT, SIGNATURE = "image", "probabilities", "serving_default"


class Frozen:
    """A frozen model; `save` writes it as a SavedModel for any or for a fixed batch size."""

    def __init__(self, model):
        self.image_shape = tuple(model.input_shape[1:])
        ends_in_softmax = gives_probabilities(model)

        def answer(image):
            scores = tf.cast(model(image, training=False), tf.float32)
            return scores if ends_in_softmax else tf.nn.softmax(scores)

        traced = tf.function(answer).get_concrete_function(self._spec(None))
        self.graph = convert_variables_to_constants_v2(traced)

    def _spec(self, batch):
        return tf.TensorSpec((batch, *self.image_shape), tf.float32, name=INPUT)

    def save(self, path, *, batch=None):
        """Write a SavedModel whose signature maps `image` to `probabilities`.

        Args:
            batch: the batch size; None, any.
        """
        module = tf.Module()
        # Once more inside a function of fixed shape: the converter then folds what Flatten would
        # compute from an unknown batch size, and one freezing serves both.
        module.answer = tf.function(
            lambda image: {OUTPUT: self.graph(image)[0]}, input_signature=[self._spec(batch)]
        )
        # A frozen graph is not trained on; tracing the gradients of its SiLUs would fail.
        inference = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        signatures = {SIGNATURE: module.answer}
        tf.saved_model.save(module, str(path), signatures=signatures, options=inference)
