"""Facts about every registered network. A new network is tested by being registered."""

import collections
import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_cnns
from keras_cnns import complexity, registry, weights
from tests import reference

QUICK = 2e9  # MACs; building what costs more takes seconds, and CI does it in `make slow`


def marked(name):
    """A variant as a parameter, marked slow where it is large."""
    slow = [pytest.mark.slow] if keras_cnns.VARIANTS[name].macs > QUICK else []
    return pytest.param(name, marks=slow)


def smallest():
    """The cheapest variant of each builder and paper, slow where even that is large."""
    families = {}
    for variant in keras_cnns.VARIANTS.values():
        families.setdefault((variant.builder, variant.paper), []).append(variant)
    return [marked(min(family, key=lambda v: v.macs).name) for family in families.values()]


keras_cnns.names()  # the families register themselves
every_variant = pytest.mark.parametrize("name", map(marked, keras_cnns.names()))
every_family = pytest.mark.parametrize("name", smallest())


@every_variant
def test_params_and_macs_are_those_published(name):
    model, variant = keras_cnns.build(name), keras_cnns.VARIANTS[name]
    assert complexity.params(model) == variant.params
    assert complexity.macs(model) == variant.macs


@every_family
def test_a_saved_model_loads_without_our_code_and_answers_the_same(name, tmp_path):
    height, width, _ = keras_cnns.VARIANTS[name].input_shape
    model = registry.build_for_pixels(name, 3, (height, width, 3))
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    logits = reference.main_logits(model, images)
    assert logits.shape == (2, 3)
    assert np.isfinite(logits).all()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")  # no custom_objects
    np.testing.assert_array_equal(reference.main_logits(again, images), logits)


@every_family
def test_each_width_changes_the_network(name):
    stages = keras_cnns.VARIANTS[name].stages
    full = keras_cnns.build(name).count_params()
    for stage in range(stages):
        widths = [1.0] * stages
        widths[stage] = 0.5
        assert keras_cnns.build(name, widths=widths).count_params() < full


@every_family
@pytest.mark.parametrize("factor", [0.02, 0.3, 1.3])
def test_any_widths_build_or_are_refused_in_one_sentence(name, factor):
    stages = keras_cnns.VARIANTS[name].stages
    try:
        model = keras_cnns.build(name, widths=(factor,) * stages)
    except registry.BuildError as error:
        assert "\n" not in str(error)
    else:
        assert all(0 not in weight.shape for weight in model.weights)


@every_family
def test_the_smallest_image_is_as_stated(name):
    variant = keras_cnns.VARIANTS[name]
    side, channels = variant.smallest, variant.input_shape[2]
    keras_cnns.build(name, input_shape=(side, side, channels))
    if side > 1:
        with pytest.raises(registry.BuildError, match=f"at least {side} x {side}"):
            keras_cnns.build(name, input_shape=(side, side - 1, channels))
        unchecked = dataclasses.replace(variant, smallest=1)
        image = keras.Input((side - 1, side - 1, channels))
        with pytest.raises(ValueError):
            unchecked.builder(image, classes=2, widths=(1,) * variant.stages, **variant.spec)


@every_family
def test_grey_images_are_taken_as_colour_ones_are(name):
    variant = keras_cnns.VARIANTS[name]
    model = registry.build_for_pixels(name, 2, (*variant.input_shape[:2], 1))
    assert model.input_shape[-1] == 1
    assert model.get_layer("normalize").output.shape[-1] == 1


SMALL = [name for name in keras_cnns.names() if f"{name}_small" in keras_cnns.VARIANTS]


@pytest.mark.parametrize("name", [marked(name) for name in SMALL])
def test_a_small_stem_leaves_the_body_as_it_is(name):
    def shapes(model):
        found = [
            tuple(tuple(weight.shape) for weight in layer.weights)
            for layer in model.layers
            if layer.weights and not isinstance(layer, keras.layers.Dense)
        ]
        return collections.Counter(found)

    normed = f"{name}_bn" if f"{name}_bn" in keras_cnns.VARIANTS else name  # of VGG
    original = shapes(keras_cnns.build(normed, 10))
    small = shapes(keras_cnns.build(f"{name}_small"))
    assert (original - small).total() <= 2  # the first convolution and its normalization
    assert (small - original).total() <= 2


def test_the_page_of_networks_is_up_to_date():
    page = Path(__file__).parent.parent / "docs" / "networks.md"
    rows = [line.strip("| \n").split(" | ") for line in page.read_text().splitlines()]
    found = {row[0]: row[2:4] for row in rows if row[0] in keras_cnns.VARIANTS}
    expected = {v.name: [f"{v.params:,}", f"{v.macs:,}"] for v in keras_cnns.VARIANTS.values()}
    assert found == expected, "run python -m benchmarks.fidelity --write docs/networks.md"
    references = {row[0]: row[5].strip() for row in rows if len(row) == 7 and row[5].strip()}
    references.pop("network")
    assert references.keys() - {"---"} == reference.files().keys()


@every_family
def test_zero_classes_give_the_last_feature_map(name):
    assert len(keras_cnns.build(name, classes=0).output_shape) == 4


@every_family
def test_pixels_are_normalized_as_the_variant_says(name):
    variant = keras_cnns.VARIANTS[name]
    model = registry.build_for_pixels(name)
    normalize = keras.Model(model.input, model.get_layer("normalize").output)
    pixels = np.full((1, *variant.input_shape), 200, np.uint8)
    expected = pixels * np.asarray(variant.scale) + np.asarray(variant.offset)
    np.testing.assert_allclose(normalize.predict(pixels, verbose=0), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "name, file",
    [
        pytest.param(name, file, marks=marked(name).marks, id=name)
        for name, file in reference.files().items()
    ],
)
def test_logits_equal_the_reference_under_the_same_weights(name, file):
    assert reference.difference(name, file) <= 2e-5


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "lenet6"}, "did you mean lenet"),
        ({"name": "lenet", "widths": (1, 1)}, "takes 4 widths, not 2"),
        ({"name": "lenet", "widths": (1, 1, 0, 1)}, "above 0"),
        ({"name": "lenet", "input_shape": (4, 4, 1)}, "cannot be built for 4 x 4"),
        ({"name": "lenet", "input_shape": (32, 32, 2)}, "height, width, 1 or 3"),
        ({"name": "lenet", "classes": -1}, "classes"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_sentence(arguments, message):
    with pytest.raises(registry.BuildError, match=message) as caught:
        keras_cnns.build(**arguments)
    assert "\n" not in str(caught.value)


def test_two_networks_cannot_share_a_name():
    variant = registry.register(None, paper="", year=0, stages=0)
    with pytest.raises(ValueError, match="two networks are named 'lenet'"):
        variant("lenet", 0, 0)


def safetensors(tensors, dtype="F32"):
    header, body = {}, b""
    for name, array in tensors.items():
        upper = np.ascontiguousarray(array).view("<u2").reshape(*array.shape, 2)[..., 1]
        data = {"F32": array, "F16": array.astype("<f2"), "BF16": upper}[dtype].tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": offsets}
        body += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def lenet_checkpoint():
    return reference.checkpoint(reference.files()["lenet"])


def test_weights_files_of_both_kinds_give_the_same_network(tmp_path):
    checkpoint = lenet_checkpoint()
    np.savez(tmp_path / "a.npz", **checkpoint)
    (tmp_path / "a.safetensors").write_bytes(safetensors(checkpoint))
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype("float32")
    answers = [
        keras_cnns.build("lenet", weights=tmp_path / name).predict(images, verbose=0)
        for name in ("a.npz", "a.safetensors")
    ]
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("dtype, error", [("F32", 0), ("F16", 2**-11), ("BF16", 2**-7)])
def test_halved_numbers_are_read_as_they_were_rounded(dtype, error, tmp_path):
    checkpoint = lenet_checkpoint()
    (tmp_path / "a.safetensors").write_bytes(safetensors(checkpoint, dtype))
    for name, array in weights.read(tmp_path / "a.safetensors").items():
        np.testing.assert_allclose(array, checkpoint[name], rtol=error, atol=1e-6)


def test_a_torch_checkpoint_is_read_as_its_tensors(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    checkpoint = lenet_checkpoint()
    parameters = {
        f"module.{name}": torch.nn.Parameter(torch.tensor(array))
        for name, array in checkpoint.items()
    }
    torch.save({"epoch": 3, "state_dict": parameters}, tmp_path / "a.pth")
    for name, array in weights.read(tmp_path / "a.pth").items():
        np.testing.assert_array_equal(array, checkpoint[name])
    torch.save({"state_dict": print}, tmp_path / "evil.pth")
    with pytest.raises(weights.UnsafeWeights):
        weights.read(tmp_path / "evil.pth")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda c: c.pop("fc2.weight"), "fc2 wants"),
        (lambda c: c.update({"fc4.weight": np.zeros((2, 2))}), "no place for fc4"),
        (lambda c: [c.pop(f"fc3.{part}") for part in ("weight", "bias")], "lacks fc3"),
        (lambda c: c.update({"conv1.bias": np.zeros(7)}), r"conv1 wants \(6,\)"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(change, message):
    checkpoint = lenet_checkpoint()
    change(checkpoint)
    with pytest.raises(weights.WeightsError, match=message):
        weights.copy(keras_cnns.build("lenet"), checkpoint)


def test_a_checkpoint_that_could_run_code_is_refused(tmp_path):
    np.savez(tmp_path / "evil.npz", conv1=np.array([print], object))
    with pytest.raises(weights.UnsafeWeights):
        weights.read(tmp_path / "evil.npz")
    (tmp_path / "cut.safetensors").write_bytes(safetensors(lenet_checkpoint())[:5000])
    with pytest.raises(weights.UnsafeWeights, match="damaged"):
        weights.read(tmp_path / "cut.safetensors")
