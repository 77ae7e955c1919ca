"""Files of weights as people have them: wrapped, prefixed, halved, damaged, or with code inside."""

import argparse
import pickle

import numpy as np
import pytest

import keras_cnns
from export import models
from keras_cnns import registry, weights
from tests.test_import_weights import torch_like
from tests.test_networks import lenet_checkpoint, safetensors

TENSORS = {"conv1.weight": np.ones((2, 3), np.float32), "fc.bias": np.arange(4, dtype=np.float32)}
PREFIXES = ("module.", "model.", "_orig_mod.", "module.model.", "timm_model.", "backbone.")


def prefixed(prefix, tensors=TENSORS):
    return {prefix + name: array for name, array in tensors.items()}


def assert_same(found, tensors=TENSORS):
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_what_wraps_a_network_is_taken_off_its_names(prefix, kind, tmp_path):
    file, tensors = tmp_path / f"x.{kind}", prefixed(prefix)
    np.savez(file, **tensors) if kind == "npz" else file.write_bytes(safetensors(tensors))
    assert_same(weights.read(file))


def test_names_that_are_the_networks_own_stay(tmp_path):
    tensors = prefixed("features.") | {"model": np.ones(2, np.float32)}
    np.savez(tmp_path / "x.npz", **tensors)
    assert_same(weights.read(tmp_path / "x.npz"), tensors)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda t: t,
        lambda t: {"epoch": 3, "arch": "x", "state_dict": t(prefixed("module."))},
        lambda t: {"net": t(TENSORS), "acc": 90.0},
        lambda t: {"model": t(TENSORS), "args": argparse.Namespace(lr=0.1), "model_ema": {}},
        lambda t: {"state_dict": t(prefixed("model.")), "hyper_parameters": {"lr": 0.1}},
        lambda t: {"state_dict": t(TENSORS), "state_dict_ema": t({"fc.bias": np.zeros(4)})},
        lambda t: {"model": {"state_dict": t(TENSORS)}},
        lambda t: {**t(TENSORS), "epoch": 3},
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "name", ["x.pth", "x.PT", "pytorch_model.bin", "last.ckpt", "best.pth.tar"]
)
def test_what_training_scripts_save_is_read(wrapped, name, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")

    def tensors(arrays):
        return {key: torch.tensor(array) for key, array in arrays.items()}

    whole = wrapped(tensors)
    torch.save(tensors(TENSORS) if callable(whole) else whole, tmp_path / name)
    assert_same(weights.read(tmp_path / name))


def test_a_moving_average_fits_as_the_network_does(tmp_path):
    np.savez(tmp_path / "x.npz", n_averaged=5, **prefixed("module.", lenet_checkpoint()))
    model = keras_cnns.build("lenet", weights=tmp_path / "x.npz")
    np.testing.assert_array_equal(
        model.get_layer("fc3").bias, lenet_checkpoint()["fc3.bias"]
    )  # fmt: skip


class Evil:
    """Runs code when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


@pytest.mark.parametrize("name", ["x.pth", "x.bin", "x.ckpt"])
@pytest.mark.parametrize("whole", [False, True])
def test_code_is_neither_run_nor_recommended(name, whole, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    file, trace = tmp_path / name, tmp_path / "trace"
    if whole:
        torch.save(torch.nn.Linear(2, 2), file)
    else:
        torch.save({"state_dict": {"fc.bias": torch.ones(2)}, "x": Evil(trace)}, file)
    with pytest.raises(weights.UnsafeWeights, match="could run code") as caught:
        weights.read(file)
    assert caught.value.exit_code == 5
    assert "weights_only" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not trace.exists()


def flip(data):
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [flip, lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"<html>404</html>",
     lambda data: pickle.dumps({"x": Evil("nowhere")})],
)  # fmt: skip
def test_a_damaged_torch_file_is_refused_in_one_sentence(damage, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.save({"fc.weight": torch.ones(500, 50)}, tmp_path / "x.pth")
    file = tmp_path / "y.pth"
    file.write_bytes(damage((tmp_path / "x.pth").read_bytes()))
    with pytest.raises(weights.UnsafeWeights, match="damaged") as caught:
        weights.read(file)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)


WHOLE = safetensors(TENSORS)


@pytest.mark.parametrize(
    "content, message",
    [
        (WHOLE + b"more", "longer or shorter"),
        (WHOLE[:-4], "longer or shorter"),
        (b"", "no file of safetensors"),
        (b"<html>not found</html>", "no file of safetensors"),
        (WHOLE.replace(b'"F32"', b'"F8_"'), "save it as float32"),
    ],
)
def test_a_damaged_safetensors_file_is_refused(content, message, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(weights.UnsafeWeights, match=message):
        weights.read(tmp_path / "x.safetensors")


def test_what_is_no_file_of_weights_is_named(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid")
    with pytest.raises(weights.WeightsError, match="git lfs pull"):
        weights.read(tmp_path / "x.safetensors")
    (tmp_path / "y.npz").mkdir()
    with pytest.raises(weights.WeightsError, match="is a folder"):
        weights.read(tmp_path / "y.npz")
    np.savez(tmp_path / "z.npz")
    with pytest.raises(weights.WeightsError, match="holds no weights"):
        weights.read(tmp_path / "z.npz")


def test_numbers_that_are_not_finite_are_refused():
    checkpoint = lenet_checkpoint()
    checkpoint["fc3.bias"] = np.full(10, np.nan)
    with pytest.raises(weights.WeightsError, match="fc3.bias holds numbers that are not finite"):
        weights.copy(keras_cnns.build("lenet"), checkpoint)


def test_a_head_that_is_a_convolution_is_left_out_as_others_are():
    checkpoint = torch_like(registry.build("squeezenet1_1_small", 7))
    model = registry.build("squeezenet1_1_small", 3)
    assert weights.head_classes(checkpoint, model) == 7
    assert weights.copy(model, checkpoint) == ["classifier_1"]
    np.testing.assert_array_equal(model.get_layer("features_0").bias, 1)


def test_lenet5_has_no_head_to_leave_out():
    checkpoint = torch_like(registry.build("lenet5"))
    model = registry.build("lenet5", 84)  # as many as f6 has units
    assert weights.head_classes(checkpoint, registry.build("lenet5")) is None
    assert weights.copy(registry.build("lenet5"), checkpoint) == []
    assert weights.copy(model, checkpoint) == []


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_of_grey_or_colour_images_comes_in_as_it_is(channels, run, tmp_path):
    tensors = torch_like(registry.build("resnet20_cifar", 4, (32, 32, channels)))
    np.savez(tmp_path / "x.npz", **tensors)
    status, output, errors = run(
        "keras_cnns", "import-weights", "resnet20_cifar", tmp_path / "x.npz",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert status == 0, errors
    model = models.load_keras(tmp_path / "run" / "model.keras")
    assert model.input_shape == (None, 32, 32, channels)
    assert f"channels: {channels}" in (tmp_path / "run" / "config.yaml").read_text()
    np.testing.assert_array_equal(model.get_layer("conv1").kernel, 1)


@pytest.mark.parametrize("classes", [10, 7])
def test_a_file_of_another_network_is_known_by_its_number_of_weights(classes):
    checkpoint = torch_like(registry.build("mobilenet_v1_0.25_small", classes))
    with pytest.raises(weights.WeightsError, match="as many weights as .*mobilenet_v1_0.25_small"):
        weights.copy(registry.build("lenet"), checkpoint)


def timm_modules(depths):
    """Names in timm's networks of inverted residuals, of stages of so many blocks."""
    yield from ("conv_stem", "bn1", "conv_head", "bn2", "classifier")
    for stage, depth in enumerate(depths):
        parts = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3") if stage else (
            "conv_dw", "bn1", "conv_pw", "bn2")  # fmt: skip
        yield from (f"blocks_{stage}_{i}_{part}" for i in range(depth) for part in parts)


@pytest.mark.parametrize(
    "name, modules",
    [
        ("mobilenet_v2", timm_modules((1, 2, 3, 4, 3, 3, 1))),
        ("mnasnet1_0", timm_modules((1, 3, 3, 3, 2, 4, 1))),
        ("vgg11", [*(f"features_{i}" for i in (0, 3, 6, 8, 11, 13, 16, 18)),
                   "pre_logits_fc1", "pre_logits_fc2", "head_fc"]),
    ],
)  # fmt: skip
def test_each_name_of_timm_is_that_of_a_layer(name, modules):
    renamed = [weights._renamed(module, registry.find(name).renames) for module in modules]
    layers = [layer.name for layer in keras_cnns.build(name).layers if layer.weights]
    assert sorted(renamed) == sorted(layers)


def test_a_dense_layer_takes_the_convolution_over_its_whole_map():
    model = registry.build("lenet")
    dense = lenet_checkpoint()
    convolution = dense | {"fc1.weight": dense["fc1.weight"].reshape(120, 16, 6, 6)}
    weights.copy(model, dense)
    expected = model.get_layer("fc1").get_weights()
    weights.copy(model, convolution)
    np.testing.assert_array_equal(model.get_layer("fc1").get_weights()[0], expected[0])
