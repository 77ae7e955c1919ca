"""Grad-CAM against class activation maps, the tape by hand, and every family of the catalogue."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image

from keras_cnns import registry
from keras_cnns.evaluation import grad_cam
from pipelines.errors import UserError
from tests.conftest import draw


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (3, 12, 10, 3)).astype("float32")


def pooled(activation=None):
    """A network that ends in global average pooling and one dense layer."""
    keras.utils.set_random_seed(0)
    image = layers.Input((12, 10, 3))
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(5, 3, activation="relu", name="map")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.5)(x)
    if activation == "layer":
        return keras.Model(image, layers.Softmax()(layers.Dense(4, name="head")(x)))
    return keras.Model(image, layers.Dense(4, activation=activation, name="head")(x))


@pytest.mark.parametrize("activation", [None, "softmax", "layer"])
def test_it_is_the_class_activation_map_of_a_network_with_global_pooling(activation, pixels):
    """There d y_c / d A_ijk is w_kc / Z, so the map is ReLU(sum of w_kc A_k) / Z."""
    model = pooled(activation)
    maps = keras.Model(model.inputs[0], model.get_layer("map").output)(pixels).numpy()
    weights = model.get_layer("head").kernel.numpy()
    for c in range(4):
        expected = np.maximum(maps @ weights[:, c], 0) / (maps.shape[1] * maps.shape[2])
        found = grad_cam.grad_cam(model, pixels, np.full(3, c))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    answers = model(pixels).numpy().argmax(1)
    np.testing.assert_array_equal(
        grad_cam.grad_cam(model, pixels), grad_cam.grad_cam(model, pixels, answers)
    )


def test_it_is_what_the_tape_says_where_no_closed_form_exists(pixels):
    keras.utils.set_random_seed(1)
    lower = layers.Conv2D(6, 3, activation="tanh")
    upper = [layers.MaxPooling2D(), layers.Flatten(), layers.Dense(7, activation="relu")]
    upper.append(layers.Dense(4))
    model = keras.Sequential([layers.Input((12, 10, 3)), lower, *upper])
    assert grad_cam.last_map(model) is lower
    maps = tf.Variable(lower(pixels))
    with tf.GradientTape() as tape:
        x = maps
        for layer in upper:
            x = layer(x)
        score = x[:, 2]
    gradient = tape.gradient(score, maps).numpy()
    alpha = gradient.sum(axis=(1, 2)) / (10 * 8)
    expected = np.maximum(np.einsum("nk,nijk->nij", alpha, maps.numpy()), 0)
    found = grad_cam.grad_cam(model, pixels, [2, 2, 2])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


SMALL = (
    "lenet5", "lenet", "alexnet_owt_small", "vgg11_small", "googlenet_torchvision_small",
    "resnet20_cifar", "resnet50_v2_small", "densenet40_k12_cifar",
)  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_every_family_has_a_last_map(name):
    model = registry.build_for_pixels(name)
    layer = grad_cam.last_map(model)
    shape = model.input_shape[1:]
    image = np.random.default_rng(2).integers(0, 256, (1, *shape))
    cam = grad_cam.grad_cam(model, image)
    assert cam.shape == (1, *layer.output.shape[1:3])
    assert np.isfinite(cam).all()
    assert (cam >= 0).all()


@pytest.mark.slow
def test_all_networks_have_a_last_map():
    families = {}
    for name in registry.names():
        variant = registry.find(name)
        best = families.get(variant.builder)
        if best is None or variant.macs < registry.find(best).macs:
            families[variant.builder] = name
    assert len(families) > 12
    for name in families.values():
        model = registry.build_for_pixels(name)
        layer = grad_cam.last_map(model)
        scores = [model.outputs[0]]
        assert layer.output.shape[1] * layer.output.shape[2] > 1, name
        image = np.zeros((1, *model.input_shape[1:]))
        assert grad_cam.grad_cam(keras.Model(model.inputs[0], scores), image).shape[0] == 1, name


def test_a_network_without_a_map_is_told_so():
    flat = keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(UserError, match="no convolutional map"):
        grad_cam.last_map(flat)


def test_an_overlay_is_red_where_the_map_is_high_and_the_image_where_it_is_0():
    image = np.full((40, 40, 3), 128, np.uint8)
    cam = np.zeros((4, 4), np.float32)
    cam[0, 0] = 7.0
    pair = np.asarray(grad_cam.overlay(image, cam))
    side = grad_cam.SIDE
    assert pair.shape == (side, 2 * side, 3)
    assert (pair[:, :side] == 128).all()
    assert (pair[side // 2 :, side + side // 2 :] == 128).all()
    red, green, blue = pair[5, side + 5].astype(int)
    assert red > green + 20
    assert red > blue + 20
    np.testing.assert_array_equal(np.asarray(grad_cam.overlay(image, 0 * cam)), 128)


def test_predict_writes_overlays_and_never_over_the_images(run, trained, tmp_path):
    photos, out = tmp_path / "photos 😀", tmp_path / "cams"
    for folder in ("a", "b"):
        draw(photos / folder / "same <b>.png", size=(30, 50))
    draw(photos / "tiny.jpg", size=(2, 1))
    words = [photos / "a" / "same <b>.png", photos / "b" / "same <b>.png", photos]
    status, output, errors = run("keras_cnns", "predict", trained, *words, "--grad-cam", out)
    assert status == 0, errors
    files = {path.name for path in out.iterdir()}
    assert files == {
        "same <b>.cam.png", "same <b>-2.cam.png", "tiny.cam.png", "grad_cam.json"
    }  # fmt: skip
    for file in files - {"grad_cam.json"}:
        Image.open(out / file).load()
    told = json.loads((out / "grad_cam.json").read_text("utf-8"))
    assert [row["file"] for row in told["images"]][2] == "tiny.cam.png"
    assert len(told["map"]) == 3
    status, _, errors = run("keras_cnns", "predict", trained, photos, "--grad-cam", photos)
    assert status == 2
    assert "holds your images" in errors
    status, _, errors = run("keras_cnns", "predict", trained, photos, "--grad-cam", tmp_path)
    assert status == 2
    assert "holds other files" in errors


def test_a_folder_without_images_and_a_bad_image_are_named(run, trained, tmp_path):
    (tmp_path / "empty").mkdir()
    status, _, errors = run("keras_cnns", "predict", trained, tmp_path / "empty")
    assert status == 2
    assert "holds no images" in errors
    (tmp_path / "empty" / "bad.jpg").write_bytes(b"\xff\xd8\xff no")
    status, _, errors = run("keras_cnns", "predict", trained, tmp_path / "empty")
    assert status == 2
    assert "bad.jpg" in errors


def test_a_tflite_file_has_no_gradients(run, tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"x")
    draw(tmp_path / "x.png")
    words = ["predict", tmp_path / "m.tflite", tmp_path / "x.png", "--grad-cam", tmp_path / "out"]
    status, _, errors = run("keras_cnns", *words)
    assert status == 2
    assert "name the run or the .keras file" in errors
