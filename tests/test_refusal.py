"""What the runtime or Keras would end badly on is refused, or said in a sentence."""

import json
import shlex
import shutil
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from export import graph, models, tflite
from pipelines.errors import DamagedFile

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)


def network(*middle, last=None):
    keras.utils.set_random_seed(0)
    tensor = image = keras.Input((8, 8, 3))
    for layer in (layers.Rescaling(1 / 255), *middle, layers.GlobalAveragePooling2D()):
        tensor = layer(tensor)
    return keras.Model(image, (last or layers.Dense(3))(tensor))


def dead(name="dead"):
    """A layer that no image wakes."""
    return layers.Conv2D(
        4, 3, name=name, activation="relu", bias_initializer=keras.initializers.Constant(-1e4)
    )


def test_what_xnnpack_refuses_of_a_dead_network_is_said_in_a_sentence():
    content = tflite.of_model(network(dead(), layers.Conv2D(4, 3)), "uint8", IMAGES)
    with pytest.raises(DamagedFile, match="answer the same number .* the network is dead there"):
        models.TFLiteModel(content)


def test_the_reference_kernels_do_not_end_the_process_on_a_dead_network():
    """They would abort, in the midst of whatever was being verified."""
    quiet = layers.Conv2D(4, 3, kernel_initializer="zeros", activation="relu")
    content = tflite.of_model(network(quiet, layers.Conv2D(4, 3)), "int8", IMAGES)
    assert graph.read(content).ends_dead
    plain = models.TFLiteModel(content, reference_kernels=True)
    assert not plain.survives(IMAGES).any()
    assert plain.predict(IMAGES[:2]) == pytest.approx(1 / 3, abs=0.01)


def test_a_living_network_is_not_called_dead():
    content = tflite.of_model(network(layers.Conv2D(4, 3, activation="relu")), "uint8", IMAGES)
    assert not graph.read(content).dead


@pytest.mark.parametrize("before", [(), (layers.ZeroPadding2D(2),)], ids=["same", "padded"])
def test_sixteen_bit_files_pad_with_zeros_whatever_the_normalization(before):
    """The converter leaves the number of any other padding in float, and no kernel takes that."""
    model = network(
        layers.Normalization(mean=[120.0] * 3, variance=[900.0] * 3), *before,
        layers.Conv2D(4, 3, padding="valid" if before else "same"), layers.ReLU(),
    )  # fmt: skip
    assert "PADV2" in graph.read(tflite.of_model(model, "float32")).ops
    content = tflite.of_model(model, "int16x8", IMAGES)
    assert "PADV2" not in graph.read(content).ops
    expected = models.KerasModel(model).predict(IMAGES)
    for reference in (False, True):
        found = models.TFLiteModel(content, reference_kernels=reference).predict(IMAGES)
        assert np.abs(found - expected).max() < 2e-3


def test_a_sequential_model_is_opened(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10)])
    model.save(tmp_path / "m.keras")
    opened = models.load_keras(tmp_path / "m.keras")
    found = models.KerasModel(opened).predict(IMAGES[..., :1])
    assert found == pytest.approx(models.KerasModel(model).predict(IMAGES[..., :1]), abs=1e-6)
    assert len(tflite.of_model(opened, "float32")) > 1000


def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", " " * 2**27)
    with pytest.raises(DamagedFile, match="would unpack to 134,217,728 bytes"):
        models.load_keras(tmp_path / "bomb.keras")


def test_a_model_of_numbers_that_are_none_is_not_chosen_from(run, tmp_path):
    bad = keras.initializers.Constant(float("nan"))
    model = network(last=layers.Dense(10, kernel_initializer=bad))
    model.save(tmp_path / "m.keras")
    words = ("--calibrate", "digits", "--formats", "uint8", "--images", "20")
    status, _, errors = run("export", "choose", tmp_path / "m.keras", *words)
    assert status == 5 and "not finite" in errors


def test_labels_of_a_bundle_in_another_order_are_refused(run, bundled, tmp_path):
    out = shutil.copytree(bundled, tmp_path / "b")
    (out / "labels.txt").write_text("".join(f"{n}\n" for n in "9876543210"))
    sample = out / "samples" / "00.png"
    status, _, errors = run("keras_cnns", "predict", out / "model_uint8.tflite", sample)
    assert status == 5 and "labels.txt was changed" in errors


def test_a_bundle_that_misses_a_limit_tells_machines_too(run, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("export.verify.FLOAT_TOLERANCE", -1.0)
    folder = shutil.copytree(trained, tmp_path / "my run")
    words = ["--formats", "float32", "--images", "20", "--max-drop", "1.5"]
    status, output, errors = run(
        "export", "bundle", folder, "--out", tmp_path / "b", *words, "--json"
    )
    assert status == 1 and not (tmp_path / "b").exists()
    assert (
        "differs from Keras"
        in json.loads(output.splitlines()[-1])["formats"]["float32"]["failures"][0]
    )
    assert f"export choose '{folder}' --formats float32 --max-drop 1.5 --images 20" in errors


def test_the_command_that_choose_prints_makes_what_was_chosen(run, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(trained, tmp_path / "my run")
    for name in ("config.yaml", "labels.txt"):
        (folder / name).unlink()
    words = ["--formats", "float32,float16", "--calibrate", "digits", "--images", "20"]
    status, output, _ = run("export", "choose", folder, *words, "--author", "A 'B'")
    assert status == 0
    command = shlex.split(output.split("next:")[1])
    assert command[:3] == ["python", "-m", "export"]
    assert run(*command[2:])[0] == 0
    card = json.loads((tmp_path / "bundle" / "model.json").read_text())
    assert card["choice"]["format"] == "float16" and set(card["formats"]) == {"float16", "float32"}
    assert card["about"]["author"] == "A 'B'" and card["limits"]["images"] == 20
