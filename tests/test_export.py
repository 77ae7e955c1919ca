"""Exported files answer as the Keras model does, and what does not is not called ready."""

import errno
import hashlib
import json
import shutil
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from export import bundle, freeze, graph, metadata, models, tflite, to_onnx, verify
from export.limits import Limits, Options
from export.trained import find
from keras_cnns import VARIANTS, registry
from pipelines import dataset
from pipelines.errors import CheckFailed, DamagedFile, UserError
from tests.test_networks import smallest

ALL = [name for name in tflite.FORMATS if not tflite.missing(name)]
LITE = [name for name in ALL if tflite.FORMATS[name].suffix == ".tflite"]
every_format = pytest.mark.parametrize("name", ALL)
every_tflite = pytest.mark.parametrize("name", LITE)


@pytest.fixture(scope="module")
def made(trained, digits, tmp_path_factory):
    """A bundle of the short training, with its report."""
    out = tmp_path_factory.mktemp("bundles") / "bundle"
    limits = Limits(max_drop=4.0, images=200, reference_images=30)
    options = Options(author="A. Müller", license="MIT", version="7")
    report = bundle.bundle(trained / "model.keras", None, digits, out, ALL, limits, options)
    return out, report


def converted(model, name, images, folder):
    """The bytes of a file of a Keras model that takes images of so many channels."""
    freeze.Frozen(model).save(folder, batch=1, channels=images.shape[-1])
    return tflite.convert(tflite.Conversion(folder, images), name)


@pytest.fixture(scope="module")
def pixels(digits):
    return dataset.pixels(digits.splits["test"], (32, 32, 1))


def test_a_bundle_says_what_it_holds(made, digits):
    out, report = made
    card = json.loads((out / "model.json").read_text())
    assert report["passed"]
    assert json.loads((out / "verify.json").read_text()) == json.loads(json.dumps(report))
    assert card["labels"] == (out / "labels.txt").read_text().split() == list(digits.classes)
    assert card["data"]["fingerprint"] == digits.fingerprint
    assert set(card["formats"]) == set(report["formats"]) == set(ALL)
    files = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert set(card["files"]) == files - {"model.json"}
    for name, entry in card["files"].items():
        content = (out / name).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["bytes"] == len(content)
    assert sorted(p.name for p in out.parent.iterdir()) == ["bundle"]


def file_of(name):
    return f"model_{name}{tflite.FORMATS[name].suffix}"


@every_format
def test_each_file_has_one_static_named_signature(made, name):
    file = models.load(made[0] / file_of(name))
    # Phones give colours; only a microcontroller's camera and ONNX keep a grey network's channel.
    channels = 1 if name in ("int8", "onnx") else 3
    assert file.signature() == {"serving_default": (["image"], ["probabilities"])}
    assert file.numbers()["input"]["shape"] == [1, 32, 32, channels]
    assert file.input_shape == (32, 32, channels)


@every_tflite
@pytest.mark.parametrize("reference_kernels", [False, True])
def test_each_file_answers_as_keras_does_on_both_kernel_sets(made, pixels, name, reference_kernels):
    keras_model = models.load(made[0] / "model.keras")
    file = models.load(made[0] / f"model_{name}.tflite", reference_kernels=reference_kernels)
    expected, answers = keras_model.predict(pixels[:60]), file.predict(pixels[:60])
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=0.03)
    tolerance = {"float32": 1e-4, "float16": 0.02, "wi4": 0.5}.get(name, 0.2)
    assert np.abs(answers - expected).max() < tolerance
    assert (answers.argmax(1) == expected.argmax(1)).mean() >= 0.95


def test_pixels_enter_the_integer_file_as_they_are(made):
    file = models.load(made[0] / "model_uint8.tflite")
    assert file.input["dtype"] == file.output["dtype"] == np.uint8
    assert file.input["quantization"] == (1.0, 0)
    assert file.output["quantization"] == (1 / 256, 0)
    entry = json.loads((made[0] / "model.json").read_text())["formats"]["uint8"]
    assert entry["input"] == {
        "dtype": "uint8", "shape": [1, 32, 32, 3], "scale": 1.0, "zero_point": 0
    }  # fmt: skip


def test_a_dim_calibration_set_does_not_shift_the_scale(trained, tmp_path):
    dim = np.full((4, 32, 32, 1), 60, np.uint8)
    content = converted(models.load_keras(trained / "model.keras"), "uint8", dim, tmp_path)
    assert models.TFLiteModel(content).input["quantization"] == (1.0, 0)
    assert dim.max() == 60  # the caller's images stay as they are


def test_the_integer_file_is_a_third_of_the_float_one_and_all_integer(made):
    sizes = {name: (made[0] / f"model_{name}.tflite").stat().st_size for name in LITE}
    assert sizes["uint8"] < sizes["float32"] / 3
    assert sizes["float16"] < sizes["float32"] / 1.8
    assert sizes["wi4"] < sizes["float32"] / 6
    for name in ("uint8", "int8"):
        assert not graph.read((made[0] / f"model_{name}.tflite").read_bytes()).in_float


@every_tflite
def test_no_operation_is_left_of_normalization_or_dynamic_shapes(made, name):
    ops = set(graph.read((made[0] / f"model_{name}.tflite").read_bytes()).ops)
    lenet = {"CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"}
    assert ops - {"QUANTIZE", "DEQUANTIZE"} <= lenet


def test_the_saved_model_takes_any_batch(made, pixels):
    served = tf.saved_model.load(made[0] / "saved_model").signatures["serving_default"]
    answers = served(image=tf.constant(pixels[:5], tf.float32))["probabilities"]
    expected = models.load(made[0] / "model.keras").predict(pixels[:5])
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def settle(model, images):
    """Give batch norm the statistics of training: XNNPACK refuses operations of extreme scale."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0
    model(images.astype(np.float32), training=True)


@pytest.mark.parametrize("network", smallest())
def test_every_family_becomes_all_integer(network, tmp_path):
    keras.utils.set_random_seed(0)
    narrow = [0.5] * VARIANTS[network].stages  # the same operations, converted in seconds
    model = registry.build_for_pixels(network, 3, widths=narrow)
    images = np.random.default_rng(0).integers(0, 256, (8, *model.input_shape[1:]), np.uint8)
    settle(model, images)
    content = converted(model, "uint8", images, tmp_path)
    parts = graph.read(content)
    assert parts.in_float == {}
    assert parts.foreign == ()
    assert parts.left_over() == []  # batch norm is folded wherever it follows a convolution
    assert np.isfinite(models.TFLiteModel(content).predict(images)).all()


def test_a_model_that_ends_in_softmax_gets_no_second_one(tmp_path):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, strides=4)(keras.layers.Rescaling(1 / 255)(image))
    x = keras.layers.Flatten()(x)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))
    model.save(tmp_path / "m.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    expected = model.predict(pixels, verbose=0)
    np.testing.assert_allclose(models.load(tmp_path / "m.keras").predict(pixels), expected)
    content = converted(model, "float32", pixels, tmp_path / "s")
    np.testing.assert_allclose(models.TFLiteModel(content).predict(pixels), expected, atol=1e-6)


@pytest.mark.parametrize("favourite, survives", [(0.0, False), (9.0, True)])
def test_reference_kernels_that_would_end_the_process_are_not_run(favourite, survives, tmp_path):
    """Their softmax aborts where more than 511 classes are about equally likely."""
    image = keras.Input((8, 8, 3))
    head = keras.layers.Dense(600, kernel_initializer=keras.initializers.RandomUniform(0, 1e-6))
    model = keras.Model(image, head(keras.layers.GlobalAveragePooling2D()(image)))
    head.bias.assign([favourite] + [0.0] * 599)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    content = converted(model, "uint8", images, tmp_path / "s")
    plain = models.TFLiteModel(content, reference_kernels=True)
    assert plain.survives(images).all() == plain.survives(images).any() == survives
    answers = models.TFLiteModel(content).predict(images)
    np.testing.assert_allclose(plain.predict(images), answers, atol=1 / 256)
    model.save(tmp_path / "m.keras")
    names = [str(i) for i in range(600)]
    keras_model = models.load(tmp_path / "m.keras")
    trial = verify.Trial(keras_model, images, np.zeros(4, int), names, Limits())
    told = trial.run("uint8", content)["failures"]
    assert any("about equally likely" in failure for failure in told) != survives


def test_a_float_operation_in_an_integer_file_fails_unless_allowed(tmp_path):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(image)
    x = keras.ops.square(x)  # TFLite has no integer kernel for it
    x = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    parts = graph.read(converted(keras.Model(image, x), "uint8", images, tmp_path))
    assert "SQUARE" in parts.in_float
    assert verify._float_islands(parts, frozenset(), "")
    assert not verify._float_islands(parts, frozenset(), "square")


def test_an_operation_of_tensorflow_alone_is_refused_by_the_converter(tmp_path):
    module = tf.Module()
    spec = tf.TensorSpec((1, 4, 4, 1), tf.float32, name="image")
    module.f = tf.function(
        lambda image: {"probabilities": tf.raw_ops.Betainc(a=image, b=image, x=image)},
        input_signature=[spec],
    )
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.f})
    with pytest.raises(Exception, match="Betainc"):
        tflite.convert(tflite.Conversion(tmp_path, np.zeros((1, 4, 4, 1), np.uint8)), "float32")


def test_what_verify_tells_adds_up(made):
    report = made[1]
    keras_accuracy = report["keras"]["accuracy"]
    for found in report["formats"].values():
        assert found["drop"] == pytest.approx(100 * (keras_accuracy - found["accuracy"]))
        low, high = found["agreement_95"]
        assert low - 1e-9 <= found["agreement"] <= high + 1e-9  # of a share of 1, high is 1
        losses = [c["keras"] - c["file"] for c in found["worst_classes"]]
        assert losses == sorted(losses, reverse=True) and len(losses) == 3
        assert sum(found["ops"].values()) > 5


@pytest.mark.parametrize("right, warned", [(0.9, False), (0.1, True)])
def test_a_faithful_file_of_a_model_that_learnt_nothing_is_told(made, capsys, right, warned):
    report = made[1]
    keras = report["keras"] | {"accuracy": right, "accuracy_95": [right - 0.02, right + 0.02]}
    verify.show(report | {"keras": keras})
    assert ("has learnt nothing" in capsys.readouterr().out) == warned


def test_other_labels_inside_a_file_are_told(made, digits):
    content = (made[0] / "model_float32.tflite").read_bytes()
    images = dataset.pixels(digits.splits["test"], (32, 32, 1))[:10]
    labels, limits = digits.splits["test"].labels[:10], Limits(reference_images=2)
    model = models.load(made[0] / "model.keras")
    trial = verify.Trial(model, images, labels, digits.classes, limits)
    assert trial.run("float32", content)["failures"] == []
    told = metadata.describe("x", Options(), (32, 32, 3), float_input=True)
    other = metadata.attach(content, told, ["a", "b"])
    assert trial.run("float32", other)["failures"] == [
        "holds 2 labels, which are not the bundle's 10"
    ]


def test_a_missed_limit_is_said_and_nothing_is_called_ready(made, trained, digits, tmp_path):
    out = tmp_path / "bundle"
    shutil.copytree(made[0], out)
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    impossible = Limits(min_agreement=1.1, images=20, reference_images=5)
    with pytest.raises(CheckFailed, match="not ready") as caught:
        bundle.bundle(trained / "model.keras", None, digits, out, ["dynamic_wi8"], impossible)
    assert caught.value.exit_code == 1
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir()} == before
    report = json.loads((tmp_path / "bundle.failed" / "verify.json").read_text())
    assert not report["passed"]
    assert "agreement" in report["formats"]["dynamic_wi8"]["failures"][0]


def test_a_file_of_the_user_in_a_bundle_is_not_lost(made, trained, digits, tmp_path):
    shutil.copytree(made[0], tmp_path / "b")
    (tmp_path / "b" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="notes.txt"):
        bundle.bundle(trained / "model.keras", None, digits, tmp_path / "b", ALL, Limits())
    assert (tmp_path / "b" / "notes.txt").read_text() == "mine"


def test_a_folder_of_the_user_that_is_called_failed_is_not_lost(trained, run, tmp_path):
    (tmp_path / "b.failed").mkdir()
    (tmp_path / "b.failed" / "notes.txt").write_text("mine")
    status, _, errors = run("export", "bundle", trained, "--out", tmp_path / "b")
    assert status == 2 and "b.failed holds other files (notes.txt)" in errors
    assert (tmp_path / "b.failed" / "notes.txt").read_text() == "mine"


def test_a_place_that_no_bundle_can_take_is_refused_in_one_sentence(trained, run, tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    for out in ("x" * 300, "x" * 250, tmp_path / "loop", tmp_path / "file" / "b", ".", "tests/.."):
        status, _, errors = run("export", "bundle", trained, "--out", out)
        assert (status, len(errors.splitlines())) == (2, 1), errors


def test_a_changed_file_is_refused_by_its_hash(made, digits, tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(made[0], copy)
    file = copy / "model_uint8.tflite"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedFile, match="sha256") as caught:
        bundle.check(copy, digits, Limits())
    assert caught.value.exit_code == 5
    with pytest.raises(DamagedFile, match="sha256"):  # evaluate, predict and bench find it so
        find(file)
    file.unlink()
    with pytest.raises(DamagedFile, match="missing"):
        bundle.check(copy, digits, Limits())


def test_a_file_that_no_runtime_takes_is_told_by_its_format(made, trained, digits, tmp_path):
    def bad(conversion):
        raise RuntimeError("the converter broke")

    def worse(conversion):
        return b"\x18\0\0\0TFL3" + bytes(40)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tflite.FORMATS, "bad", tflite.Format(bad))
        patch.setitem(tflite.FORMATS, "worse", tflite.Format(worse))
        limits = Limits(images=20, reference_images=5)
        arguments = (trained / "model.keras", None, digits, tmp_path / "b")
        with pytest.raises(CheckFailed, match="bad cannot be made: the converter broke"):
            bundle.bundle(*arguments, ["float32", "bad"], limits)
        assert not (tmp_path / "b").exists()
        report = bundle.bundle(*arguments, ["float32", "bad", "worse"], limits, prefer="size")
    assert list(report["formats"]) == ["float32"]
    assert set(report["unmade"]) == {"bad", "worse"}
    assert [p.name for p in (tmp_path / "b").glob("model_*")] == ["model_float32.tflite"]


def test_wrong_labels_are_refused(made, trained, digits, tmp_path):
    for labels, message in ((list("abcdefghij"), "was trained on a, b"), (None, None)):
        if message:
            with pytest.raises(UserError, match=message):
                bundle.bundle(
                    trained / "model.keras", labels, digits, tmp_path / "b", ALL, Limits()
                )
    registry.build_for_pixels("lenet", 4).save(tmp_path / "four.keras")
    with pytest.raises(UserError, match="4 outputs"):
        bundle.bundle(tmp_path / "four.keras", None, digits, tmp_path / "b", ALL, Limits())
    assert not (tmp_path / "b").exists()


def test_unknown_formats_are_answered_with_near_ones():
    assert bundle.formats(None) == ["float32", "float16", "dynamic_wi8", "uint8", "int8"]
    assert bundle.formats("all") == ALL
    assert bundle.formats("uint8, float32") == ["uint8", "float32"]
    with pytest.raises(UserError, match="did you mean uint8"):
        bundle.formats("uint")
    with pytest.raises(UserError, match="at least one"):
        bundle.formats(",")


def unsafe():
    image = keras.Input((8, 8, 1))
    x = keras.layers.Lambda(lambda t: t * 2)(image)
    return keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(x)))


def test_damaged_and_unsafe_models_are_refused_with_5(trained, tmp_path):
    unsafe().save(tmp_path / "lambda.keras")
    (tmp_path / "text.keras").write_text("hello")
    (tmp_path / "empty.keras").touch()
    content = (trained / "model.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(content[: len(content) // 2])
    (tmp_path / "cut.tflite").write_bytes(b"TFL3" + bytes(40))
    for file in sorted(tmp_path.iterdir()):
        with pytest.raises(DamagedFile) as caught:
            models.load(file)
        assert caught.value.exit_code == 5


def test_a_model_that_is_no_classifier_is_refused(tmp_path):
    image = keras.Input((8, 8, 3))
    keras.Model(image, keras.layers.Conv2D(2, 3)(image)).save(tmp_path / "map.keras")
    with pytest.raises(UserError, match="no image classifier"):
        models.load(tmp_path / "map.keras")


@pytest.mark.parametrize(
    "shape, answer, told",
    [
        ((1, 3, 8, 8), lambda x: tf.reduce_mean(x, (2, 3)), "(1, 3, 8, 8) to (1, 3)"),
        ((1, None, None, 3), lambda x: tf.reduce_mean(x, (1, 2)), "(1, any, any, 3) to (1, 3)"),
        ((4, 8, 8, 3), lambda x: tf.reduce_mean(x, (1, 2)), "(4, 8, 8, 3) to (4, 3)"),
        ((1, 8, 8, 3), lambda x: x * 2, "(1, 8, 8, 3) to (1, 8, 8, 3)"),
        ((1, 8, 8, 3), tf.reduce_mean, "(1, 8, 8, 3) to ()"),
        ((1, 8), lambda x: x * 2, "(1, 8) to (1, 8)"),
        ((None, 8, 8, 3), lambda x: tf.reduce_mean(x, (1, 2)), None),
    ],
)
def test_a_file_that_is_no_classifier_is_told_by_its_shapes(shape, answer, told, run, tmp_path):
    function = tf.function(answer, input_signature=[tf.TensorSpec(shape, tf.float32, name="x")])
    graph_of = [function.get_concrete_function()]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(graph_of)
    file, photo = tmp_path / "m.tflite", tmp_path / "p.png"
    file.write_bytes(converter.convert())
    tf.io.write_file(str(photo), tf.io.encode_png(np.zeros((9, 9, 3), np.uint8)))
    status, _, errors = run("keras_cnns", "predict", file, photo)
    assert status == (2 if told else 0)
    if told:
        assert f"m.tflite: no image classifier: it maps {told}, not" in errors
        assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    "inputs, outputs, told",
    [
        ([["batch", 3, 8, 8]], [["batch", 4]], r"\(any, 3, 8, 8\) to \(any, 4\)"),
        ([[1, "height", "width", 3]], [[1, 4]], r"\(1, any, any, 3\)"),
        ([[1, 8, 8, 3], [1, 2]], [[1, 4]], r"\(1, 8, 8, 3\), \(1, 2\) to"),
        ([[1, 8, 8, 3]], [[1, 2, 2, 4]], r"to \(1, 2, 2, 4\)"),
        ([[1, 8, 8, 3]], [[1, None]], r"to \(1, any\)"),
        ([["batch", 8, 8, 3]], [["batch", 4]], None),
    ],
)
def test_an_onnx_file_is_held_to_the_same_shapes(inputs, outputs, told, monkeypatch):
    def tensors(shapes, kind="tensor(float)"):
        return [types.SimpleNamespace(name="t", shape=shape, type=kind) for shape in shapes]

    def opened(kind):
        session = types.SimpleNamespace(
            get_inputs=lambda: tensors(inputs, kind), get_outputs=lambda: tensors(outputs)
        )
        fake = types.SimpleNamespace(
            SessionOptions=types.SimpleNamespace, InferenceSession=lambda *_: session
        )
        monkeypatch.setitem(sys.modules, "onnxruntime", fake)
        return to_onnx.OnnxModel(b"")

    if told:
        with pytest.raises(UserError, match=f"no image classifier: it maps .*{told}"):
            opened("tensor(float)")
    else:
        assert opened("tensor(float)").input_shape == (8, 8, 3)
        with pytest.raises(UserError, match=r"tensor\(uint8\), not tensor\(float\)"):
            opened("tensor(uint8)")


def test_keras_models_of_several_inputs_are_told_and_those_of_dicts_are_opened(tmp_path):
    image = keras.Input((8, 8, 3), name="image")
    scores = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(image))
    keras.Model([image, keras.Input((4,))], scores).save(tmp_path / "two.keras")
    with pytest.raises(UserError, match=r"it maps \(any, 8, 8, 3\), \(any, 4\) to \(any, 2\)"):
        models.load(tmp_path / "two.keras")
    keras.Model({"image": image}, {"scores": scores}).save(tmp_path / "dict.keras")
    assert models.load(tmp_path / "dict.keras").predict(np.zeros((3, 8, 8, 3))).shape == (3, 2)


@pytest.mark.parametrize("labels", [b"a\nb\n", b"\n" * 11, b"\xff\xfe"])
def test_labels_that_are_not_the_models_are_one_sentence(labels, trained, run, tmp_path):
    shutil.copy(trained / "model.keras", tmp_path)
    (tmp_path / "labels.txt").write_bytes(labels)
    tf.io.write_file(str(tmp_path / "p.png"), tf.io.encode_png(np.zeros((9, 9, 3), np.uint8)))
    for more in ([], ["--grad-cam", tmp_path / "maps"]):
        words = [tmp_path / "model.keras", tmp_path / "p.png", *more]
        status, _, errors = run("keras_cnns", "predict", *words)
        assert status in (2, 5) and "labels.txt" in errors
        assert len(errors.splitlines()) == 1


def test_a_bundle_is_verified_by_the_limits_that_it_was_made_with(trained, run, tmp_path):
    """And keeps what its report held, also where nothing can be written into it."""
    shutil.copytree(trained, tmp_path / "my run")
    out = tmp_path / "my bundle"
    words = "--formats float32,wi4 --auto --max-drop 100 --min-agreement 0.001 --images 30"
    status, output, errors = run(
        "export", "bundle", tmp_path / "my run", "--out", out, *words.split()
    )
    assert status == 0, errors
    next_command = output.split("next:\n")[1].splitlines()[0].strip()
    assert next_command == f"python -m export verify '{out}'"
    before = json.loads((out / "verify.json").read_text())
    assert before["limits"]["max_drop"] == 100
    status, output, _ = run("export", "verify", out, "--json")
    after = json.loads((out / "verify.json").read_text())
    assert status == 0 and json.loads(output.splitlines()[-1]) == after
    assert after["limits"] == before["limits"] and after["choice"] == before["choice"]
    assert {"left_out", "unmade"} <= after.keys()
    strict = "--min-agreement 1 --max-drop 0 --images 359"
    status, output, _ = run("export", "verify", out, *strict.split())
    assert status == 1 and "FAILED wi4" in output
    assert run("export", "verify", out)[0] == 0  # the stricter limits were those of one look
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "write_json", refused)
        status, output, errors = run("export", "verify", out)
    assert status == 0 and "30 held-out images" in output and "keeps its old report" in errors


def refused(*_):
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_kill_between_a_report_and_its_card_leaves_a_bundle(made, digits, tmp_path):
    shutil.copytree(made[0], tmp_path / "b")
    (tmp_path / "b" / "verify.json").write_text("{}")
    assert bundle.check(tmp_path / "b", digits, Limits(max_drop=100, images=20))["passed"]


def test_a_run_is_found_by_its_folder_and_near_names_are_told(trained, tmp_path):
    assert find(trained).path == trained / "model.keras"
    assert find(trained).labels == tuple("0123456789")
    with pytest.raises(UserError, match=f"did you mean {trained}"):
        find(f"{trained}t")
    with pytest.raises(UserError, match="is no run"):
        find(tmp_path)
    (tmp_path / "x.h5").touch()
    with pytest.raises(UserError, match="no run and no .keras"):
        find(tmp_path / "x.h5")
