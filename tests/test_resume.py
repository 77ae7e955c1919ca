"""A training can be killed at any moment and ends as if nothing had happened."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks import kills
from keras_cnns.training import train as training
from keras_cnns.training.checkpoint import Checkpoints, locked
from keras_cnns.training.recipes import (
    Checkpoint,
    Ema,
    Finetune,
    Mix,
    Optimizer,
    Schedule,
    Training,
)
from keras_cnns.training.stops import Stopped
from pipelines.errors import DamagedFile, EnvironmentFault, UserError
from pipelines.sources import recorded

ROOT = Path(__file__).parent.parent
EVERY = Checkpoint(every_steps=7)
KINDS = {
    "mixed, averaged, in two phases": Training(
        epochs=3,
        augment="digits",
        mix=Mix(0.2, 1.0),
        ema=Ema(0.9),
        finetune=Finetune(head_epochs=1),
        checkpoint=EVERY,
    ),
    "plateau": Training(
        epochs=3,
        augment="digits",
        optimizer=Optimizer("sgd", 0.01, weight_decay=1e-4, decoupled=False),
        schedule=Schedule("plateau", patience=1),
        checkpoint=EVERY,
    ),
}
PLAIN = Training(epochs=3, augment="digits", checkpoint=EVERY)


class Kill(BaseException):
    """What no handler of ours may see: the process ends here."""


@contextlib.contextmanager
def killed_at(step, monkeypatch):
    """Let the training die after a step, nothing of it being saved any more."""
    from keras_cnns.training.loop import Loop

    whole = Loop._take_steps

    def take(self, batches):
        whole(self, batches)
        if self.progress.step >= step:
            raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_take_steps", take)
        with pytest.raises(Kill):
            yield


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_training_ends_bit_equal(kind, digits, tmp_path, monkeypatch):
    settings = KINDS[kind]
    training.train("lenet", digits, settings, tmp_path / "whole")
    with killed_at(12, monkeypatch):
        training.train("lenet", digits, settings, tmp_path / "killed")
    with killed_at(39, monkeypatch):
        training.resume(tmp_path / "killed")
    training.resume(tmp_path / "killed")
    assert kills.outcome(tmp_path / "killed") == kills.outcome(tmp_path / "whole")
    names = [{p.name for p in (tmp_path / n).iterdir()} for n in ("killed", "whole")]
    assert names[0] == names[1]


@pytest.mark.slow
def test_sigkill_at_many_moments():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kills", "--kills", "6", "--seed", "7"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bit-equal 6 of 6 tried, checkpoints destroyed 0" in done.stdout


@pytest.fixture(scope="module")
def begun(digits, tmp_path_factory):
    """A run that was killed in its second epoch of three, with two checkpoints."""
    out = tmp_path_factory.mktemp("begun") / "run"
    with pytest.MonkeyPatch.context() as patch, killed_at(26, patch):
        training.train("lenet", digits, PLAIN, out)
    return out


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    """What the training of `begun` comes to when it is left alone."""
    out = tmp_path_factory.mktemp("whole") / "run"
    training.train("lenet", digits, PLAIN, out)
    return kills.outcome(out)


@pytest.fixture
def stopped(begun, tmp_path):
    return shutil.copytree(begun, tmp_path / "run")


@pytest.mark.parametrize("name", ["state.npz", "facts.json", "SHA256SUMS"])
@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(name, how, tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(step, {"state/0": np.full(1000, step)}, {"step": step})
    file = tmp_path / "step-00000002" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content[:-10] if how == "cut" else content)
    if how == "gone":
        file.unlink()
    arrays, facts = checkpoints.load()
    assert (facts, arrays["state/0"][0]) == ({"step": 1}, 1)
    assert checkpoints.damaged == [tmp_path / "step-00000002"]
    checkpoints.save(2, arrays, facts)
    assert checkpoints.load() is not None
    assert not checkpoints.damaged


def test_the_older_checkpoint_leads_to_the_same_end(stopped, whole, capsys):
    newest = sorted((stopped / "checkpoints").glob("step-*"))[-1]
    os.truncate(newest / "state.npz", 1000)
    training.resume(stopped)
    errors = capsys.readouterr().err
    assert f"{newest} is damaged; the one before it is taken" in errors
    assert "resumed at step 14" in errors
    assert kills.outcome(stopped) == whole


def test_only_damaged_checkpoints_end_with_5(stopped, run):
    for folder in (stopped / "checkpoints").glob("step-*"):
        os.truncate(folder / "state.npz", 100)
    status, _, errors = run("keras_cnns", "train", "--resume", "--out", stopped)
    assert status == 5
    assert "every checkpoint is damaged (step-" in errors


@pytest.mark.parametrize(
    "words, message",
    [
        (["--epochs", "9"], "begun with epochs=3, not 9"),
        (["learning_rate=0.5"], "begun with optimizer.learning_rate=0.001, not 0.5"),
        (["--model", "lenet5"], "begun with model=lenet, not lenet5"),
        (["--data", "folder:x"], "begun with data=digits"),
        (["epoch=9"], "did you mean epochs"),
    ],
)
def test_a_changed_setting_is_refused(words, message, stopped, run):
    status, _, errors = run("keras_cnns", "train", "--resume", "--out", stopped, *words)
    assert status == 2
    assert message in errors


def test_the_same_words_take_a_training_up(stopped, monkeypatch, tmp_path):
    """Paths that were relative then are so now; the run has them in full."""
    monkeypatch.chdir(tmp_path)
    config = yaml.safe_load((stopped / "config.yaml").read_text())
    places = {"data": f"folder:{tmp_path}/x", "data_dir": f"{tmp_path}/sets"}
    config |= places | {"weights": f"{tmp_path}/w.npz"}
    (stopped / "config.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setattr(training, "take_up", lambda config, out: None)
    named = {"data": "folder:x", "data_dir": "sets"}
    assert training.begun(stopped, changes={"weights": "w.npz"}, named=named)[0] == "lenet"
    with pytest.raises(UserError, match="begun with data_dir=.*/sets, not .*/others"):
        training.begun(stopped, named=named | {"data_dir": "others"})
    with pytest.raises(UserError, match="begun with weights=.*/w.npz, not .*/v.npz"):
        training.begun(stopped, changes={"weights": "v.npz"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"image_size": None}, None),  # by default the network's own, which the run has
        ({"epochs": 9}, "begun with epochs=3, not 9"),
        ({"model": "lenet5"}, "begun with model=lenet, not lenet5"),
        ({"optimizer": {"momentum": 0.5}}, "begun with optimizer.momentum=0.9, not 0.5"),
        ({"epocs": 3}, "no setting of a training is named 'epocs'; did you mean epochs"),
    ],
)
def test_a_resumed_training_is_held_to_the_file_of_config(change, message, stopped, run, tmp_path):
    config = yaml.safe_load((stopped / "config.yaml").read_text()) | change
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    words = ["--config", tmp_path / "c.yaml", "--resume", "--dry-run", "--out", stopped]
    status, _, errors = run("keras_cnns", "train", *words)
    assert status == (2 if message else 0), errors
    assert (message or "") in errors


def test_a_dry_run_of_a_run_that_is_there_estimates_it_and_changes_nothing(stopped, run):
    before = {path: path.stat().st_mtime_ns for path in stopped.rglob("*")}
    words = ["train", "--resume", "--dry-run", "--json", "--out", stopped]
    status, output, errors = run("keras_cnns", *words)
    assert status == 0, errors
    report = json.loads(output.splitlines()[-1])
    assert (report["model"], report["params"], report["steps"]) == ("lenet", 81_194, 3 * 19)
    assert {path: path.stat().st_mtime_ns for path in stopped.rglob("*")} == before
    status, _, errors = run("keras_cnns", *words, "--epochs", "9")
    assert status == 2 and "begun with epochs=3, not 9" in errors
    status, _, errors = run("keras_cnns", *words[:-1], stopped / "no")
    assert status == 2 and "holds no run" in errors


def test_a_complete_training_is_held_to_its_settings_too(trained, run):
    words = ["keras_cnns", "train", "--resume", "--out", trained]
    status, _, errors = run(*words)
    assert status == 0 and "nothing is left to train" in errors
    for change in (["--epochs", "999"], ["--model", "lenet5"]):
        status, _, errors = run(*words, *change)
        assert status == 2 and f"not {change[1]}" in errors


def test_an_edited_config_is_refused(stopped, run):
    config = stopped / "config.yaml"
    config.write_text(config.read_text().replace("batch_size: 64", "batch_size: 32"))
    status, _, errors = run("keras_cnns", "train", "--resume", "--out", stopped)
    assert status == 2
    assert "was changed after the training began (batch_size)" in errors


def test_what_a_kill_kept_from_being_written_at_the_start_is_written_later(stopped, run):
    for name in ("labels.txt", "env.json"):
        (stopped / name).unlink()
    assert run("keras_cnns", "train", "--resume", "--out", stopped)[0] == 0
    assert (stopped / "labels.txt").read_text().split() == list("0123456789")
    assert "keras" in json.loads((stopped / "env.json").read_text())


def test_other_images_are_refused(stopped, monkeypatch, digits, run):
    import dataclasses

    other = dataclasses.replace(digits, fingerprint="other")
    monkeypatch.setattr(recorded, "reopen", lambda config, **_: other)
    status, _, errors = run("keras_cnns", "train", "--resume", "--out", stopped)
    assert status == 2
    assert "not those that" in errors


def test_resume_of_a_misspelt_run_names_the_one_beside_it(run, tmp_path):
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flowers" / "config.yaml").write_text("model: lenet\n")
    status, _, errors = run("keras_cnns", "train", "--resume", "--out", tmp_path / "flower")
    assert status == 2 and f"did you mean {tmp_path / 'flowers'}?" in errors


def test_resume_of_what_is_no_run_or_complete(run, trained, tmp_path):
    status, _, errors = run("keras_cnns", "train", "--resume", "--out", tmp_path / "x")
    assert status == 2
    assert "no run" in errors
    before = (trained / "model.keras").stat().st_mtime_ns
    status, output, errors = run("keras_cnns", "train", "--resume", "--out", trained, "--json")
    assert status == 0
    assert "is complete" in errors
    assert json.loads(output)["best_epoch"] >= 1
    assert (trained / "model.keras").stat().st_mtime_ns == before


@pytest.mark.parametrize("words", [["--resume"], ["--model", "lenet", "--data", "digits"]])
def test_a_second_process_on_a_run_is_refused(words, stopped, run):
    before = {p: p.read_bytes() for p in stopped.rglob("*") if p.is_file()}
    with locked(stopped):
        status, _, errors = run("keras_cnns", "train", "--out", stopped, *words)
    assert status == 4
    assert "another process trains into it" in errors
    assert before == {p: p.read_bytes() for p in stopped.rglob("*") if p.is_file()}


@pytest.mark.parametrize("left", [{"explore": "hypernetwork"}, {"model": "lenet", "widths": [1]}])
def test_what_another_command_left_is_not_trained_in(left, run, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.yaml").write_text(yaml.safe_dump(left | {"data": "digits"}))
    status, _, errors = run("keras_cnns", "train", "--resume", "--out", out)
    assert status == 2 and "another command than train left it" in errors
    words = ["train", "--model", "lenet", "--data", "digits", "--out", out]
    status, _, errors = run("keras_cnns", *words)
    assert status == 2 and "what another command left" in errors and "--resume" not in errors
    assert [path.name for path in out.iterdir()] == ["config.yaml"]


def test_a_lock_dies_with_its_process(tmp_path):
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        with locked(tmp_path):
            os.write(tell, b"1")
            signal.pause()
    os.read(ready, 1)
    with pytest.raises(EnvironmentFault), locked(tmp_path):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with locked(tmp_path):
        pass


def test_what_a_kill_left_half_written_is_swept_away(stopped):
    for folder in (stopped, stopped / "checkpoints"):
        half = folder / ".keras-cnns-123-k3x9aabc"
        half.mkdir()
        (half / "history.csv").write_text("half")
    (stopped / "checkpoints" / ".step-00000099").mkdir()
    training.resume(stopped)
    assert not list(stopped.rglob(".*"))


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here: it takes root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_ends_with_4_and_the_older_checkpoint_is_whole(small_disk, tmp_path):
    checkpoints = Checkpoints(small_disk / "checkpoints")
    arrays = {"state/0": np.ones(300_000, np.float32)}
    checkpoints.save(1, arrays, {"step": 1})
    checkpoints.save(2, arrays, {"step": 2})
    (small_disk / "other").write_bytes(bytes(1_500_000))
    with pytest.raises(EnvironmentFault, match="No space left.*step-00000002 is intact"):
        checkpoints.save(3, arrays, {"step": 3})
    assert [p.name for p in sorted(checkpoints.folder.iterdir())] == [
        "step-00000001",
        "step-00000002",
    ]
    loaded, facts = checkpoints.load()
    assert facts == {"step": 2}
    np.testing.assert_array_equal(loaded["state/0"], arrays["state/0"])


def test_a_full_disk_is_not_taken_for_short_memory(small_disk):
    import tensorflow as tf

    from keras_cnns.training.board import restart
    from pipelines.errors import of_disk, of_memory

    with contextlib.suppress(OSError), open(small_disk / "other", "wb") as file:
        file.write(bytes(5_000_000))
    with pytest.raises(tf.errors.ResourceExhaustedError) as caught:
        restart(small_disk / "tensorboard", 0)
    assert str(of_disk(caught.value)).endswith("No space left on device")
    short = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    assert of_disk(short) is None and "OOM when allocating tensor" in str(of_memory(short))


def test_a_training_on_a_disk_that_fills_up_can_be_taken_up(
    small_disk, run, whole, tmp_path, monkeypatch
):
    save = Checkpoints.save

    def fill_and_save(self, step, *rest):
        if step == 28:
            with contextlib.suppress(OSError), open(small_disk / "other", "wb") as file:
                file.write(bytes(4 * 2**20))
        save(self, step, *rest)

    words = "train --model lenet --data digits --augment digits --epochs 3 checkpoint.every_steps=7"
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", fill_and_save)
        status, _, errors = run("keras_cnns", *words.split(), "--out", small_disk / "run")
    assert status == 4
    assert "No space left" in errors
    assert "step-00000021 is intact" in errors
    assert "--resume" in errors
    roomy = shutil.copytree(small_disk / "run", tmp_path / "roomy")
    training.resume(roomy)
    assert kills.outcome(roomy) == whole


def test_a_read_only_place_is_refused_at_once(small_disk, run):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    words = ["train", "--model", "lenet", "--data", "digits", "--out", small_disk / "run"]
    status, _, errors = run("keras_cnns", *words)
    assert status == 4
    assert "cannot be written" in errors


def test_after_a_signal_it_goes_on_as_if_there_had_been_none(digits, whole, tmp_path, monkeypatch):
    from keras_cnns.training.loop import Loop

    steps = Loop._take_steps

    def take(self, batches):
        if self.progress.step > 20:
            os.kill(os.getpid(), signal.SIGTERM)
        steps(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_take_steps", take)
        with pytest.raises(Stopped, match="to go on: .*train --resume --out") as caught:
            training.train("lenet", digits, PLAIN, tmp_path / "run")
    assert caught.value.exit_code == 143
    assert (tmp_path / "run" / "checkpoints" / "last.keras").exists()
    training.resume(tmp_path / "run")
    assert kills.outcome(tmp_path / "run") == whole


def test_a_checkpoint_of_another_network_is_refused(stopped):
    other = Checkpoints(stopped / "checkpoints")
    arrays, facts = other.load()
    facts["shapes"] = facts["shapes"][1:]
    other.save(21, arrays, facts)
    with pytest.raises(DamagedFile, match="another network"):
        training.resume(stopped)


def test_an_unfinished_run_is_not_written_over(stopped, digits):
    with pytest.raises(UserError, match="to go on with it: .*--resume"):
        training.train("lenet", digits, PLAIN, stopped)
