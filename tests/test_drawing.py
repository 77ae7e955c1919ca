"""The picture of a network tells its parts, their number and their cost."""

import itertools

import pytest
from PIL import Image

from keras_cnns import anatomy, build, complexity, drawing, flowchart
from keras_cnns.steps import fused


@pytest.mark.parametrize(
    "name, kind, counts",
    [
        ("vgg16", "convolution", [2, 2, 3, 3, 3]),
        ("resnet34", "residual", [3, 1, 3, 1, 5, 1, 2]),  # stages of 3, 4, 6, 3
        ("densenet121", "dense layer", [6, 12, 24, 16]),
        ("googlenet_2014_aux", "branches", [1] * 9),
        ("shufflenet_v2_x1_0", "branches", [1, 3, 1, 7, 1, 3]),
        ("mobilenet_v1_1.0", "separable", [1, 1, 1, 1, 1, 1, 5, 1, 1]),
        ("vit_b_32", "attention", [12]),
        ("nasnet_a_mobile", "cell", [1, 1, 1, 3, 1, 1, 3, 1, 1, 3]),
        ("lenet5", "branches", [1]),
    ],
)
def test_parts_are_those_of_the_paper_and_cost_what_the_network_costs(name, kind, counts):
    model = build(name)
    found = anatomy.parts(model)
    assert [part.count for part in found if part.kind == kind] == counts
    assert sum(part.macs for part in found) == complexity.macs(model)
    if len(model.outputs) == 1:
        assert sum(part.params for part in found) == complexity.params(model)


def test_a_bottleneck_is_three_convolutions_beside_a_shortcut():
    block = [part for part in anatomy.parts(build("resnet50")) if part.count == 5][0]
    assert [step.text for step in block.steps] == [
        "1×1 conv, 256\nBN, ReLU", "3×3 conv, 256\nBN, ReLU", "1×1 conv, 1,024\nBN", "add",
    ]  # fmt: skip
    assert [step.after for step in block.steps] == [(-1,), (0,), (1,), (-1, 2)]
    assert block.tail == "ReLU" and block.output == (14, 14, 1024)


def test_a_searched_cell_sees_two_outputs_and_is_told_in_few_boxes():
    cell = [part for part in anatomy.parts(build("nasnet_a_mobile")) if part.count == 3][0]
    steps = fused(cell.steps)
    assert {a for step in steps for a in step.after if a < 0} == {-1, -2}
    assert sum(step.text == "add" for step in steps) == 5
    assert len(steps) < len(cell.steps) == 31


def test_equal_branches_are_drawn_once():
    table = next(part for part in anatomy.parts(build("lenet5")) if part.kind == "branches")
    assert [s.text for s in fused(table.steps)] == ["16 times\n5×5 conv, 1", "concat"]


def test_boxes_of_a_flow_chart_do_not_overlap_and_lines_go_down():
    after = [(), (0,), (0,), (0,), (1,), (2, 3), (0, 4, 5)]
    widths = [0.5, 1.0, 2.0, 0.4, 1.0, 1.5, 0.5]
    chart = flowchart.chart(after, widths)
    assert [level for _, level in chart.places] == [0, 1, 1, 1, 2, 2, 3]
    for level in range(chart.levels):
        row = sorted((x, widths[i]) for i, (x, at) in enumerate(chart.places) if at == level)
        for (x, wide), (to, broad) in itertools.pairwise(row):
            assert to - x >= (wide + broad) / 2
    for _, line in chart.lines:
        assert [level for _, level in line] == list(range(line[0][1], line[-1][1] + 1))
    assert {ends for ends, _ in chart.lines} == {(b, i) for i, x in enumerate(after) for b in x}


def test_show_draws_one_network(run, tmp_path):
    out = tmp_path / "lenet.png"
    status, output, errors = run("keras_cnns", "show", "lenet", "--out", out)
    assert status == 0 and str(out) in output, errors
    with Image.open(out) as picture:
        assert picture.format == "PNG" and picture.width > 600
        assert len(set(picture.convert("RGB").resize((60, 60)).getdata())) > 20
    for words in (("lenet", "lenet5"), ("inception_3a",)):
        status, _, errors = run("keras_cnns", "show", *words, "--out", out)
        assert status == 2 and "one network" in errors
    assert run("keras_cnns", "show", "lenet", "--out", tmp_path / "x.pdf")[0] == 2


def test_every_kind_of_part_has_a_colour():
    assert set(anatomy.TITLES) <= set(drawing.COLOURS)
