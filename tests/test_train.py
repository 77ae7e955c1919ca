"""A training leaves a whole run, ends well when it is stopped, and says when it goes wrong."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml

from export import models
from export import trained as runs
from keras_cnns import registry
from keras_cnns.evaluation import evaluate
from keras_cnns.training.recipes import Checkpoint, Ema, Optimizer, Training
from keras_cnns.training.train import train
from pipelines import dataset
from pipelines.errors import TrainingFailed, UserError

ROOT = Path(__file__).parent.parent


def test_a_run_holds_what_was_done(trained, digits):
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert (config["model"], config["data"], config["epochs"]) == ("lenet", "digits", 4)
    assert config["fingerprint"] == digits.fingerprint
    assert (trained / "labels.txt").read_text().split() == list("0123456789")
    with open(trained / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    metrics = json.loads((trained / "metrics.json").read_text())
    best = max(rows, key=lambda row: (float(row["val_accuracy"]), -float(row["val_loss"])))
    assert metrics["best_epoch"] == int(best["epoch"])
    assert metrics["val_accuracy"] == pytest.approx(float(best["val_accuracy"]))
    assert json.loads((trained / "env.json").read_text())["keras"] == keras.__version__
    for picture in ("curves.png", "augmentation.png"):
        assert (trained / picture).read_bytes()[:4] == b"\x89PNG"
    assert not list(trained.rglob(".*"))


def test_the_kept_model_takes_pixels_and_is_the_one_that_was_best(trained, digits):
    metrics = json.loads((trained / "metrics.json").read_text())
    report = evaluate.evaluate(runs.find(trained), digits, "val")
    assert report["accuracy"] == pytest.approx(metrics["val_accuracy"], abs=1e-6)
    assert report["accuracy"] > 0.8
    assert report["images"] == sum(map(sum, report["confusion"])) == metrics["val_images"]


def test_tensorboard_finds_scalars_images_and_graph(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained / "tensorboard" / "train"), {"tensors": 0})
    events.Reload()
    tags = events.Tags()
    assert {"epoch_loss", "epoch_accuracy", "first batch, augmented"} <= set(tags["tensors"])
    assert len(events.Tensors("epoch_loss")) == 4
    assert "keras" in tags["tensors"] or tags["graph"]


def test_the_same_seed_gives_the_same_weights(digits, tmp_path):
    weights = []
    for name in "ab":
        train("lenet", digits, Training(epochs=1, augment="digits", seed=3), tmp_path / name)
        model = models.load_keras(tmp_path / name / "model.keras")
        weights.append([np.array(w) for w in model.weights])
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_training_that_diverges_ends_with_3_and_keeps_no_nan(digits, tmp_path):
    wild = Training(epochs=3, optimizer=Optimizer("sgd", 1e9))
    with pytest.raises(TrainingFailed, match="became .* in the batch of digit") as caught:
        train("lenet", digits, wild, tmp_path / "run")
    assert caught.value.exit_code == 3
    kept = models.load_keras(tmp_path / "run" / "checkpoints" / "last.keras")
    assert all(np.isfinite(w).all() for w in kept.get_weights())
    batch = json.loads((tmp_path / "run" / "bad_batch.json").read_text())
    members = dataset.members(digits.splits["train"], batch_size=64, seed=0, step=batch["step"] - 1)
    assert batch["images"] == [digits.splits["train"].names[i] for i in members]
    with pytest.raises(UserError, match="did not finish"):
        runs.find(tmp_path / "run")


def test_a_last_update_that_spoils_the_model_ends_with_3_too(digits, tmp_path):
    # One step: no other is left to see what it did, and the checkpoint after it is spoilt as well.
    wild = Training(epochs=1, batch_size=5000, optimizer=Optimizer(learning_rate=1e30))
    wild = dataclasses.replace(wild, checkpoint=Checkpoint(every_steps=1))
    with pytest.raises(
        TrainingFailed, match="validation loss became .* after step 1, in the batch"
    ):
        train("lenet", digits, wild, tmp_path / "run")
    kept = models.load_keras(tmp_path / "run" / "checkpoints" / "last.keras")
    split = digits.splits["val"]
    assert np.isfinite(kept.predict(dataset.pixels(split, (32, 32, 1)), verbose=0)).all()
    batch = json.loads((tmp_path / "run" / "bad_batch.json").read_text())
    assert batch["step"] == 1 and len(batch["images"]) == len(digits.splits["train"])
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_run_is_never_written_over(trained, digits, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in trained.rglob("*")}
    with pytest.raises(UserError, match="holds a run already"):
        train("lenet", digits, Training(epochs=1), trained)
    assert before == {p: p.stat().st_mtime_ns for p in trained.rglob("*")}
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UserError, match="holds other files"):
        train("lenet", digits, Training(epochs=1), tmp_path)


def test_a_network_that_does_not_fit_leaves_nothing(digits, tmp_path):
    with pytest.raises(registry.BuildError, match="4 x 4"):
        train("lenet", digits, Training(image_size=4), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_training_after_saving(number, status, tmp_path):
    command = "-m keras_cnns train --model lenet --data digits --epochs 10000 --out"
    process = subprocess.Popen(
        [sys.executable, *command.split(), str(tmp_path / "run")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while "epoch 2/" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    last = tmp_path / "run" / "checkpoints" / "last.keras"
    assert str(last) in errors
    assert "Traceback" not in errors
    models.load_keras(last)


def test_a_second_signal_ends_at_once():
    from keras_cnns.training.stops import Signals

    signals = Signals()
    child = os.fork()
    if child == 0:
        signals.receive(signal.SIGINT, None)
        signals.receive(signal.SIGINT, None)
        os._exit(0)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(status) == 130


@pytest.mark.slow
def test_auxiliary_heads_train_with_the_network_and_are_not_served(digits, tmp_path):
    from pipelines.sources.base import Source

    few = {n: dataset.subset(s, dataset.stratified(s, 20)) for n, s in digits.splits.items()}
    source = Source("digits", digits.classes, 1, few, "few")
    settings = Training(epochs=1, batch_size=10, image_size=64)
    metrics = train("googlenet_torchvision_aux", source, settings, tmp_path / "run")
    assert 0 <= metrics["val_accuracy"] <= 1
    model = models.load_keras(tmp_path / "run" / "model.keras")
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize("smoothing, weights", [(0, None), (0.1, None), (0, [1, 2, 3, 4])])
def test_the_training_loss_is_the_formula(smoothing, weights):
    from keras_cnns.training.losses import AUXILIARY, cross_entropy, training_loss

    rng = np.random.default_rng(0)
    heads = [rng.normal(size=(5, 4)).astype("float32") for _ in range(3)]
    labels = np.array([0, 1, 2, 3, 0])
    shares = np.eye(4)[labels]
    total = np.zeros(5)
    for head, weight in zip(heads, (1, AUXILIARY, AUXILIARY), strict=True):
        logs = head - np.log(np.exp(head).sum(1, keepdims=True))
        total -= weight * ((shares * (1 - smoothing) + smoothing / 4) * logs).sum(1)
    if weights:
        total *= np.array(weights)[labels]
    loss = training_loss(cross_entropy, 4, smoothing=smoothing, weights=weights)
    np.testing.assert_allclose(loss(labels, heads), total, rtol=1e-5)
    np.testing.assert_allclose(loss(shares.astype("float32"), heads), total, rtol=1e-5)


def test_balanced_weights_let_every_class_count_the_same(digits):
    from pipelines import dataset

    train = digits.splits["train"]
    few = np.concatenate([np.flatnonzero(train.labels == k)[: 10 * (k + 1)] for k in range(10)])
    source = dataclasses.replace(digits, splits={"train": dataset.subset(train, few)})
    counts = source.counts()["train"]
    assert counts == [10 * (k + 1) for k in range(10)]
    assert np.allclose(np.multiply(source.class_weights(), counts), sum(counts) / 10)


def test_the_average_of_weights_is_the_formula_and_what_is_kept(digits, tmp_path):
    """After one step from w0 to w1: w0 + (1 - 2/11) (w1 - w0), the warm-up of a decay of 0.99."""
    from keras_cnns.training.job import Job

    job = Job("lenet", digits, Training(epochs=1, ema=Ema(0.99)))
    engine = job.engine(0)
    first = [w.numpy() for w in job.model.weights]
    engine.run(job.batches(), 1)
    second = [w.numpy() for w in job.model.weights]
    for a, b, average in zip(first, second, engine.serving, strict=True):
        np.testing.assert_allclose(average, a + 9 / 11 * (b - a), rtol=1e-5, atol=1e-7)


def test_a_training_that_memory_cannot_hold_is_told_before_its_first_step(
    digits, tmp_path, monkeypatch, capsys
):
    from keras_cnns.training import dry_run

    settings = Training(epochs=1, batch_size=500)
    model = registry.build_for_pixels("lenet", 10, (32, 32, 1))
    outputs = sum(np.prod(layer.output.shape[1:]) for layer in model.layers)
    assert dry_run.least(model, 500) == 4 * (500 * outputs + 2 * model.count_params())
    assert dry_run.free() is None or dry_run.free() > 2**20
    monkeypatch.setattr(dry_run, "free", lambda: 2**20)
    train("lenet", digits, settings, tmp_path / "run")
    assert "of memory at the least, and 0.0 are free" in capsys.readouterr().err
