"""The command line as a person meets it: words, exit codes, nothing left behind."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import demo
from pipelines.sources import open_source
from tests.conftest import draw, store_tfds

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "words, message",
    [
        ("keras_cnns lsit", "did you mean list"),
        ("keras_cnns list xyzzy", "no network's name contains"),
        ("keras_cnns show lenett", "did you mean lenet"),
        ("keras_cnns train --model lenet --data digits --out OUT --epohcs 3", "--epochs"),
        ("keras_cnns train --model lenet --data digits --out OUT epoch=3", "did you mean epochs"),
        ("keras_cnns train --model lenet --data digits --out OUT epochs", "key=value"),
        ("keras_cnns train --model lenet --data digits --out OUT --epochs x", "whole number"),
        ("keras_cnns train --model lenet --data digits --out OUT --recipe digit", "digits"),
        ("keras_cnns train --model lenet --data digits --out OUT --augment digit", "digits"),
        ("keras_cnns train --model lent --data digits --out OUT", "did you mean lenet"),
        ("keras_cnns train --model lenet --data digit --out OUT", "did you mean digits"),
        ("keras_cnns train --model lenet --data folder:OUT-not-here --out OUT", "no folder"),
        ("keras_cnns evaluate OUT", "no run or model"),
        ("keras_cnns evaluate OUT --split tset", "no choice is named 'tset'; did you mean test?"),
        ("keras_cnns predict OUT x.jpg", "no run or model"),
        ("keras_cnns train --model lenet --data digits --out OUT --epoch 3", "mean --epochs"),
        ("keras_cnns evaluate OUT --plot x.jpg", "no run or model"),
        ("export bundle OUT --out OUT --data digits", "unknown flag --data"),
        ("export verify OUT --jsn --max-drp 1", "unknown flag --jsn; did you mean --json?"),
        ("export verify OUT --jsn --max-drp 1", "unknown flag --max-drp; did you mean --max-drop"),
        ("pipelines check digit", "did you mean digits"),
        ("pipelines preview digits --out OUT/x.png", "no folder"),
        ("pipelines preview digits --out x.jpg", ".png"),
        ("pipelines preview digits --out x.png --recipe dgits", "did you mean digits"),
        ("export bundle OUT --out OUT", "no run or model"),
        ("export verify OUT", "out is not there"),
        ("keras_cnns experiment --resume --out OUT", "out is not there"),
        ("export bundle OUT --out OUT --max-drop -1", "at least 0"),
    ],
)
def test_wrong_words_get_one_sentence_and_status_2(words, message, run, tmp_path):
    out = tmp_path / "out"
    status, output, errors = run(*words.replace("OUT", str(out)).split())
    assert status == 2
    assert message in errors
    assert "Traceback" not in errors
    assert not out.exists()


@pytest.mark.parametrize("kind", ["folder", "csv", "tfds"])
@pytest.mark.parametrize("command", ["check", "preview"])
def test_names_that_no_disk_takes_get_one_sentence(command, kind, run, tmp_path):
    words = ["--out", tmp_path / "x.png"] if command == "preview" else []
    where = ["--data-dir", tmp_path]
    status, _, errors = run("pipelines", command, f"{kind}:{'x' * 300}", *words, *where)
    assert status == 2
    assert "file name too long" in errors
    assert len(errors.splitlines()) == 1


def test_a_path_in_place_of_the_name_of_a_tfds_set_is_told_apart(run, tmp_path):
    sets = tmp_path / "my sets"
    store_tfds(
        sets,
        "tiny",
        {
            "train": np.zeros((30, 4, 4, 1), np.uint8)
            + np.arange(30, dtype=np.uint8).reshape(-1, 1, 1, 1)
        },
    )
    for path in ("tiny", "tiny/", "tiny/1.2.0"):
        status, _, errors = run("pipelines", "check", f"tfds:{sets}/{path}")
        assert status == 2
        better = "tfds:" + path.strip("/").replace("/", ":")
        assert f"write {better} --data-dir '{sets}'" in errors
        open_source(better, data_dir=sets)
    status, _, errors = run("pipelines", "check", "tfds:/nowhere/set", "--data-dir", sets)
    assert status == 2
    assert "'/nowhere/set' is no name of a TFDS set; write tfds:NAME" in errors


@pytest.mark.parametrize(
    "text, message",
    [
        ("epochs: 1\nepochs: 2\n", "line 2: epochs is given twice"),
        ("optimizer:\n  name: sgd\n  name: adam\n", "line 3: name is given twice"),
        ("epochs: 1\n\tdata: digits\n", "line 2: found character"),
        ("optimizer: &a\n  name: *a\n", "line 1: found unconstructable recursive node"),
        ("epochs: !!python/name:os.system\n", "line 1: could not determine a constructor"),
        ("seed: 2026-13-45\n", "is no YAML: month must be in 1..12"),
        ("[" * 5000, "is no YAML"),
        ("data: 5\n", "data is text, not 5"),
        ("data: digits\nrecipe: [a]\n", "recipe is text, not ['a']"),
        ("learning_rate: 1\noptimizer:\n  learning_rate: 2\n", "are the same setting"),
    ],
)
def test_what_is_wrong_with_a_file_of_settings_is_told(text, message, run, tmp_path):
    (tmp_path / "c.yaml").write_text(text)
    words = ["--config", tmp_path / "c.yaml", "--model", "lenet", "--out", tmp_path / "run"]
    status, _, errors = run("keras_cnns", "train", *words)
    assert (status, "Traceback" in errors) == (2, False), errors
    assert message in errors
    assert not (tmp_path / "run").exists()


def test_list_and_show_agree_with_the_registry(run):
    status, output, _ = run("keras_cnns", "list", "--json")
    facts = json.loads(output.splitlines()[-1])
    assert status == 0
    assert facts["lenet5"]["params"] == 60_000
    shown = [name for name in facts if name.startswith("lenet")]
    status, output, _ = run("keras_cnns", "show", *shown)
    assert status == 0
    for fact in (facts[name] for name in shown):
        assert f"{fact['params']:,}" in output
        assert f"{fact['macs']:,}" in output


def test_check_counts_and_names_what_it_left_out(run, photos):
    (photos / ".DS_Store").touch()
    status, output, _ = run("pipelines", "check", f"folder:{photos}")
    assert status == 0
    assert "20 colour images in 2 classes" in output
    assert "left out: 1 x dot-file" in output
    status, output, _ = run("pipelines", "check", f"folder:{photos}", "--json")
    found = json.loads(output.splitlines()[-1])
    assert found["counts"]["train"] == [7, 7]
    assert found["ignored"] == {"dot-file": 1}


def test_the_users_folder_is_never_written(run, photos, tmp_path):
    def state():
        return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in photos.rglob("*")}

    before = state()
    source = f"folder:{photos}"
    run("pipelines", "check", source)
    run("pipelines", "preview", source, "--out", tmp_path / "p.png", "--recipe", "photos")
    words = ["--model", "lenet", "--data", source, "--out", tmp_path / "r", "--epochs", 1]
    assert run("keras_cnns", "train", *words)[0] == 0
    assert state() == before


def test_the_whole_line_on_a_folder(run, photos, tmp_path):
    """Its name is no UTF-8, as an archive of another system leaves it."""
    photos = photos.rename(tmp_path / os.fsdecode(b"my ph\xf6tos"))
    source, out = f"folder:{photos}", tmp_path / "hot dog"
    status, output, errors = run("pipelines", "check", source)
    assert status == 0, errors
    assert f"folder:{tmp_path}/my ph\\xf6tos: 20 colour images" in output
    words = shlex.split(output.split("--data ")[1].splitlines()[0].replace("$'", "'"))
    assert words[0] == f"folder:{tmp_path}/my ph\\xf6tos"  # which $'...' makes bytes of
    status, output, errors = run("pipelines", "check", source, "--json")
    assert json.loads(output.splitlines()[-1])["source"] == source
    assert run("pipelines", "preview", source, "--out", tmp_path / "p.png")[0] == 0
    words = ["--model", "lenet", "--data", source, "--out", out, "--epochs", "1", "batch_size=4"]
    status, output, errors = run("keras_cnns", "train", *words, "--json")
    assert status == 0, errors
    assert json.loads(output.splitlines()[-1])["val_images"] == 2
    status, output, errors = run(
        "export", "bundle", out, "--out", out / "bundle", "--max-drop", "100", "--json"
    )
    assert status == 0, errors
    assert json.loads(output.splitlines()[-1])["passed"]
    status, output, errors = run("export", "verify", out / "bundle", "--max-drop", "100")
    assert status == 0, errors
    for model in (out, out / "model.keras", out / "bundle", out / "bundle" / "model_uint8.tflite"):
        status, output, errors = run("keras_cnns", "evaluate", model, "--data", source, "--json")
        assert status == 0, errors
        assert json.loads(output.splitlines()[-1])["images"] == 4
    phone = tmp_path / "phone sized.jpg"
    draw(phone, size=(4000, 3000))
    status, output, errors = run("keras_cnns", "predict", out, phone, "--json")
    answers = json.loads(output.splitlines()[-1])["images"][0]["answers"]
    assert {name for name, _ in answers} == {"cat", "dog"}
    assert sum(p for _, p in answers) == pytest.approx(1, abs=1e-5)


def test_a_picture_is_seen_the_same_alone_and_in_a_source(run, trained, digits, tmp_path):
    """What `predict` feeds the model is what evaluation does: one transform."""
    from export.trained import find
    from keras_cnns.evaluation.evaluate import predict
    from pipelines import dataset
    from pipelines.sources import open_source

    for c in "ab":
        for i in range(3):
            draw(tmp_path / "s" / c / f"{i}.jpg", size=(50, 30), seed=ord(c) * 10 + i)
    split = open_source(f"folder:{tmp_path / 's'}").splits["train"]
    from export import models

    expected = models.load(trained / "model.keras").predict(dataset.pixels(split, (32, 32, 1)))
    for name, row in zip(split.names, expected, strict=True):
        alone = dict(predict(find(trained), [name])[0]["answers"])
        assert [alone[label] for label in digits.classes] == pytest.approx(row.tolist(), abs=1e-5)


@pytest.mark.parametrize(
    "words, status, message",
    [
        (["pipelines", "check", "folder:~nobody-of-that-name/x"], 2, "no folder ~nobody-of-that"),
        (["pipelines", "check", "csv:~nobody-of-that-name/x.csv"], 2, "is not there"),
        (["pipelines", "check", "tfds:x", "--data-dir", "~nobody-of-that-name"], 2, "no folder"),
        (["pipelines", "preview", "digits", "--out", "/proc/x.png"], 4, "cannot be written"),
        (["pipelines", "pack", "digits", "--out", "/proc/x"], 4, "cannot be written"),
        (["pipelines", "preview", "digits", "--out", "x.png", "--seed", "-1"], 2, "--seed is at"),
        (["keras_cnns", "predict", "/dev/null", "x.png"], 2, "no run"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(words, status, message, run):
    found, output, errors = run(*words)
    assert (found, output) == (status, "")
    assert message in errors
    assert len(errors.splitlines()) == 1


def test_machines_read_of_every_failure(run, photos, trained):
    """Under --json the last line of the output is one JSON object, however a command ends."""
    (photos / "mouse").mkdir()
    for source, rule in ((f"folder:{photos}", "empty_class"), (f"folder:{photos}x", None)):
        status, output, errors = run("pipelines", "check", source, "--json")
        found = json.loads(output.splitlines()[-1])
        assert (status, found["passed"]) == (2, False)
        assert [fault["rule"] for fault in found["faults"]] == [rule]
        assert found["faults"][0]["text"] in errors
    (photos / "cat" / "x.jpg").touch()
    words = ["predict", trained, photos / "cat" / "x.jpg", "--json"]
    status, output, errors = run("keras_cnns", *words)
    found = json.loads(output)
    assert found["status"] == status == 2
    assert found["error"] in errors


def test_json_is_json_where_the_output_lacks_letters(photos):
    (photos / "cat").rename(photos / "chât 猫")
    command = [sys.executable, "-m", "pipelines", "check", f"folder:{photos}", "--json"]
    latin = os.environ | {"PYTHONIOENCODING": "latin-1"}
    output = subprocess.run(command, cwd=ROOT, env=latin, stdout=subprocess.PIPE, check=True).stdout
    assert json.loads(output.splitlines()[-1])["classes"] == ["chât 猫", "dog"]


@pytest.mark.parametrize("name", ["0.png", "1.gif"])
@pytest.mark.parametrize("how", ["removed", "cut"])
def test_images_that_go_while_they_are_used_are_named(name, how, run, photos, monkeypatch):
    """Whatever stumbles over them, and whether or not it says over which."""
    draw(photos / "cat" / "1.gif")
    (photos / "cat" / "1.png").unlink()
    from pipelines import dataset, preview

    def spoilt(source, *args, **options):
        file = photos / "cat" / name
        file.unlink() if how == "removed" else file.write_bytes(file.read_bytes()[:40])
        for split in source.splits.values():
            dataset.pixels(split, (8, 8, 3))

    monkeypatch.setattr(preview, "write", spoilt)
    words = ["preview", f"folder:{photos}", "--out", photos.parent / "x.png"]
    status, _, errors = run("pipelines", *words)
    assert status == 4
    assert errors.splitlines()[-1].split(": ", 1)[1].startswith(f"{photos}/cat/{name} ")


def test_outputs_go_nowhere_into_the_users_images(run, photos):
    source = f"folder:{photos}"
    inside = photos / "run"
    for words in (
        ["keras_cnns", "train", "--model", "lenet", "--data", source, "--out", inside],
        ["pipelines", "preview", source, "--out", photos / "p.png"],
    ):
        status, _, errors = run(*words)
        assert status == 2
        assert "lies in the folder of your images" in errors
    assert sorted(p.name for p in photos.iterdir()) == ["cat", "dog"]


def test_a_picture_that_cannot_be_written_is_refused_before_the_work(run, trained, tmp_path):
    for plot in (tmp_path / "nowhere" / "x.png", tmp_path, tmp_path / "x.txt"):
        status, output, errors = run("keras_cnns", "evaluate", trained, "--plot", plot)
        assert status == 2
        assert output == ""


def test_the_model_of_a_stopped_training_keeps_its_labels(run, trained, tmp_path):
    draw(tmp_path / "x.png")
    last = tmp_path / "run" / "checkpoints" / "last.keras"
    last.parent.mkdir(parents=True)
    shutil.copy(trained / "model.keras", last)
    shutil.copy(trained / "labels.txt", tmp_path / "run")
    status, output, _ = run("keras_cnns", "predict", last, tmp_path / "x.png", "--json")
    answers = json.loads(output.splitlines()[-1])["images"][0]["answers"]
    assert {name for name, _ in answers} == set("0123456789")


def test_a_missing_image_is_answered_with_a_near_one(run, trained, tmp_path):
    draw(tmp_path / "photo.jpg")
    status, _, errors = run("keras_cnns", "predict", trained, tmp_path / "foto.jpg")
    assert status == 2
    assert f"did you mean {tmp_path / 'photo.jpg'}" in errors


def test_predict_names_the_image_that_cannot_be_used(run, trained, tmp_path):
    (tmp_path / "x.jpg").write_text("<html>")
    status, _, errors = run("keras_cnns", "predict", trained, tmp_path / "x.jpg")
    assert status == 2
    assert "x.jpg is an HTML page" in errors


def test_classes_of_another_source_are_refused(run, trained, photos):
    status, _, errors = run("keras_cnns", "evaluate", trained, "--data", f"folder:{photos}")
    assert status == 2
    assert "was trained on 0, 1, 2, 3, 4, ... (10 classes)" in errors


def test_a_damaged_model_has_status_5(run, tmp_path):
    (tmp_path / "m.keras").write_text("no zip")
    status, _, errors = run("keras_cnns", "evaluate", tmp_path / "m.keras", "--data", "digits")
    assert status == 5
    assert "damaged" in errors


def test_preview_writes_a_picture_one_can_look_at(run, tmp_path):
    from PIL import Image

    status, *_ = run("pipelines", "preview", "digits", "--out", tmp_path / "p.png")
    assert status == 0
    image = Image.open(tmp_path / "p.png")
    image.load()
    assert image.width > 800
    assert len(image.getcolors(image.width * image.height)) > 50
    assert tf.io.decode_png((tmp_path / "p.png").read_bytes()).shape[-1] == 3


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_an_export_leaves_nothing_half_written(number, status, trained, tmp_path):
    command = [sys.executable, "-m", "export", "bundle", str(trained), "--out", tmp_path / "b"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.iterdir()):  # the folder that will become the bundle
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == status
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_demo_reaches_its_goals(run, tmp_path):
    status, output, errors = run("keras_cnns", "demo", "--out", tmp_path / "demo", "--seed", "1")
    assert status == 0, errors
    assert "ready in" in output
    assert (tmp_path / "demo" / "bundle" / "model_uint8.tflite").is_file()
    config = tmp_path / "demo" / "config.yaml"
    content = config.read_text()
    config.write_text(content.replace("epochs: ", "epochs: 1"))  # a training of the user's own
    status, _, errors = run("keras_cnns", "demo", "--out", tmp_path / "demo")
    assert status == 2 and "holds a run that is no demo" in errors
    assert (tmp_path / "demo" / "model.keras").is_file()
    config.write_text(content)
    demo.clear(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def piped(*words, errors_too=False):
    """A process that writes into a pipe."""
    errors = subprocess.STDOUT if errors_too else subprocess.PIPE
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors)


def test_a_listing_whose_reader_has_enough_ends_well():
    process = piped("keras_cnns", "list")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(300) == 0


def test_a_lost_reader_hides_no_failure(photos):
    (photos / "cat" / "x.jpg").touch()
    process = piped("pipelines", "check", f"folder:{photos}", "--json", errors_too=True)
    process.stdout.close()
    assert process.wait(300) == 2


def test_a_training_outlives_its_reader(tmp_path):
    """`train 2>&1 | tee log` whose tee is killed: the run is whole, and the status its own."""
    out = tmp_path / "run"
    words = ["--model", "lenet", "--data", "digits", "--out", out, "--epochs", 2]
    process = piped("keras_cnns", "train", *words, errors_too=True)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(300) == 0
    assert json.loads((out / "metrics.json").read_text())["epochs"] == 2
    assert (out / "model.keras").is_file()


def test_a_broken_pipe_of_another_kind_is_no_success(monkeypatch, run):
    from pipelines.commands import check

    def broken(_):
        raise BrokenPipeError

    monkeypatch.setattr(check, "run", broken)
    with pytest.raises(BrokenPipeError):
        run("pipelines", "check", "digits")
