"""How batch normalization is computed while a network is trained; no saved file tells of it."""

from functools import partial

import keras
import tensorflow as tf


def synchronize(model):
    """Let batch normalization see the batch of all devices, not of one (Keras' default)."""
    for layer in _norms(model):
        layer.synchronized = True


def fuse(model):
    """Let batch normalization of one device's images take one operation, where Keras takes twenty.

    What is computed stays the same but for rounding, the moving variance included, which Keras
    takes of the batch as it is. Layers of other shapes than (batch, height, width, channels), and
    those with a mask or without training, stay with Keras.
    """
    for layer in _norms(model):
        if layer.input_spec.ndim == 4 and layer.axis in (-1, 3) and not layer.renorm:
            layer.call = partial(_fused, layer, layer.call)


def _norms(model):
    return [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]


def _fused(layer, stock, inputs, training=None, mask=None):
    if mask is not None or not (training and layer.trainable):
        return stock(inputs, training=training, mask=mask)
    channels = inputs.shape[-1]
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=layer.gamma if layer.scale else tf.ones(channels),
        offset=layer.beta if layer.center else tf.zeros(channels),
        mean=[],
        variance=[],
        epsilon=layer.epsilon,
        is_training=True,
    )
    seen = tf.cast(tf.size(inputs) // channels, variance.dtype)
    biased = variance * tf.maximum(seen - 1, 1) / seen  # the operation divides by one less
    for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, biased)):
        moving.assign(moving * layer.momentum + value * (1 - layer.momentum))
    return outputs
