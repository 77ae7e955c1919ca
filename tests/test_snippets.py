"""The Kotlin and Swift of a bundle: real code, which resizes as training's evaluation did."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from export import snippets

STUBS = Path(__file__).parent / "clients" / "android"
HOSTILE = ['a"b', "back\\slash", "$price ${x}", "naïve", "日本", "line\nbreak", "🐈", "\\(x)"]
CARD = {"name": "net\nwork", "labels": HOSTILE}


def entry(kind, channels):
    numbers = {"dtype": kind, "shape": [1, 24, 32, channels]}
    scale = {"scale": 0.00390625, "zero_point": 0} if kind == "uint8" else {}
    output = {"dtype": kind, "shape": [1, len(HOSTILE)]} | scale
    return {"file": "model_x.tflite", "sha256": "0" * 64, "input": numbers, "output": output}


every_kind = pytest.mark.parametrize("kind", ["uint8", "float32"])
every_depth = pytest.mark.parametrize("channels", [1, 3])


@every_kind
@every_depth
def test_brackets_close_and_no_blank_is_left(kind, channels):
    for path, text in snippets.sources(CARD, entry(kind, channels)).items():
        assert "@@" not in text and "None" not in text, path
        assert text.isascii(), path
        bare = re.sub(r'"(\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', "", text, flags=re.S)
        assert '"' not in bare, path
        closing, open_ones = {")": "(", "]": "[", "}": "{"}, []
        for c in bare:
            if c in "([{":
                open_ones.append(c)
            elif c in closing:
                assert open_ones.pop() == closing[c], path
        assert not open_ones, path
        assert not re.search(r"https?://|URLSession|HttpURL|Socket", text), path


@every_kind
@every_depth
def test_the_grammars_of_both_languages_take_them(kind, channels):
    tree_sitter = pytest.importorskip("tree_sitter")
    grammars = {
        ".kt": pytest.importorskip("tree_sitter_kotlin"),
        ".swift": pytest.importorskip("tree_sitter_swift"),
    }
    for path, text in snippets.sources(CARD, entry(kind, channels)).items():
        language = tree_sitter.Language(grammars[Path(path).suffix].language())
        tree = tree_sitter.Parser(language).parse(text.encode())
        assert not tree.root_node.has_error, path


def test_the_bundles_own_say_its_names_and_numbers(bundled):
    card = json.loads((bundled / "model.json").read_text())
    for path in ("android/Model.kt", "android/TaskClassifier.kt", "ios/Classifier.swift"):
        assert '"model_uint8.tflite"' in (bundled / path).read_text()
    model = (bundled / "android/Model.kt").read_text()
    _, height, width, channels = card["formats"]["uint8"]["input"]["shape"]
    assert f"HEIGHT = {height}\n" in model and f"WIDTH = {width}\n" in model
    assert f"CHANNELS = {channels} " in model
    assert card["formats"]["uint8"]["sha256"] in model
    assert [f'"{label}"' for label in card["labels"]] == re.findall(r'^ {8}(".*?"),?$', model, re.M)


MAIN = """package classifier
import java.io.File
import java.security.MessageDigest
import javax.imageio.ImageIO
fun main(args: Array<String>) {
    for (name in args) {
        val image = ImageIO.read(File(name))
        val (width, height) = Pair(image.width, image.height)
        val argb = image.getRGB(0, 0, width, height, null, 0, width)
        if (image.raster.numBands == 1) { // Java would bend grey levels by a gamma of its own
            val grey = image.raster.getSamples(0, 0, width, height, 0, null as IntArray?)
            for (i in argb.indices) argb[i] = (255 shl 24) or (grey[i] * 0x10101)
        }
        val bytes = pixels(argb, width, height)
        val digest = MessageDigest.getInstance("SHA-256").digest(bytes)
        println(digest.joinToString("") { String.format("%02x", it) })
    }
}
"""


def kotlinc(*words, cwd):
    if not shutil.which("kotlinc") or not shutil.which("java"):
        pytest.skip("kotlinc is not installed")
    done = subprocess.run(["kotlinc", *map(str, words)], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_kotlin_finds_the_golden_pixels(bundled, tmp_path):
    (tmp_path / "Main.kt").write_text(MAIN)
    files = [bundled / "android" / name for name in ("Model.kt", "Pixels.kt")]
    kotlinc("Main.kt", *files, "-include-runtime", "-d", "main.jar", cwd=tmp_path)
    card = json.loads((bundled / "model.json").read_text())
    images = [i for i in card["samples"]["images"] if i["file"].endswith(".png")]
    shape = "x".join(map(str, card["formats"]["uint8"]["input"]["shape"][1:]))
    command = ["java", "-cp", "main.jar", "classifier.MainKt"]
    command += [str(bundled / image["file"]) for image in images]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.split() == [image["pixels"][shape]["sha256"] for image in images]


@pytest.mark.slow
def test_the_kotlin_compiler_takes_the_classifiers(tmp_path):
    """Against declarations of Android's and the runtimes' classes: the real ones are in no package
    registry here.
    """
    for kind in ("uint8", "float32"):
        folder = tmp_path / kind
        folder.mkdir()
        files = []
        for path, text in snippets.sources(CARD, entry(kind, 3)).items():
            if path.endswith(".kt"):
                files.append(folder / Path(path).name)
                files[-1].write_text(text)
        kotlinc(STUBS, *files, "-d", "classes", cwd=folder)
