"""Cells as plain data: what a search mutates is what a network is built of."""

import json

import keras
import pytest

from keras_cnns import complexity
from keras_cnns.models import nasnet
from keras_cnns.models.nasnet import CELLS, OPERATIONS, as_cell

SUMS = [
    [["sep3x3", 0], ["none", 1]],
    [["avg3x3", 0], ["max3x3", 1]],
    [["sep3x3", 2], ["none", 0]],
]


def network(cells, **options):
    """A small network of cells, for images of 32 pixels."""
    image = keras.Input((32, 32, 3))
    settings = {"repeat": 1, "filters": 8, "stem": 8, "stem_cells": 0} | options
    return keras.Model(
        image, nasnet.nasnet(image, cells=cells, classes=4, widths=(1, 1, 1, 1), **settings)
    )


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_survives_json_and_gives_the_same_network(name):
    again = json.loads(json.dumps([cell.plain() for cell in CELLS[name]]))
    assert tuple(map(as_cell, again)) == CELLS[name]
    plain, original = network(again), network(CELLS[name])
    names = [[layer.name for layer in model.layers[1:]] for model in (plain, original)]
    assert names[0] == names[1]
    assert complexity.params(plain) == complexity.params(original)


def test_states_that_no_sum_uses_are_the_output():
    assert as_cell({"sums": SUMS}).output == (3, 4)
    assert as_cell({"sums": SUMS, "output": [2, 4]}).output == (2, 4)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_can_stand_anywhere_in_either_cell(operation):
    sums = [[[operation, 0], [operation, 1]], [[operation, 2], ["none", 0]]]
    model = network([{"sums": sums}, {"sums": sums}])
    assert model.output_shape == (None, 4)


@pytest.mark.parametrize(
    "data, message",
    [
        ({"sums": [[["sep3", 0], ["none", 1]]]}, "did you mean sep3x3"),
        ({"sums": [[["none", 2], ["none", 1]]]}, "sees states 0 to 1, not 2"),
        ({"sums": [[["none", -1], ["none", 1]]]}, "not -1"),
        ({"sums": []}, "cannot give out"),
        ({"sums": SUMS, "output": []}, "cannot give out"),
        ({"sums": SUMS, "output": [9]}, "cannot give out"),
        ({"sums": [[["none", 0]]]}, "a cell is"),
        ({"cells": SUMS}, "a cell is"),
        ("sep3x3", "a cell is"),
        (None, "a cell is"),
    ],
)
def test_a_wrong_cell_is_refused_in_one_sentence(data, message):
    with pytest.raises(ValueError, match=message) as caught:
        as_cell(data)
    assert "\n" not in str(caught.value)
