"""Calibration, the doctor, the choice of a format, and what bad input gets for an answer."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from export import bundle, calibration, choose, doctor, freeze, graph, models, tflite
from export import card as cards
from export.limits import Limits, Options
from pipelines import dataset
from pipelines.errors import EnvironmentFault, UserError

QUICK = Limits(max_drop=2.0, images=120, reference_images=10)


@pytest.mark.parametrize(
    "counts, wanted, expected",
    [
        ([50, 50, 50], 30, [10, 10, 10]),
        ([2, 50, 50], 32, [2, 15, 15]),
        ([1, 3, 96], 50, [1, 3, 46]),
        ([5, 5], 100, [5, 5]),
    ],
)
def test_calibration_images_come_evenly_from_every_class(counts, wanted, expected):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    chosen = calibration.choose(labels, wanted)
    assert len(set(chosen)) == len(chosen)
    assert np.bincount(labels[chosen]).tolist() == expected


def test_too_few_calibration_images_are_refused(digits):
    with pytest.raises(UserError, match="4 images are too few .* it takes 10") as caught:
        calibration.images(digits, (32, 32, 1), 4)
    assert caught.value.exit_code == 2
    assert len(calibration.images(digits, (32, 32, 1), 10)) == 10


@pytest.fixture(scope="module")
def many(digits):
    """A source of 210 classes, each of one training image, and a network for it."""
    count = 210
    some = dataset.subset(digits.splits["train"], np.arange(count))
    one_each = dataclasses.replace(some, labels=np.arange(count, dtype=np.int32))
    splits = dict.fromkeys(digits.splits, one_each)
    names = tuple(f"class {i:03}" for i in range(count))
    image = keras.Input((8, 8, 1))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3)(image))
    model = keras.Model(image, keras.layers.Dense(count)(x))
    return dataclasses.replace(digits, classes=names, splits=splits), model


def test_images_are_drawn_for_the_formats_that_ask_for_them(many):
    def none():
        raise AssertionError("drawn")

    kinds = {n: kind for n, kind in tflite.FORMATS.items() if not tflite.missing(n)}
    for name, kind in kinds.items():
        if kind.calibrates:
            with pytest.raises(AssertionError, match="drawn"):
                tflite.of_model(many[1], name, none)
        else:
            assert tflite.of_model(many[1], name, none)


def test_more_classes_than_the_usual_images_are_calibrated_by_one_a_class(many, tmp_path):
    source, model = many
    model.save(tmp_path / "m.keras")
    lenient = Limits(max_drop=100, images=20, reference_images=4)

    def made(names, options):
        arguments = (tmp_path / "m.keras", None, source, names, lenient, options, "size")
        return bundle.try_formats(*arguments)

    assert "uint8" in made(["uint8"], Options())["formats"]
    assert "float32" in made(["float32"], Options(calibration_images=4))["formats"]
    with pytest.raises(UserError, match="--calibration-images 200: .* too few .* 210 classes"):
        made(["float32", "uint8"], Options(calibration_images=200))


@pytest.fixture(scope="module")
def wild(trained, tmp_path_factory):
    """The trained LeNet with one channel made 1,000 times as loud, and heard as much less.

    Its answers are the same in float; in integers the loud channel drowns its neighbours.
    """
    model = models.load_keras(trained / "model.keras")
    loud, reader = model.get_layer("conv1"), model.get_layer("conv2")
    (kernel, bias), (next_kernel, next_bias) = loud.get_weights(), reader.get_weights()
    kernel[..., 0] *= 1000
    bias[0] *= 1000
    next_kernel[:, :, 0] /= 1000
    loud.set_weights([kernel, bias])
    reader.set_weights([next_kernel, next_bias])
    folder = tmp_path_factory.mktemp("wild")
    for name in ("labels.txt", "config.yaml"):
        shutil.copy(trained / name, folder)
    model.save(folder / "model.keras")
    return folder


def test_the_doctor_finds_the_drowned_layer_and_mends_the_file(wild, digits, tmp_path):
    report = bundle.try_formats(
        wild / "model.keras", None, digits, ["float32", "uint8"], QUICK, Options(), "size",
        tmp_path / "trade.png",
    )  # fmt: skip
    assert report["left_out"]["uint8"]["drop"] > QUICK.max_drop
    assert report["doctor"]["losses"][0]["layer"] == "conv1"
    first, *_, last = report["doctor"]["rounds"]
    assert first["kept"] == [] and first["failures"]
    assert {"conv1", "conv2"} <= set(last["kept"]) and not last["failures"]
    assert report["choice"] == {"format": "mixed", "prefer": "size"}
    mixed = report["formats"]["mixed"]
    assert mixed["drop"] <= QUICK.max_drop
    assert mixed["bytes"] < report["formats"]["float32"]["bytes"] / 3
    assert (tmp_path / "trade.png").read_bytes().startswith(b"\x89PNG")


def test_an_automatic_bundle_holds_what_passes_and_says_what_does_not(wild, run, tmp_path):
    out = tmp_path / "bundle"
    words = "--formats float32,uint8 --auto --max-drop 2 --images 120 --reference-images 10"
    status, output, _ = run("export", "bundle", wild, "--out", out, *words.split())
    assert status == 0
    assert "left out uint8: accuracy drops" in output
    assert "conv1, pool1, conv2" in output
    card = json.loads((out / "model.json").read_text())
    assert card["choice"]["format"] == "mixed"
    assert set(card["formats"]) == {"float32", "mixed"}
    assert sorted(p.name for p in out.glob("*.tflite")) == [
        "model_float32.tflite", "model_mixed.tflite",
    ]  # fmt: skip
    assert {"doctor.png", "model_mixed.tflite", "verify.json"} <= set(card["files"])
    status, output, _ = run("export", "verify", out, "--max-drop", "2", "--images", "60")
    assert status == 0 and "mixed" in output


def test_without_auto_the_same_model_is_not_called_ready(wild, run, tmp_path):
    words = ["--formats", "uint8", "--max-drop", "2", "--images", "120", "--reference-images", "10"]
    status, output, errors = run("export", "bundle", wild, "--out", tmp_path / "b", *words)
    assert status == 1
    assert "FAILED uint8: accuracy drops" in output
    assert "not ready" in errors and "export choose" in errors
    assert not (tmp_path / "b").exists()


def test_nothing_within_the_budget_is_status_1(wild, run):
    words = ["--formats", "wi4", "--max-drop", "0", "--min-agreement", "1", "--images", "200"]
    status, output, _ = run("export", "choose", wild, *words)
    assert status == 1
    assert "left out wi4" in output and "choice" not in output


def test_an_automatic_bundle_that_fails_says_what_it_left_out_and_what_to_try(run, wild, tmp_path):
    shutil.copytree(wild, tmp_path / "my run")
    words = ["--formats", "wi4", "--max-drop", "0", "--min-agreement", "1", "--images", "200"]
    out = tmp_path / "my bundle"
    status, output, errors = run(
        "export", "bundle", tmp_path / "my run", "--out", out, "--auto", *words
    )
    assert status == 1 and not out.exists()
    assert "left out wi4: " in output
    assert f"python -m export choose '{tmp_path}/my run' {' '.join(words[:-2])}" in errors


def test_signal_to_noise_is_that_of_its_formula():
    signal, noise = np.array([100.0, 1.0]), np.array([1.0, 0.1])
    assert doctor._decibels(signal, noise) == pytest.approx((20 + 10) / 2)
    assert doctor._decibels(signal, noise * 0) == doctor.CEILING


@pytest.mark.parametrize(
    "tensor, layer",
    [
        ("conv1/Relu;conv1/Conv2D", "conv1"),
        ("net_1/relu_1/Relu;net_1/bn_1/mul_1;net_1/dw_2_1/depthwise1", "dw_2"),
        ("net_1/pool_1/MaxPool2d", "pool"),
        ("PartitionedCall:0", "PartitionedCall:0"),
    ],
)
def test_tensors_are_told_by_their_keras_layers(tensor, layer):
    layers = {"conv1": True, "relu": False, "bn": False, "dw_2": True, "pool": False, "dw": True}
    assert doctor.layer_of(tensor, layers) == layer


def test_the_fastest_is_chosen_by_ratios(bundled):
    contents = {
        name: (bundled / f"model_{name}.tflite").read_bytes() for name in ("float32", "uint8")
    }
    ratios = choose.bench.ratios(contents, np.zeros((32, 32, 1), np.uint8), runs=5)
    assert ratios["float32"] == 1.0 and ratios["uint8"] > 0


def test_a_kept_operation_is_float_and_the_rest_stays_integer(trained, tmp_path):
    model = models.load_keras(trained / "model.keras")
    freeze.Frozen(model).save(tmp_path, batch=1)
    images = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 1), np.uint8)
    conversion = tflite.Conversion(tmp_path, images)
    names = [
        graph.read(conversion.calibrated).tensors[op.outputs[0]].name
        for op in graph.read(conversion.calibrated).operations
        if op.kind == "CONV_2D"
    ]
    parts = graph.read(conversion.quantized(tf.uint8, names[1:2]))
    assert parts.in_float["CONV_2D"] == 1 and parts.ops["CONV_2D"] == 2
    assert "FULLY_CONNECTED" not in parts.in_float


def full_disk(folder, size):
    """A disk of so many bytes at a folder; False where this user may not make one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("room", [20_000, 300_000, 600_000])
def test_a_full_disk_leaves_the_old_bundle_and_status_4(room, trained, digits, tmp_path):
    disk = tmp_path / "disk"
    if not full_disk(disk, room):
        pytest.skip("only root can mount a small disk")
    try:
        (disk / "b").mkdir()
        (disk / "b" / "model.json").write_text("{}")
        with pytest.raises(EnvironmentFault, match="disk is full") as caught:
            names = ["float32", "uint8"]
            bundle.bundle(trained / "model.keras", None, digits, disk / "b", names, QUICK)
        assert caught.value.exit_code == 4
        assert [p.name for p in disk.iterdir()] == ["b"]
        assert (disk / "b" / "model.json").read_text() == "{}"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_format_without_its_packages_says_what_to_install(monkeypatch):
    monkeypatch.setattr(tflite, "_installed", lambda package: False)
    with pytest.raises(UserError, match="onnx needs packages: pip install onnx tf2onnx"):
        bundle.formats("onnx")
    assert "onnx" not in bundle.formats("all")


def test_no_file_of_ours_offers_to_run_code_of_a_model():
    root = Path(__file__).parent.parent
    files = [
        f for room in ("keras_cnns", "pipelines", "export") for f in (root / room).rglob("*.py")
    ]
    assert len(files) > 50
    for file in files:
        text = file.read_text().replace(" ", "")
        assert "safe_mode=False" not in text and "enable_unsafe" not in text, file


def test_unknown_classes_and_quantized_models_are_refused(tmp_path):
    @keras.saving.register_keras_serializable("elsewhere")
    class Doubled(keras.layers.Layer):
        def call(self, x):
            return x * 2

    image = keras.Input((8, 8, 1))
    keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(Doubled()(image)))).save(
        tmp_path / "m.keras"
    )
    script = (
        "import sys\nfrom export import models\n"
        "try: models.load_keras(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__, error.exit_code, error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "m.keras"], capture_output=True, text=True
    )
    assert result.stdout.startswith("DamagedFile 5")
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    model.quantize("int8")
    with pytest.raises(UserError, match="quantized already"):
        models.in_float32(model)


def test_bench_measures_files_and_bundles_beside_their_float32(bundled, run):
    status, output, _ = run("export", "bench", bundled, "--runs", "3", "--json")
    assert status == 0
    rows = json.loads(output.splitlines()[-1])["files"]
    rows = {os.path.basename(row["file"]): row for row in rows}
    small = rows["model_uint8.tflite"]
    assert small["base"].endswith("model_float32.tflite")
    sizes = [(bundled / f"model_{n}.tflite").stat().st_size for n in ("uint8", "float32")]
    assert small["size_ratio"] == pytest.approx(sizes[0] / sizes[1], abs=1e-3)
    assert rows["model_float32.tflite"]["latency_ratio"] == 1
    assert small["median_ms"] <= small["p95_ms"]
    assert small["peak_bytes"] > sizes[0]


@pytest.mark.parametrize(
    "words, message",
    [
        (["bench", "nothing.tflite"], "no run or model nothing.tflite"),
        (["bench", "{bundle}", "--threads", "0"], "--threads is at least 1"),
        (["bench", "{bundle}/model.keras"], "no .tflite file"),
        (["choose", "{bundle}", "--formats", "unit8"], "did you mean"),
        (["bundle", "{bundle}", "--out", "x", "--calibration-images", "0"], "at least 1"),
    ],
)
def test_bad_words_are_answered_in_one_sentence(words, message, bundled, run):
    status, _, errors = run("export", *[word.format(bundle=bundled) for word in words])
    assert status == 2
    assert message in errors and len(errors.strip().splitlines()) == 1


DYING = """
import os, signal, sys
moment, *words = sys.argv[1:]
def watch(event, arguments):
    source, *_ = arguments if event == "os.rename" else ("",)
    if str(source).endswith(moment):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
from export import __main__
sys.exit(__main__.cli.main("export", "", __main__.COMMANDS, words))
"""


@pytest.mark.slow
def test_a_kill_during_an_export_leaves_the_old_bundle_or_the_new_one(trained, run, tmp_path):
    out = tmp_path / "bundle"
    words = ["bundle", str(trained), "--out", str(out), "--max-drop", "100", "--images", "20"]
    words += ["--formats", "float32", "--version"]
    assert run("export", *words, "old")[0] == 0

    def version():
        card = cards.read_card(out)
        cards.check_hashes(out, card)
        return card["about"]["version"]

    # Half-way; whole, but not yet in its place; and between the two renames.
    for moment in ("labels.txt", "MODEL_CARD.md", "/new/bundle"):
        command = [sys.executable, "-c", DYING, moment, *words, "new"]
        process = subprocess.run(command, cwd=Path(__file__).parent.parent)
        assert process.returncode == -9
        assert out.exists() == (moment != "/new/bundle")
        assert any(path.name.startswith(".keras-cnns-") for path in tmp_path.iterdir())
        assert run("export", *words, "new", "--formats", "nonsense")[0] == 2  # it cleans up first
        assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
        assert version() == "old"
    assert run("export", *words, "new")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"] and version() == "new"
