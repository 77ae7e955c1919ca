"""Normalization inside the first convolution is exact, at the border too, and costs nothing."""

import keras
import numpy as np
import pytest

from export import entrance, freeze, graph, models, tflite
from pipelines.decode import LUMA

UNIFORM = (1 / 127.5, -1.0)
EACH = ([1 / 58, 1 / 57, 1 / 59], [-2.1, -2.0, -1.8])


def network(channels, scale, offset, padding, *, pad=None, stride=1, bias=True):
    """A small network; pad is that of a layer before its first convolution."""
    keras.utils.set_random_seed(1)
    image = keras.Input((9, 12, channels), name="image")
    x = keras.layers.Rescaling(scale, offset)(image)
    if pad:
        x = keras.layers.ZeroPadding2D(pad)(x)
    x = keras.layers.Conv2D(
        4, 3, stride, padding, use_bias=bias, bias_initializer="ones", name="first"
    )(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(5)(x))


def pixels(channels):
    return np.random.default_rng(0).integers(0, 256, (3, 9, 12, channels), np.uint8)


def file_of(model, images, folder):
    freeze.Frozen(model).save(folder, batch=1, channels=images.shape[-1])
    return tflite.convert(tflite.Conversion(folder, images), "float32")


SIGNED = {"scale": 1 / 127.5, "offset": -1.0}
CASES = {
    "scale alone": {"scale": 1 / 255, "offset": 0.0, "padding": "same"},
    "offset, no padding": {**SIGNED, "padding": "valid"},
    "offset under padding": {**SIGNED, "padding": "same"},
    "offset, strided": {**SIGNED, "padding": "same", "stride": 2},
    "offset, padded apart": {**SIGNED, "padding": "valid", "pad": 1},
    "padded apart and same": {**SIGNED, "padding": "same", "pad": ((0, 1), (2, 0))},
    "no bias": {**SIGNED, "padding": "same", "bias": False},
}  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_answers_are_those_of_keras(case, channels, tmp_path):
    model, images = network(channels, **CASES[case]), pixels(channels)
    content = file_of(model, images, tmp_path)
    answers = models.TFLiteModel(content).predict(images)
    np.testing.assert_allclose(answers, models.KerasModel(model).predict(images), atol=1e-5)
    # At most the padding that the network asks for: nothing is left of the normalization.
    assert set(graph.read(content).ops) <= {
        "CONV_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX", "PAD", "PADV2",
    }  # fmt: skip


@pytest.mark.parametrize("padding, left", [("same", ["SUB"]), ("valid", [])])
def test_offsets_that_differ_by_channel_leave_one_subtraction_where_zeros_are_padded(
    padding, left, tmp_path
):
    model, images = network(3, *EACH, padding), pixels(3)
    content = file_of(model, images, tmp_path)
    answers = models.TFLiteModel(content).predict(images)
    np.testing.assert_allclose(answers, models.KerasModel(model).predict(images), atol=1e-5)
    assert [kind for kind in graph.read(content).ops if kind in ("SUB", "ADD", "MUL")] == left


def test_statistics_of_a_normalization_layer_are_folded_too(tmp_path):
    image = keras.Input((9, 12, 3))
    x = keras.layers.Normalization(mean=[120.0, 110, 100], variance=[3000.0, 3100, 3200])(image)
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)
    model = keras.Model(image, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    content = file_of(model, pixels(3), tmp_path)
    answers = models.TFLiteModel(content).predict(pixels(3))
    np.testing.assert_allclose(answers, models.KerasModel(model).predict(pixels(3)), atol=1e-5)
    assert set(graph.read(content).ops) == {"CONV_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"}


@pytest.mark.parametrize("case", CASES)
def test_a_grey_network_weighs_colours_as_decoding_does(case, tmp_path):
    model = network(1, **CASES[case])
    colours = pixels(3)
    grey = (colours.astype(np.float32) @ np.array(LUMA, np.float32))[..., None]
    answers = models.TFLiteModel(file_of(model, colours, tmp_path)).predict(colours)
    np.testing.assert_allclose(answers, models.KerasModel(model).predict(grey), atol=1e-5)


def test_other_entrances_are_left_as_they_are(tmp_path):
    image = keras.Input((9, 12, 1))
    x = keras.layers.Rescaling(1 / 255)(image)
    both = [keras.layers.Conv2D(2, 3, name=name)(x) for name in "ab"]
    x = keras.layers.Flatten()(keras.layers.Add()(both))
    model = keras.Model(image, keras.layers.Dense(5)(x))
    assert entrance._chain(model) is None
    for channels in (1, 3):
        images = models.in_channels(pixels(1), channels)
        content = file_of(model, images, tmp_path / str(channels))
        answers = models.TFLiteModel(content).predict(images)
        np.testing.assert_allclose(answers, models.KerasModel(model).predict(pixels(1)), atol=1e-5)


def test_a_half_precision_training_is_exported_in_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = network(3, *UNIFORM, "same")
    finally:
        keras.config.set_dtype_policy("float32")
    model = models.in_float32(mixed)
    assert {layer.dtype_policy.name for layer in model._flatten_layers()} == {"float32"}
    answers = models.TFLiteModel(file_of(model, pixels(3), tmp_path)).predict(pixels(3))
    np.testing.assert_allclose(answers, models.KerasModel(model).predict(pixels(3)), atol=1e-5)
    np.testing.assert_allclose(answers, models.KerasModel(mixed).predict(pixels(3)), atol=0.01)
