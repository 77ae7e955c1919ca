"""Parameters and multiply-adds, layer by layer, read off a built model.

One MAC is one multiply-add of a convolution, a dense layer or a product of two tensors (attention)
for one image; biases, normalization, activations and pooling are not counted. FLOPs = 2 MACs.
"""

import math
from typing import NamedTuple

from keras_cnns.lazy import keras


class Row(NamedTuple):
    """What one layer costs."""

    name: str
    kind: str
    output: tuple  # without the batch
    params: int  # trainable
    macs: int


def rows(model):
    """One Row for each layer of a functional model, and for each product of tensors, in order."""
    return [
        Row(each.name, type(each).__name__, _shape(each), _trainable(each), _macs(each))
        for each in model.operations
        if isinstance(each, keras.layers.Layer) or _is_product(each)
    ]


def params(model):
    """Trainable weights; the moving statistics of batch normalization are not counted."""
    return _trainable(model)


def macs(model):
    """Multiply-adds of a prediction; as published, heads for training alone are not counted."""
    return sum(row.macs for row in rows(keras.Model(model.inputs, model.outputs[0])))


def _trainable(layer):
    return sum(math.prod(weight.shape) for weight in getattr(layer, "trainable_weights", ()))


def _shape(layer):
    return tuple(getattr(layer.output, "shape", ())[1:])


def _is_product(operation):
    # An operation, not a layer: `keras.ops.matmul` of two symbolic tensors.
    return type(operation).__name__ == "Matmul"


def _macs(layer):
    if hasattr(layer, "layers"):  # a whole network in the place of a layer, as in an ensemble
        return sum(map(_macs, getattr(layer, "operations", layer.layers)))
    if _is_product(layer):
        return math.prod(layer.output.shape[1:]) * layer.input[0].shape[-1]
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return 0
    positions = math.prod(layer.output.shape[1:-1])
    # A depthwise kernel is (height, width, channels, multiplier): its product counts too.
    return math.prod(kernel.shape) * positions
