"""Mixed precision: a loss in float16 is scaled, and one in bfloat16 needs none of that."""

import csv

import keras
import numpy as np
import pytest

from benchmarks import kills
from keras_cnns.training import optimization
from keras_cnns.training import train as training
from keras_cnns.training.job import Job
from keras_cnns.training.recipes import Checkpoint, Devices, Optimizer, Training
from pipelines.errors import TrainingFailed
from tests.test_resume import killed_at

POLICIES = ("mixed_bfloat16", "mixed_float16")
TOO_HIGH = 2.0**24  # a scale at which the gradients of these networks are infinite in float16


def settings(precision, **more):
    checkpoint = Checkpoint(every_steps=7)
    more = {"epochs": 1, "batch_size": 256, "checkpoint": checkpoint} | more
    return Training(devices=Devices(precision=precision, xla="off"), **more)


@pytest.mark.parametrize("decoupled", [True, False])
@pytest.mark.parametrize("precision", POLICIES)
def test_steps_are_those_of_float32_but_for_rounding(precision, decoupled, digits):
    """The gradient that is told is of the loss itself; the decay is not scaled either."""
    seen, weights = [], []
    for name in ("float32", precision):
        wanted = Optimizer("sgd", 0.05, weight_decay=0.1, decoupled=decoupled)
        job = Job("lenet", digits, settings(name, optimizer=wanted))
        seen.append(job.engine(0).run(job.batches(), 3))
        weights.append([w.numpy() for w in job.model.trainable_weights])
    assert seen[0].scale.tolist() == [1, 1, 1]
    assert (seen[1].scale > 1).all() == (precision == "mixed_float16")
    np.testing.assert_allclose(seen[1].gradient, seen[0].gradient, rtol=0.03)
    np.testing.assert_allclose(seen[1].loss, seen[0].loss, rtol=0.03)
    for plain, mixed in zip(*weights, strict=True):
        np.testing.assert_allclose(mixed, plain, atol=3e-3)


def test_a_small_gradient_is_not_lost_in_float16(digits):
    """A ten-thousandth of the loss: unscaled, most of its gradient would be 0 in float16."""
    shares = {}
    for name in ("float32", "mixed_float16"):
        job = Job("lenet", digits, settings(name))
        engine, loss = job.engine(0), job._loss()
        engine.loss = lambda labels, heads, loss=loss: 1e-4 * loss(labels, heads)
        shares[name] = engine.run(job.batches(), 1).gradient[0]
    assert shares["mixed_float16"] == pytest.approx(shares["float32"], rel=0.03)


def test_a_step_of_infinite_gradients_is_left_out_and_the_scale_halved(digits):
    job = Job("lenet", digits, settings("mixed_float16"))
    engine, batches = job.engine(0), job.batches()
    engine.optimizer.dynamic_scale.assign(TOO_HIGH)
    before = [w.numpy() for w in job.model.trainable_weights]
    stats = engine.run(batches, 1)
    assert np.isfinite(stats.loss).all() and not np.isfinite(stats.gradient).any()
    for kept, weight in zip(before, job.model.trainable_weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), kept)
    assert float(engine.optimizer.dynamic_scale) == TOO_HIGH / 2
    assert int(engine.optimizer.iterations) == 0


def test_a_training_in_float16_that_is_killed_ends_bit_equal(digits, tmp_path, monkeypatch):
    """It begins with steps that are left out: the scale is found again, as all else is."""
    monkeypatch.setattr(optimization, "FIRST_SCALE", TOO_HIGH)
    wanted = settings("mixed_float16", epochs=4)  # of five steps
    training.train("lenet", digits, wanted, tmp_path / "whole")
    with killed_at(9, monkeypatch):
        training.train("lenet", digits, wanted, tmp_path / "killed")
    training.resume(tmp_path / "killed")
    assert kills.outcome(tmp_path / "killed") == kills.outcome(tmp_path / "whole")
    with open(tmp_path / "whole" / "history.csv", encoding="utf-8") as file:
        rows = [{name: float(n) for name, n in row.items()} for row in csv.DictReader(file)]
    assert rows[0]["gradient_norm"] == 0  # no step of four was taken
    assert 0 < rows[-1]["gradient_norm"] < np.inf
    assert rows[-1]["loss"] < rows[0]["loss"]


@pytest.mark.parametrize(("precision", "step"), [("mixed_bfloat16", 1), ("mixed_float16", 16)])
def test_a_gradient_that_no_scale_makes_finite_ends_a_training(
    precision, step, digits, tmp_path, monkeypatch
):
    """Without a scale at once, in float16 once the scale has come down from 2**15 to 1."""

    def finite(labels, heads):
        return keras.ops.sum(keras.ops.sqrt(0 * keras.ops.cast(heads, "float32")), axis=-1)

    monkeypatch.setattr(Job, "_loss", lambda self: finite)
    with pytest.raises(TrainingFailed, match=f"the gradient became nan at step {step},"):
        training.train("lenet", digits, settings(precision, epochs=4), tmp_path / "run")
