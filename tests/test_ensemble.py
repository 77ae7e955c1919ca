"""An ensemble is the mean of its members, opens without our code, and exports as any other."""

import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import yaml
from keras import layers

from export import models
from keras_cnns.evaluation import ensemble as ensembles
from keras_cnns.registry import build_for_pixels
from pipelines.errors import UserError
from tests.conftest import draw


def saved(folder, model, labels="0123456789", **config):
    """A run of an untrained model."""
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    (folder / "labels.txt").write_text("\n".join(labels) + "\n")
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": "digits"} | config))
    return folder


def network(size=16, channels=1, *, softmax=False, seed=0, classes=10):
    """A small one, with weights of some size, so that answers differ."""
    keras.utils.set_random_seed(seed)
    image = layers.Input((size, size, channels))
    x = layers.Rescaling(1 / 64)(image)
    x = layers.Conv2D(4, 3, activation="relu")(x)
    x = layers.Dense(classes)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Softmax()(x) if softmax else x, name="small")


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1)).astype("uint8")


def test_it_is_the_mean_of_the_members_probabilities(tmp_path, pixels):
    nets = [
        network(seed=0),
        network(seed=1, softmax=True),
        build_for_pixels("lenet", 10, (16, 16, 1)),
    ]
    runs = [saved(tmp_path / str(i), net) for i, net in enumerate(nets)]
    model = ensembles.build(ensembles.members(runs))
    model.save(tmp_path / "e.keras")
    expected = np.mean([models.KerasModel(net).predict(pixels) for net in nets], axis=0)
    found = models.load(tmp_path / "e.keras").predict(pixels)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_members_of_other_sizes_and_channels_see_their_own_image(tmp_path):
    """A block of equal pixels is shrunk exactly, and a grey image has three equal channels."""
    grey, colour = network(8, 1), network(16, 3, seed=1)
    runs = [saved(tmp_path / "grey", grey), saved(tmp_path / "colour", colour)]
    model = ensembles.build(ensembles.members(runs))
    assert model.input_shape == (None, 16, 16, 3)
    small = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 1)).astype("uint8")
    large = small.repeat(2, 1).repeat(2, 2).repeat(3, 3)
    expected = (
        models.KerasModel(grey).predict(small) + models.KerasModel(colour).predict(large)
    ) / 2
    np.testing.assert_allclose(models.KerasModel(model).predict(large), expected, atol=1e-5)


def test_it_opens_with_keras_alone(tmp_path, pixels):
    runs = [saved(tmp_path / "a", network(8)), saved(tmp_path / "b", network(16, 3, seed=1))]
    ensembles.build(ensembles.members(runs)).save(tmp_path / "e.keras")
    script = (
        "import sys, keras, numpy as np; m = keras.saving.load_model(sys.argv[1]);"
        "p = np.asarray(m(np.ones((1, 16, 16, 3)))); assert abs(p.sum() - 1) < 1e-5;"
        "assert 'keras_cnns' not in sys.modules"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "e.keras")]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)


@pytest.mark.parametrize(
    "labels, classes, message",
    [
        ("012345678x", 10, "knows the class 'x', which"),
        ("1023456789", 10, "in another order: output 0 is '1' there and '0' here"),
        ("012345678", 9, "tells 10 classes apart and"),
    ],
)
def test_members_of_other_classes_are_refused(labels, classes, message, run, tmp_path):
    ours = saved(tmp_path / "ours", network())
    theirs = saved(tmp_path / "theirs", network(classes=classes), labels)
    status, _, errors = run("keras_cnns", "ensemble", ours, theirs, "--out", tmp_path / "e")
    assert status == 2
    assert message in errors
    assert not (tmp_path / "e").exists()


def test_a_near_class_name_is_offered(tmp_path):
    ours = saved(tmp_path / "ours", network(classes=2), ["rose", "tulip"])
    theirs = saved(tmp_path / "theirs", network(classes=2), ["roze", "tulip"])
    with pytest.raises(UserError, match="did you mean rose"):
        ensembles.members([ours, theirs])


def test_one_run_or_the_same_twice_is_refused(run, trained, tmp_path):
    for runs, message in (([trained], "two runs"), ([trained, trained / "model.keras"], "twice")):
        status, _, errors = run("keras_cnns", "ensemble", *runs, "--out", tmp_path / "e")
        assert status == 2
        assert message in errors


def test_the_report_is_paired_and_the_run_can_be_used(run, trained, digits, tmp_path):
    """A member twice, and one by chance: what it says agrees with what one computes from it."""
    twin = tmp_path / "twin"
    shutil.copytree(trained, twin)
    chance = saved(tmp_path / "chance", build_for_pixels("lenet", 10, (32, 32, 1)))
    out = tmp_path / "together"
    words = ["ensemble", trained, twin, chance, "--out", out, "--json"]
    status, output, errors = run("keras_cnns", *words)
    assert status == 0, errors
    report = json.loads(output.splitlines()[-1])
    first, second, random = (row["accuracy"] for row in report["members"])
    assert first == second > random
    assert report["mean_of_members"] == pytest.approx((2 * first + random) / 3)
    assert report["gain_over_best"] == pytest.approx(report["ensemble"]["accuracy"] - first)
    low, high = report["gain_over_best_95"]
    assert low < report["gain_over_best"] < high
    status, output, errors = run("keras_cnns", "evaluate", out, "--json")
    assert status == 0, errors
    again = json.loads(output.splitlines()[-1])
    assert again["accuracy"] == report["ensemble"]["accuracy"]
    draw(tmp_path / "x.png")
    assert run("keras_cnns", "predict", out, tmp_path / "x.png")[0] == 0
    words = ["predict", out, tmp_path / "x.png", "--grad-cam", tmp_path / "cams"]
    status, _, errors = run("keras_cnns", *words)
    assert status == 2
    assert "name the run of a member" in errors


def test_it_exports_to_integers_as_any_other(run, trained, tmp_path):
    out = tmp_path / "e"
    twin = saved(tmp_path / "twin", build_for_pixels("lenet_d2l", 10, (28, 28, 1)))
    assert run("keras_cnns", "ensemble", trained, twin, "--out", out)[0] == 0
    words = ["bundle", out, "--out", tmp_path / "b", "--formats", "float32,uint8", "--json"]
    status, output, errors = run("export", *words, "--max-drop", "2")
    assert status == 0, errors
    report = json.loads(output.splitlines()[-1])
    assert report["formats"]["float32"]["max_difference"] < 1e-4
    assert report["formats"]["uint8"]["agreement"] > 0.95
