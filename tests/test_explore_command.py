"""`explore` trains each subject, measures it, draws it, and refuses what is wrong at once."""

import json

import keras
import numpy as np
import pytest
import yaml

from keras_cnns.explore import session
from keras_cnns.explore.kanerva_training import corrupt, covered, draw_noise
from keras_cnns.explore.settings import SUBJECTS
from pipelines.errors import TrainingFailed
from pipelines.sources import open_source, recorded

SHORT = {
    "hypernetwork": ["epochs=1"],
    "neural_process": ["steps=2", "points=12", "context=5", "width=8", "latent=4"],
    "kanerva_machine": ["steps=2", "rows=8", "width=8", "code=6", "episode=4"],
}


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A folder of small grey images, some for each split."""
    from tests.conftest import draw

    root = tmp_path_factory.mktemp("few")
    for split, count in (("train", 20), ("val", 4), ("test", 4)):
        for c, name in enumerate("ab"):
            for i in range(count):
                draw(root / split / name / f"{i}.png", size=(28, 28), mode="L", seed=100 * c + i)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("subject", SUBJECTS)
def test_each_subject_is_trained_measured_and_drawn(subject, few, run, tmp_path):
    out = tmp_path / "run"
    status, output, errors = run(
        "keras_cnns", "explore", subject, "--data", f"folder:{few}", "--out", out,
        *SHORT[subject], "--json",
    )  # fmt: skip
    assert status == 0, errors
    report = json.loads(output.splitlines()[-1])
    assert report == json.loads((out / "metrics.json").read_text())
    assert list(out.glob("*.png"))
    for file in out.glob("*.keras"):
        keras.saving.load_model(file)


def test_the_model_of_a_hypernetwork_is_a_plain_network_like_any_other(few, run, tmp_path):
    out = tmp_path / "run"
    words = ("--data", f"folder:{few}", "--out", out, "epochs=1")
    assert run("keras_cnns", "explore", "hypernetwork", *words)[0] == 0
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config.items() >= recorded.record(open_source(f"folder:{few}")).items()
    status, output, errors = run("keras_cnns", "evaluate", out, "--json")
    assert status == 0, errors
    assert json.loads(output.splitlines()[-1])["images"] == 8
    from export import freeze, graph, models, tflite

    model = models.load_keras(out / "model.keras")
    assert "keras_cnns" not in model.to_json()
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), np.uint8)
    freeze.Frozen(model).save(tmp_path / "saved", batch=1)
    conversion = tflite.Conversion(tmp_path / "saved", images)
    ops = graph.read(tflite.convert(conversion, "uint8"))
    plain = {"CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"}
    assert set(ops.ops) - {"QUANTIZE", "DEQUANTIZE"} <= plain
    assert ops.in_float == {}
    assert ops.ops["CONV_2D"] == 2


@pytest.mark.parametrize(
    "words, message",
    [
        (["hypernetworks"], "did you mean hypernetwork"),
        (["kanerva_machine", "row=4"], "did you mean rows"),
        (["kanerva_machine", "rows=4"], "rows is at least 8"),
        (["neural_process", "steps"], "key=value"),
        (["neural_process", "steps=many"], "whole number"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_done(words, message, run, tmp_path):
    out = tmp_path / "run"
    status, _, errors = run("keras_cnns", "explore", *words, "--data", "digits", "--out", out)
    assert status == 2
    assert message in errors
    assert not out.exists()


def test_noise_and_covers_are_applied_as_drawn():
    images = np.random.default_rng(1).random((3, 784)).astype("float32")
    lost, instead = draw_noise(np.random.default_rng(0), images.shape, 0.25)
    noisy = corrupt(images, lost, instead)
    np.testing.assert_array_equal(noisy[~lost], images[~lost])
    np.testing.assert_array_equal(noisy[lost], instead[lost])
    assert 0.2 < lost.mean() < 0.3
    np.testing.assert_array_equal(covered(images)[:, :392], images[:, :392])
    assert not covered(images)[:, 392:].any()


def test_a_last_update_that_spoils_the_network_is_told():
    network = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    images = np.full((4, 2), 1e9, "float32")  # one step: no other sees what it did
    with pytest.raises(TrainingFailed, match="became (inf|nan) at step 1; try a lower"):
        session.fit(network, "mse", lambda step: (images, images[:, :1]), 1, 1e30, "a network")
