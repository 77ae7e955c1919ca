"""A run and a bundle know their data again; what changed is told, and can be accepted."""

import importlib
import json
import os
import shlex
import shutil

import pytest

from pipelines.arguments import Parser
from pipelines.errors import UserError
from pipelines.sources import base, open_source
from pipelines.sources.recorded import is_same, record, reopen
from tests.conftest import draw


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda p: (p / "cat").rename(p / "cow"), "its classes changed"),
        (lambda p: shutil.copytree(p / "cat", p / "cow"), r"its classes changed \(2 then, 3 today"),
        (lambda p: draw(p / "cat" / "new.png", seed=999), "20 images then, 21 now"),
        (lambda p: (p / "cat" / "0.png").rename(p / "dog" / "x.png"), "20 images still"),
        (lambda p: draw(p / "cat" / "0.png", seed=999), "its images changed"),
    ],
)
def test_what_changed_is_told_and_can_be_accepted(change, words, photos):
    before = record(open_source(f"folder:{photos}"))
    assert reopen(before).fingerprint == before["fingerprint"]
    change(photos)
    with pytest.raises(UserError, match=words.replace("3 today", "3 now")):
        reopen(before)
    assert reopen(before, changed_data=True).fingerprint != before["fingerprint"]


def test_other_rules_are_told_and_nothing_is_where_nothing_was_recorded(digits):
    now = digits.fingerprint
    then = now.rpartition("-r")[0] + "-r1"
    assert (
        base.change(then, now)
        == f"the rules by which images are read changed, from r1 to r{base.VERSION}"
    )
    assert base.change("0123abcd", now) == "its fingerprint is of another kind"
    assert base.change(now, now) is None
    assert reopen({"data": "digits"}).fingerprint == now


def test_a_source_is_opened_again_as_it_was(photos):
    (photos / "cat" / "x.jpg").write_bytes(b"")
    source = open_source(f"folder:{photos}", bad_images="skip", max_megapixels=2)
    again = reopen(json.loads(json.dumps(record(source))))
    assert again.fingerprint == source.fingerprint
    assert again.checks == source.checks


def test_the_same_source_is_known_by_any_of_its_names(photos, monkeypatch):
    known = record(open_source(f"folder:{photos}"))
    monkeypatch.chdir(photos.parent)
    assert is_same(known, "folder:photos", None)
    assert is_same(known, "folder:./photos/", None)
    assert not is_same(known, "folder:photos/cat", None)


def test_a_changed_source_is_refused_by_evaluate_and_export(run, photos, tmp_path):
    (photos / "cat" / "bad.jpg").write_bytes(b"<html>")
    out, spec = tmp_path / "run", f"folder:{photos}"
    words = ["--model", "lenet", "--data", spec, "--out", out, "--epochs", 1, "batch_size=4"]
    status, _, errors = run("keras_cnns", "train", *words)
    assert status == 2
    assert "bad.jpg is an HTML page" in errors
    assert not out.exists()
    status, _, errors = run("keras_cnns", "train", *words, "--bad-images", "skip")
    assert status == 0, errors
    assert "bad.jpg is an HTML page" in (out / "skipped.txt").read_text()
    assert run("keras_cnns", "evaluate", out)[0] == 0
    draw(photos / "dog" / "new.png", seed=999)
    same = os.path.relpath(photos)
    for words in (
        ["keras_cnns", "evaluate", out],
        ["keras_cnns", "evaluate", out, "--data", f"folder:{same}"],
        ["export", "bundle", out, "--out", tmp_path / "bundle"],
    ):
        status, _, errors = run(*words)
        assert status == 2
        assert "20 images then, 21 now" in errors
        assert "--changed-data" in errors
    assert run("keras_cnns", "evaluate", out, "--changed-data")[0] == 0
    other = tmp_path / "other"
    shutil.copytree(photos, other)
    (other / "cat" / "bad.jpg").unlink()
    assert run("keras_cnns", "evaluate", out, "--data", f"folder:{other}")[0] == 0


def test_the_advice_on_a_bad_image_can_be_followed(run, photos, tmp_path):
    """Where it came after the training: by each command that opens the recorded source again."""
    out, spec = tmp_path / "run", f"folder:{photos}"
    words = ["--model", "lenet", "--data", spec, "--out", out, "--epochs", 1, "batch_size=4"]
    status, _, errors = run("keras_cnns", "train", *words)
    assert status == 0, errors
    (photos / "cat" / "0.png").write_bytes(b"")
    last = out / "metrics.json"
    (out / "metrics.json").rename(tmp_path / "metrics.json")
    status, _, errors = run("keras_cnns", "train", "--resume", "--out", out)
    assert status == 2
    assert "0.png is empty" in errors
    assert "put them back, or start anew with another --out" in errors
    assert "--bad-images" not in errors  # a resumed training keeps its settings
    (tmp_path / "metrics.json").rename(last)
    for words in (
        ["keras_cnns", "evaluate", out],
        ["keras_cnns", "compare", out, "--out", tmp_path / "compared"],
        ["export", "choose", out],
    ):
        status, _, errors = run(*words)
        assert status == 2
        assert "leave it out with --bad-images skip" in errors
        status, _, errors = run(*words, "--bad-images", "skip")
        assert status == 2
        assert "20 images then, 19 now" in errors
        assert "--changed-data" in errors
    words = ["evaluate", out, "--bad-images", "skip", "--changed-data"]
    assert run("keras_cnns", *words)[0] == 0


@pytest.mark.parametrize("package", ["pipelines", "keras_cnns", "export"])
def test_whatever_takes_a_source_takes_the_flags_of_its_check(package):
    from pipelines.check import Checks
    from pipelines.settings import knobs

    wanted = {f"--{name.replace('_', '-')}" for name in knobs(Checks)} | {"--data-dir"}
    for command in importlib.import_module(f"{package}.__main__").COMMANDS.values():
        parser = Parser("x")
        importlib.import_module(command.module).flags(parser)
        if any(action.metavar == "SOURCE" for action in parser._actions):
            assert wanted <= set(parser._option_string_actions), command.module


def test_what_is_suggested_can_be_pasted(run, photos, tmp_path, monkeypatch):
    """With the flags that were given, and whatever stands in the names."""
    photos = photos.rename(tmp_path / "my cat's photos; $HOME")
    (photos / "cat" / "x.jpg").write_bytes(b"")
    flags = ["--bad-images", "skip", "--max-megapixels", "2"]
    status, output, errors = run("pipelines", "check", f"folder:{photos}", *flags)
    assert status == 0, errors
    monkeypatch.chdir(tmp_path)
    preview, train = (shlex.split(line)[2:] for line in output.splitlines() if "python -m" in line)
    assert preview[1:3] == ["preview", f"folder:{photos}"]
    assert run(*preview)[0] == 0
    assert train[train.index("--data") + 1] == f"folder:{photos}"
    assert {*flags[:3], "2.0"} <= {*train}
    assert run(*train, "--dry-run")[0] == 0


def test_check_says_everything_to_machines(run, photos):
    (photos / "cat" / "x.jpg").write_bytes(b"")
    draw(photos / "stray.png")
    status, output, errors = run("pipelines", "check", f"folder:{photos}", "--json")
    found = json.loads(output.splitlines()[-1])
    assert status == 2
    assert not found["passed"]
    assert [f["rule"] for f in found["faults"]] == ["empty"]
    assert [f["rule"] for f in found["warnings"]] == ["stray"]
    assert "x.jpg is empty; mend or remove what is bad" in errors
    status, output, _ = run(
        "pipelines", "check", f"folder:{photos}", "--json", "--bad-images", "skip"
    )
    found = json.loads(output.splitlines()[-1])
    assert status == 0
    assert found["passed"]
    assert found["class_weights"] == [1, 1]
    assert [f["rule"] for f in found["skipped"]] == ["empty"]
    assert "warning: 1 bad image left out" in output
