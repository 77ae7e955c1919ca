"""Weight files of keras.applications become our networks, logit by logit."""

import zipfile

import h5py
import keras
import numpy as np
import pytest

import keras_cnns
from keras_cnns import weights, weights_keras

SIDE = 96  # smaller than ImageNet's, to be quick; the dense layers of VGG want its own
THEIRS = {
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "resnet50_v1": "ResNet50",
    "resnet101_v1": "ResNet101",
    "resnet152_v1": "ResNet152",
    "densenet121": "DenseNet121",
    "densenet169": "DenseNet169",
    "densenet201": "DenseNet201",
    "inception_resnet_v2": "InceptionResNetV2",
}
QUICK = ("resnet50_v1", "densenet121")
every_origin = pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in weights_keras.ORIGINS
    ],
)


def drawn(name, **options):
    """A network of keras.applications whose statistics are not those of a new one."""
    side = 224 if name.startswith("vgg") else SIDE
    model = getattr(keras.applications, THEIRS[name])(
        weights=None, input_shape=(side, side, 3), classifier_activation=None, **options
    )
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            values = [rng.uniform(0.5, 1.5, w.shape) for w in layer.weights]
            layer.set_weights(values)
        elif layer.weights and layer.use_bias:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, rng.normal(0, 0.1, bias.shape)])
    return model


def as_keras_2(model, path):
    """Write the layout of the files that keras.applications downloads."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            places = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [place.encode() for place in places]
            for place, weight in zip(places, layer.get_weights(), strict=True):
                group.create_dataset(place, data=weight)


def compiled(model, path):
    """Save a model with its optimizer, as a training leaves it."""
    model.compile("adam", "mse")
    model.save(path)


SAVERS = {
    "old.h5": as_keras_2,
    "new.weights.h5": lambda model, path: model.save_weights(path),
    "whole.h5": lambda model, path: model.save(path),
    "whole.keras": lambda model, path: model.save(path),
    "compiled.keras": compiled,
}


@every_origin
def test_every_layout_gives_the_logits_of_keras(name, tmp_path):
    theirs = drawn(name, classes=7)
    side = theirs.input_shape[1]
    images = np.random.default_rng(1).normal(size=(2, side, side, 3)).astype("float32")
    expected = theirs.predict(images, verbose=0)
    there = weights_keras.origin(name)
    for file in SAVERS if name == QUICK[0] else ["new.weights.h5"]:
        SAVERS[file](theirs, tmp_path / file)
        ours = keras_cnns.build(name, 7, (side, side, 3), weights=tmp_path / file)
        # Theirs is Caffe's order of colours, which ours has folded into its first kernel.
        given = images[..., ::-1] if there.bgr else images
        worst = np.abs(ours.predict(given, verbose=0) - expected).max()
        assert worst <= 2e-5 * np.abs(expected).max()


def test_pixels_are_prepared_as_keras_prepares_them(run, tmp_path):
    theirs = drawn("resnet50_v1", classes=7)
    theirs.save_weights(tmp_path / "x.weights.h5")
    status, _, errors = run(
        "keras_cnns", "import-weights", "resnet50_v1", tmp_path / "x.weights.h5",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert status == 0, errors
    ours = keras.saving.load_model(tmp_path / "run" / "model.keras")
    pixels = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3)).astype("float32")
    prepared = keras.applications.resnet.preprocess_input(pixels.copy())
    body = keras.applications.ResNet50(
        weights=None, input_shape=(224, 224, 3), classes=7, classifier_activation=None
    )
    body.load_weights(tmp_path / "x.weights.h5")
    expected = body.predict(prepared, verbose=0)
    worst = np.abs(ours.predict(pixels, verbose=0) - expected).max()
    assert worst <= 2e-5 * np.abs(expected).max()


def test_a_file_without_head_keeps_the_rest(tmp_path):
    theirs = drawn("densenet121", include_top=False)
    theirs.save_weights(tmp_path / "notop.weights.h5")
    with pytest.warns(UserWarning, match="classifier"):
        ours = keras_cnns.build("densenet121", 3, weights=tmp_path / "notop.weights.h5")
    first = theirs.get_layer("conv1_conv").get_weights()[0]
    np.testing.assert_array_equal(ours.get_layer("features_conv0").get_weights()[0], first)


def test_another_network_is_refused_by_name(tmp_path):
    theirs = drawn("densenet121", classes=7)
    theirs.save_weights(tmp_path / "x.weights.h5")
    with pytest.raises(weights.WeightsError, match="lacks"):
        keras_cnns.build("resnet50_v1", 7, weights=tmp_path / "x.weights.h5")
    with pytest.raises(weights.WeightsError, match="no network equal to resnet18"):
        keras_cnns.build("resnet18", 7, weights=tmp_path / "x.weights.h5")


def linked(file):
    file["layers/conv2d/vars/0"] = h5py.ExternalLink("/etc/hostname", "x")


def soft(file):
    file["layers/conv2d/vars/0"] = h5py.SoftLink("/elsewhere")


def virtual(file):
    layout = h5py.VirtualLayout((2, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (2, 2))
    file.create_virtual_dataset("layers/conv2d/vars/0", layout)


def outside(file):
    file.create_dataset("layers/conv2d/vars/0", (4,), "f4", external=[("/etc/hostname", 0, 16)])


def huge(file):
    file.create_dataset("layers/conv2d/vars/0", (1 << 20, 1 << 20), "f4", chunks=(64, 64))


def objects(file):
    file.create_dataset("layers/conv2d/vars/0", data=["text"])


@pytest.mark.parametrize("trap", [linked, soft, virtual, outside, huge, objects])
def test_a_file_that_is_no_plain_data_is_refused(trap, tmp_path):
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        trap(file)
        file["layers/conv2d/vars"].attrs["name"] = "conv2d"
    with pytest.raises(weights.UnsafeWeights):
        weights.read(tmp_path / "x.weights.h5")


@pytest.mark.parametrize("name", ["x.h5", "x.keras"])
@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"])
def test_a_damaged_file_is_refused(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(weights.UnsafeWeights, match="damaged"):
        weights.read(tmp_path / name)


def test_a_model_with_a_strange_member_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("../evil.py", "print()")
    with pytest.raises(weights.UnsafeWeights, match="evil"):
        weights.read(tmp_path / "x.keras")
