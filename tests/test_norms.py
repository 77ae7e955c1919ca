"""Batch normalization in one operation is Keras' own, but for rounding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import registry
from keras_cnns.training import norms


def twins(shape, dtype="float32", **options):
    """Two models of one layer with the same weights; the second is fused."""
    made = []
    for _ in range(2):
        layer = keras.layers.BatchNormalization(momentum=0.9, dtype=dtype, **options)
        image = keras.Input(shape[1:], dtype=layer.compute_dtype)
        model = keras.Model(image, layer(image))
        rng = np.random.default_rng(1)
        for weight in model.weights:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
        made.append(model)
    norms.fuse(made[1])
    return made


def step(model, images, **how):
    """Answers, gradients and what the weights are after them."""
    upstream = tf.random.stateless_normal(images.shape, (1, 2))
    with tf.GradientTape() as tape:
        tape.watch(images)
        answers = model(images, **how)
        loss = tf.reduce_sum(tf.cast(answers, tf.float32) * upstream)
    gradients = tape.gradient(loss, [images, *model.trainable_weights])
    arrays = [answers, *gradients, *model.weights]
    return [np.asarray(tf.cast(array, tf.float32)) for array in arrays]


def compare(models, images, *, training, **within):
    """Hold a step of the fused model to one of the other."""
    stock, fused = (step(model, images, training=training) for model in models)
    for ours, theirs in zip(fused, stock, strict=True):
        np.testing.assert_allclose(ours, theirs, **within)


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"epsilon": 1e-5}])
@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (2, 1, 1, 7), (1, 1, 1, 2), (4, 8)])
def test_a_step_is_that_of_keras(shape, options):
    images = 3 + 2 * tf.random.stateless_normal(shape, (3, 4))
    rounding = 1e-6 / options.get("epsilon", 1e-3) ** 0.5  # one image alone has no variance
    compare(twins(shape, **options), images, training=True, rtol=2e-5, atol=rounding)


@pytest.mark.parametrize(("kind", "bits"), [("float16", 8), ("bfloat16", 5)])
def test_a_step_of_few_bits_is_within_them(kind, bits):
    images = tf.cast(tf.random.stateless_normal((6, 5, 4, 3), (3, 4)), kind)
    models = twins((6, 5, 4, 3), dtype=f"mixed_{kind}")
    compare(models, images, training=True, rtol=2**-bits, atol=2 ** (2 - bits))


@pytest.mark.parametrize("frozen", [False, True])
def test_what_is_not_trained_is_as_it_was(frozen):
    models = twins((6, 5, 4, 3))
    for model in models:
        model.layers[1].trainable = not frozen
    images = tf.random.stateless_normal((6, 5, 4, 3), (3, 4))
    compare(models, images, training=frozen, rtol=0, atol=0)


def test_it_is_one_operation_and_no_file_tells_of_it(tmp_path):
    model = registry.build_for_pixels("resnet20_cifar")
    config = model.to_json()
    norms.fuse(model)
    assert model.to_json() == config
    graph = tf.function(lambda x: model(x, training=True)).get_concrete_function(
        tf.TensorSpec((2, 32, 32, 3))
    )
    kinds = [operation.type for operation in graph.graph.get_operations()]
    assert kinds.count("FusedBatchNormV3") == 19
    model.save(tmp_path / "model.keras")
    images = tf.random.stateless_uniform((2, 32, 32, 3), (3, 4)) * 255
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(images), model(images))


def test_several_devices_share_their_statistics():
    model = registry.build_for_pixels("resnet20_cifar")
    norms.synchronize(model)
    layers = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(layers) == 19
    assert all(layer.synchronized for layer in layers)
