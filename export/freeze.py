"""A Keras model as one graph of constants, from pixels to probabilities.

Freezing first is what makes export cheap and right. Keras' own route writes every weight twice
and costs several times the CPU; the converter's route from a concrete function leaves Keras 3
variables out of the file without a word (TensorFlow 2.21).
"""

import gc
from functools import cache

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from export import entrance
from export.models import gives_probabilities

INPUT, OUTPUT, SIGNATURE = "image", "probabilities", "serving_default"
LARGE = 2**23  # bytes of weights


def collect_garbage(size):
    """Free what graphs of so many bytes leave in cycles: seven copies of the weights a step.

    To walk through all that TensorFlow and Keras hold takes longer than a small network's export.
    """
    if size > LARGE:
        gc.collect()


def without_negation(function):
    """The same function with x * -1 for -x, which TFLite computes in float alone.

    Keras' layer normalization negates its mean, so that no transformer would be all integer. The
    negation in a GELU stays: the converter knows it, and its error function, by their shape.
    """
    if not any(operation.type == "Neg" for operation in function.graph.get_operations()):
        return function  # at once: the definition is a copy of all weights
    definition = function.graph.as_graph_def()
    nodes = {node.name: node for node in definition.node}

    def sources(node):
        return [nodes[name.partition(":")[0]] for name in node.input if not name.startswith("^")]

    scaled = [node for erfc in nodes.values() if erfc.op == "Erfc" for node in sources(erfc)]
    kept = {node.name for scale in scaled for node in sources(scale)}
    negations = [node for name, node in nodes.items() if node.op == "Neg" and name not in kept]
    for node in negations:
        minus_one = definition.node.add(op="Const", name=f"{node.name}/minus_one")
        minus_one.attr["dtype"].CopyFrom(node.attr["T"])
        value = tf.make_tensor_proto(-1, tf.as_dtype(node.attr["T"].type))
        minus_one.attr["value"].tensor.CopyFrom(value)
        node.op = "Mul"
        node.input.insert(1, minus_one.name)
    graph = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(definition, name=""), signature=[]
    )
    ends = ([tensor.name for tensor in side] for side in (function.inputs, function.outputs))
    return graph.prune(*ends)


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

    def _graph(self, channels, zeros):
        """The constants and operations for images of so many channels."""
        network = entrance.folded(self.model, channels, zeros=zeros)

        def answer(image):
            scores = tf.cast(network(image), tf.float32)
            return scores if self.ends_in_softmax else tf.nn.softmax(scores)

        traced = tf.function(answer).get_concrete_function(self._spec(None, channels))
        return without_negation(convert_variables_to_constants_v2(traced))

    def _spec(self, batch, channels):
        shape = (batch, *self.image_shape[:2], channels)
        return tf.TensorSpec(shape, tf.float32, name=INPUT)

    def save(self, path, *, batch=None, channels=None, zeros=False):
        """Write a SavedModel whose signature maps `image` to `probabilities`.

        Args:
            batch: the batch size; None, any.
            channels: 3 for a network of grey images that is to take those of a camera; default,
                the network's own.
            zeros: see `entrance.folded`.
        """
        channels = channels or self.image_shape[-1]
        graph = self.graph(channels, zeros)
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
        collect_garbage(4 * self.model.count_params())
