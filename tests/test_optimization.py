"""Learning rates as closed forms, and which weights decay."""

import math

import keras
import numpy as np
import pytest

from keras_cnns.training import optimization
from keras_cnns.training.recipes import RECIPES, Optimizer, Schedule, Training

STEPS, EPOCH = 1000, 10


def rates(schedule, steps):
    rate = optimization.Rate(schedule, 2.0, STEPS, EPOCH, keras.Variable(0.25))
    return [float(rate(step)) for step in steps]


@pytest.mark.parametrize(
    "schedule, formula",
    [
        (Schedule("constant"), lambda t: 2.0),
        (Schedule("cosine", final=0.1), lambda t: 0.2 + 0.9 * (1 + math.cos(math.pi * t / STEPS))),
        (Schedule("steps"), lambda t: 2 * 0.1 ** ((t >= 500) + (t >= 750))),
        (
            Schedule("steps", milestones=(0.2,), factors=(0.3,)),
            lambda t: 2 * (0.3 if t >= 200 else 1),
        ),
        (Schedule("exponential", factor=0.5, every=8), lambda t: 2 * 0.5 ** (t // 80)),
        (Schedule("plateau"), lambda t: 0.5),
        (
            Schedule("cosine", warmup_epochs=2),
            lambda t: 2 * (t + 1) / 20 if t < 20 else 1 + math.cos(math.pi * (t - 20) / 980),
        ),
    ],
)
def test_rates_are_their_formulas(schedule, formula):
    steps = [0, 1, 19, 20, 79, 80, 199, 200, 499, 500, 749, 750, 999]
    np.testing.assert_allclose(
        rates(schedule, steps), [formula(t) for t in steps], rtol=1e-5, atol=1e-6
    )


def test_lenet1998_goes_down_as_the_paper_has_it():
    """0.0005 for two of 20 passes, 0.0002 for three, 0.0001 for three, then 0.00005 and 0.00001."""
    settings = RECIPES["lenet1998"]
    rate = optimization.Rate(settings.schedule, 0.0005, 20 * EPOCH, EPOCH)
    passes = [float(rate(EPOCH * k)) for k in range(20)]
    wanted = [5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8
    np.testing.assert_allclose(passes, wanted, rtol=1e-5)


def test_a_plateau_is_a_function_of_the_history():
    schedule = Schedule("plateau", patience=2, factor=0.1)
    rows = [{"val_accuracy": value} for value in (0.5, 0.6, 0.6, 0.59, 0.7, 0.7, 0.7)]
    factors = [optimization.plateau_factor(schedule, rows[:n]) for n in range(8)]
    np.testing.assert_allclose(factors, [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01])


def test_the_rate_follows_the_batch_where_a_recipe_names_its_own():
    settings = Training(batch_size=32, optimizer=Optimizer("sgd", 0.1, for_batch=128))
    assert optimization.peak_rate(settings) == pytest.approx(0.025)
    assert optimization.peak_rate(Training(batch_size=32, optimizer=Optimizer("sgd", 0.1))) == 0.1


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop"])
def test_decoupled_decay_leaves_biases_and_norms_alone(name):
    """Without gradients, a decayed weight shrinks by rate times decay, the others stay."""
    kernel, bias = keras.Variable(np.ones((2, 2))), keras.Variable(np.ones(2))
    wanted = Optimizer(name, 0.1, weight_decay=0.5, decay_all=False)
    optimizer = optimization.make(Training(optimizer=wanted), 0.1, [kernel, bias])
    optimizer.apply([keras.ops.zeros((2, 2)), keras.ops.zeros(2)], [kernel, bias])
    np.testing.assert_allclose(kernel.numpy(), 0.95, rtol=1e-6)
    np.testing.assert_allclose(bias.numpy(), 1.0)
