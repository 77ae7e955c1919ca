"""LeNet-5 against the statements of its paper (section II.B, table I, figure 2, appendix A)."""

import math

import keras
import numpy as np
import pytest

import keras_cnns
from keras_cnns.models import lenet


def layer_params(model, name):
    return sum(math.prod(w.shape) for w in model.get_layer(name).trainable_weights)


def test_each_layer_has_the_parameters_that_the_paper_gives():
    model = keras_cnns.build("lenet5")
    stated = {"c1": 156, "s2": 12, "s4": 32, "c5": 48_120, "f6": 10_164}
    assert {name: layer_params(model, name) for name in stated} == stated
    assert sum(layer_params(model, f"c3_{i}") for i in range(16)) == 1_516


def test_its_connections_are_the_340908_of_the_paper():
    def connections(maps, side, inputs):
        return maps * side * side * (inputs + 1)

    links = sum(len(row) for row in lenet.C3) * 25 + 16
    total = (
        connections(6, 28, 25)  # C1: 122,304
        + connections(6, 14, 4)  # S2: 5,880
        + links * 10 * 10  # C3: 151,600
        + connections(16, 5, 4)  # S4: 2,000
        + connections(120, 1, 400)  # C5
        + connections(84, 1, 120)  # F6
        + 840  # RBF
    )
    assert total == 340_908


def test_table_1_sees_each_map_of_s2_ten_times():
    assert [sum(j in row for row in lenet.C3) for j in range(6)] == [10] * 6
    assert len(set(lenet.C3)) == 16


def test_a_map_of_c3_answers_to_just_the_maps_that_table_1_connects():
    model = keras_cnns.build("lenet5")
    c3 = keras.Model(model.get_layer("s2_amplitude").output, model.get_layer("c3").output)
    silent = c3.predict(np.zeros((1, 14, 14, 6)), verbose=0)[0]
    for j in range(6):
        image = np.zeros((1, 14, 14, 6))
        image[..., j] = 1
        moved = np.abs(c3.predict(image, verbose=0)[0] - silent).max(axis=(0, 1)) > 0
        assert moved.tolist() == [j in row for row in lenet.C3]


def test_subsampling_is_a_coefficient_times_the_sum_plus_a_bias():
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype("float32")
    image = keras.Input((4, 4, 2))
    model = keras.Model(image, lenet.subsample(image, name="s"))
    coefficient, bias = np.array([0.3, -0.2]), np.array([0.1, 0.5])
    model.get_layer("s").set_weights([4 * coefficient.reshape(1, 1, 2, 1), bias])
    total = x.reshape(1, 2, 2, 2, 2, 2).sum(axis=(2, 4))
    expected = 1.7159 * np.tanh(2 / 3 * (coefficient * total + bias))
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_squashing_maps_one_to_one():
    x = keras.Input((1,))
    model = keras.Model(x, lenet.squash(x, name="s"))
    answers = model.predict(np.array([[1.0], [-1.0], [0.0]]), verbose=0)[:, 0]
    np.testing.assert_allclose(answers, [1, -1, 0], atol=1e-4)


def test_outputs_are_minus_squared_distances_to_the_bitmaps():
    x = np.random.default_rng(0).normal(size=(3, 84)).astype("float32")
    features = keras.Input((84,))
    model = keras.Model(features, lenet.distances(features, 10))
    codes = np.array(lenet.codes(10))
    expected = -((x[:, None] - codes) ** 2).sum(-1)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5)


@pytest.mark.parametrize("classes", [2, 10, 26, 200])
def test_each_class_has_a_code_of_its_own_on_every_machine(classes):
    codes = lenet.codes(classes)
    assert len({tuple(code) for code in codes}) == classes
    assert all(len(code) == 84 and set(code) <= {-1.0, 1.0} for code in codes)
    assert codes == lenet.codes(classes)


@pytest.mark.parametrize("widths", [(0.1, 1, 1), (2, 0.3, 1), (1.5, 2, 0.5), (1, 0.05, 1)])
def test_other_widths_keep_every_map_connected(widths):
    model = keras_cnns.build("lenet5", widths=widths)
    image = np.random.default_rng(0).normal(size=(1, 32, 32, 1))
    assert np.isfinite(model.predict(image, verbose=0)).all()


def test_the_map_criterion_is_equation_9():
    from keras_cnns.training.losses import RUBBISH, map_criterion

    distances = np.random.default_rng(0).uniform(0, 5, (6, 10)).astype("float32")
    labels = np.array([0, 3, 9, 1, 1, 5])
    true = distances[np.arange(6), labels]
    expected = true + np.log(np.exp(-RUBBISH) + np.exp(-distances).sum(axis=1))
    np.testing.assert_allclose(map_criterion(labels, -distances), expected, rtol=1e-5)
