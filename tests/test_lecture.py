"""The lecture's complexity tables, as docs/errata.md states them."""

import keras_cnns
from keras_cnns.lecture import compare, inception_table


def test_the_inception_table_is_right():
    assert inception_table() == [
        ["inception 3a", 163_328, 128_049_152],
        ["one 3x3 convolution", 442_368, 346_816_512],
        ["one 5x5 convolution", 1_228_800, 963_379_200],
    ]


def test_the_complexity_table_has_the_exact_numbers():
    alexnet, lenet = keras_cnns.build("alexnet_d2l"), keras_cnns.build("lenet_d2l")
    rows = {row[0]: row[1:] for row in compare([alexnet, lenet])}
    assert rows["convolution 1"] == [34_848, 101_616_768, 150, 117_600]
    assert rows["convolution 2"] == [614_400, 415_334_400, 2_400, 240_000]
    assert rows["convolution from 3"] == [3_096_576, 445_906_944, 0, 0]
    assert rows["dense 1"] == [26_214_400, 26_214_400, 48_000, 48_000]
    assert rows["dense 2"] == [16_777_216, 16_777_216, 10_080, 10_080]
    assert rows["all but the output"] == [46_737_440, 1_005_849_728, 60_630, 415_680]
    assert rows["increase"] == ["771x", "2,420x", "", ""]


def test_show_prints_both(run):
    status, output, _ = run("keras_cnns", "show", "alexnet_d2l", "lenet_d2l", "--compare")
    assert status == 0
    assert "1,005,849,728" in output
    status, output, _ = run("keras_cnns", "show", "inception_3a")
    assert status == 0
    assert "163,328" in output
    status, _, errors = run("keras_cnns", "show", "lenet", "--compare")
    assert status == 2
    assert "two networks" in errors
