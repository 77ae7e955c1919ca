"""Real clients run the bundle: what phones', microcontrollers' and NPUs' own software answers.

Each is skipped where its package is missing; `make clients` installs them all. Other bundles than
the small one of these tests: KERAS_CNNS_BUNDLES=FOLDER:FOLDER make clients
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export import models
from pipelines import decode
from pipelines.check import image as check

OTHERS = [Path(p).resolve() for p in os.environ.get("KERAS_CNNS_BUNDLES", "").split(":") if p]


@pytest.fixture(scope="module", params=["ours", *OTHERS], ids=lambda p: getattr(p, "name", p))
def bundle(request):
    """A bundle's folder."""
    return request.getfixturevalue("bundled") if request.param == "ours" else request.param


@pytest.fixture(scope="module")
def card(bundle):
    return json.loads((bundle / "model.json").read_text())


def sample_pixels(bundle, card, shape):
    """Every sample as the model takes it, uint8 (n, height, width, channels)."""
    files = [bundle / image["file"] for image in card["samples"]["images"]]
    return np.stack([decode.load(file, check.inspect(file), shape) for file in files])


def test_mediapipe_names_the_right_label(bundle, card):
    mediapipe = pytest.importorskip("mediapipe")
    vision = pytest.importorskip("mediapipe.tasks.python.vision")
    base = pytest.importorskip("mediapipe.tasks.python.core.base_options")
    ran = []
    for name, entry in card["formats"].items():
        kinds = {entry["input"]["dtype"], entry["output"]["dtype"]}
        if not entry["file"].endswith(".tflite") or not kinds <= {"uint8", "float32"}:
            continue  # it takes no other numbers
        options = vision.ImageClassifierOptions(
            base_options=base.BaseOptions(model_asset_path=str(bundle / entry["file"]))
        )
        pixels = sample_pixels(bundle, card, entry["input"]["shape"][1:])
        with vision.ImageClassifier.create_from_options(options) as classifier:
            for sample, image in zip(card["samples"]["images"], pixels, strict=True):
                image = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(image))
                best = classifier.classify(image).classifications[0].categories[0]
                expected = sample["scores"][name]
                step = card["samples"]["within"][name]
                assert best.category_name in card["labels"]
                # Of classes that share the best score any may be named.
                assert expected[best.category_name] >= max(expected.values()) - step, name
                assert best.score == pytest.approx(expected[best.category_name], abs=1.01 * step)
        ran.append(name)
    assert "uint8" in ran
    print(f"\n{bundle.name}: MediaPipe {mediapipe.__version__}: {len(pixels)} samples, {ran}")


def test_mediapipe_takes_photos_as_they_are(bundle, card):
    mediapipe = pytest.importorskip("mediapipe")
    vision = pytest.importorskip("mediapipe.tasks.python.vision")
    base = pytest.importorskip("mediapipe.tasks.python.core.base_options")
    file = str(bundle / card["formats"]["uint8"]["file"])
    options = vision.ImageClassifierOptions(base_options=base.BaseOptions(model_asset_path=file))
    names, right = [], 0
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for sample in card["samples"]["images"][:-2]:
            picture = np.asarray(Image.open(bundle / sample["file"]).convert("RGB"))
            image = mediapipe.Image(mediapipe.ImageFormat.SRGB, picture)
            names.append(classifier.classify(image).classifications[0].categories[0].category_name)
            right += names[-1] == max(sample["scores"]["uint8"], key=sample["scores"]["uint8"].get)
    assert set(names) <= set(card["labels"])
    # It resizes in its own way, so a close call may go the other way; of a network that is sure of
    # itself most do not.
    report = json.loads((bundle / "verify.json").read_text())
    assert right >= 0.7 * len(names) or report["keras"]["accuracy"] < 0.8, names
    print(f"\n{bundle.name}: of {len(names)} pictures {right} named as by us")


def test_the_microcontrollers_interpreter_equals_the_reference_kernels_bit_for_bit(bundle, card):
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    content = (bundle / card["formats"]["int8"]["file"]).read_bytes()
    reference = models.TFLiteModel(content, reference_kernels=True)
    micro = runtime.Interpreter.from_bytes(content)
    noise = np.random.default_rng(0).integers(0, 256, (10, *reference.input_shape), np.uint8)
    pixels = np.concatenate([sample_pixels(bundle, card, reference.input_shape), noise])
    for stored in reference.quantized(pixels):
        micro.set_input(stored[None], 0)
        micro.invoke()
        reference.interpreter.set_tensor(reference.input["index"], stored[None])
        reference.interpreter.invoke()
        expected = reference.interpreter.get_tensor(reference.output["index"])
        np.testing.assert_array_equal(micro.get_output(0), expected)
    print(f"\n{bundle.name}: tflite-micro equals the reference kernels on {len(pixels)} images")


def test_the_arena_in_the_header_is_enough(bundle, card):
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    content = (bundle / card["formats"]["int8"]["file"]).read_bytes()
    size = int(re.search(r"ARENA_BYTES (\d+)", (bundle / "model_int8.h").read_text())[1])
    runtime.Interpreter.from_bytes(content, arena_size=size)
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(content, arena_size=size * 2 // 3)
    print(f"\n{bundle.name}: arena {size:,} bytes ({card['c']['arena']['how']})")


def test_vela_leaves_nothing_to_the_cpu(bundle, card, tmp_path):
    pytest.importorskip("ethosu.vela")
    vela = Path(sysconfig.get_path("scripts")) / "vela"
    file = bundle / card["formats"]["int8"]["file"]
    command = [str(vela)] if vela.exists() else [sys.executable, "-m", "ethosu.vela"]
    command += [str(file), "--output-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    found = dict(re.findall(r"(CPU|NPU) operators = (\d+)", done.stdout))
    assert int(found["CPU"]) == 0, done.stdout
    assert int(found["NPU"]) > 0
    lines = re.findall(r"^(?:Total SRAM used|Batch Inference time).*$", done.stdout, re.M)
    print(f"\n{bundle.name}: vela: {found['NPU']} operators on the NPU; {'; '.join(lines)}")
