"""NASNet and AmoebaNet: one small cell, found by a search, repeated at every image size.

Zoph, Vasudevan, Shlens and Le 2017, Learning Transferable Architectures for Scalable Image
Recognition, arXiv:1707.07012 (figure 4 and appendix A). Real, Aggarwal, Huang and Le 2018,
Regularized Evolution for Image Classifier Architecture Search, arXiv:1802.01548 (figures 5 and
6), whose cells are those of the authors' code (tensorflow/tpu, models/official/amoeba_net).

A cell sees the two outputs before it and adds five sums, each of two operations on what is there
already: state 0 is the last output, state 1 the one before, 2 to 6 the sums. A cell is data, and
so are the lists and dicts that JSON and YAML read: a search mutates them, and the builder takes
them as they are (`as_cell`). `nasnet_a_large` bears timm's layer names, `nasnet_a_mobile` is
pytorchcv's nasnet_4a1056. A dilated convolution that strides is not dilated, since Keras has none
that does both. ScheduledDropPath and the auxiliary head of training are left out.
"""

import difflib
from dataclasses import dataclass, replace

from keras_cnns.blocks import classifier, conv, depthwise, norm, relu, scaled
from keras_cnns.lazy import keras
from keras_cnns.registry import register


@dataclass(frozen=True)
class Cell:
    """A searched cell: each sum as ((operation, state), (operation, state)), and its output."""

    sums: tuple[tuple[tuple[str, int], tuple[str, int]], ...]
    output: tuple[int, ...]  # states that are concatenated

    def plain(self):
        """The cell as lists and a dict, which `as_cell` reads again."""
        sums = [[list(side) for side in sides] for sides in self.sums]
        return {"sums": sums, "output": list(self.output)}


def as_cell(data):
    """A Cell out of plain data, checked.

    Args:
        data: a Cell; or {"sums": [[[operation, state], [operation, state]], ...]} with or without
            "output": [state, ...]. Without, it is what no sum uses, as in arXiv:1802.01548.

    Raises:
        ValueError: an unknown operation, a state that is not there yet, or other data.
    """
    if isinstance(data, Cell):
        return data
    try:
        sums = tuple(
            tuple((str(operation), int(state)) for operation, state in (left, right))
            for left, right in data["sums"]
        )
        output = data.get("output")
        output = None if output is None else tuple(int(state) for state in output)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(
            "a cell is {'sums': [[[operation, state], [operation, state]], ...]}, not "
            + repr(data)[:100]
        ) from None
    for i, sides in enumerate(sums):
        for operation, state in sides:
            if operation not in OPERATIONS:
                near = difflib.get_close_matches(operation, OPERATIONS, n=3, cutoff=0.5)
                near = f"did you mean {' or '.join(near)}?" if near else ", ".join(OPERATIONS)
                raise ValueError(f"no operation is named {operation!r}; {near}")
            if not 0 <= state < i + 2:
                raise ValueError(f"sum {i} of a cell sees states 0 to {i + 1}, not {state}")
    if output is None:
        used = {state for sides in sums for _, state in sides}
        output = tuple(state for state in range(len(sums) + 2) if state not in used)
    if not sums or not output or not all(0 <= state < len(sums) + 2 for state in output):
        raise ValueError(f"a cell of {len(sums)} sums cannot give out states {list(output)}")
    return Cell(sums, output)


def cell(text, output):
    """Read a Cell from lines of "operation state + operation state"."""
    sums = []
    for line in text.strip().splitlines():
        sides = (side.split() for side in line.split("+"))
        sums.append(tuple((operation, int(state)) for operation, state in sides))
    return Cell(tuple(sums), output)


CELLS = {  # name: (normal, reduction)
    "nasnet_a": (
        cell("""sep5x5 0 + sep3x3 1
                sep5x5 1 + sep3x3 1
                avg3x3 0 + none 1
                avg3x3 1 + avg3x3 1
                sep3x3 0 + none 0""", (1, 2, 3, 4, 5, 6)),
        cell("""sep5x5 0 + sep7x7 1
                max3x3 0 + sep7x7 1
                avg3x3 0 + sep5x5 1
                none 3 + avg3x3 2
                sep3x3 2 + max3x3 0""", (3, 4, 5, 6)),
    ),
    "amoebanet_a": (
        cell("""avg3x3 0 + max3x3 0
                sep3x3 1 + none 1
                none 0 + avg3x3 1
                sep3x3 0 + sep5x5 2
                avg3x3 5 + sep3x3 0""", (1, 3, 4, 6)),
        cell("""sep3x3 1 + avg3x3 0
                max3x3 0 + sep7x7 2
                max3x3 1 + max3x3 0
                sep3x3 4 + 1x7_7x1 0
                avg3x3 1 + sep7x7 0""", (2, 3, 4, 5, 6)),
    ),
    "amoebanet_b": (
        cell("""1x1 1 + max3x3 1
                none 1 + sep3x3 0
                1x1 1 + sep3x3 0
                1x1 2 + none 2
                avg3x3 1 + 1x1 5""", (0, 3, 4, 6)),
        cell("""max2x2 0 + max3x3 0
                none 2 + 3x3 1
                dil_sep5x5 2 + max3x3 2
                none 3 + sep3x3 1
                avg3x3 4 + 1x1 3""", (5, 6)),
    ),
    "amoebanet_c": (
        cell("""avg3x3 0 + sep3x3 0
                none 0 + sep3x3 0
                avg3x3 2 + sep3x3 1
                none 0 + sep3x3 1
                avg3x3 3 + sep3x3 0""", (1, 2, 4, 5, 6)),
        cell("""max3x3 0 + max3x3 0
                sep7x7 2 + sep3x3 0
                sep7x7 0 + max3x3 1
                sep5x5 4 + sep5x5 4
                max3x3 1 + sep3x3 1""", (0, 2, 3, 4, 5, 6)),
    ),
    "amoebanet_d": (
        cell("""1x1 1 + max3x3 1
                none 1 + 1x7_7x1 0
                1x1 0 + 1x7_7x1 0
                max3x3 2 + none 2
                avg3x3 1 + 1x1 5""", (0, 3, 4, 6)),
        cell("""max2x2 0 + max3x3 0
                none 2 + 3x3 1
                1x7_7x1 2 + max3x3 2
                none 3 + max2x2 1
                avg3x3 2 + 1x1 3""", (4, 5, 6)),
    ),
}  # fmt: skip


def convolve(x, filters, kernel, stride=1, *, relu_name, names):
    """Rectify, convolve and normalize, in this order, as all of these networks do."""
    x = relu(x, name=relu_name)
    x = conv(x, filters, kernel, stride, pad="same", name=names[0])
    return norm(x, epsilon=1e-3, name=names[1])


def named(x, filters, kernel, stride=1, *, name):
    """`convolve` with names below `name`."""
    return convolve(x, filters, kernel, stride, relu_name=f"{name}_act",
                    names=(f"{name}_conv", f"{name}_bn"))  # fmt: skip


def separable(kernel, dilation=1):
    """Two separable convolutions; the first strides."""

    def apply(x, filters, stride, name):
        for i, step in ((1, stride), (2, 1)):
            x = relu(x, name=f"{name}_act_{i}")
            x = depthwise(
                x, kernel, step, pad="same", dilation=dilation if step == 1 else 1,
                name=f"{name}_separable_{i}_depthwise_conv2d",
            )  # fmt: skip
            x = conv(x, filters, 1, name=f"{name}_separable_{i}_pointwise_conv2d")
            x = norm(x, epsilon=1e-3, name=f"{name}_bn_sep_{i}")
        return x

    return apply


def pool(kind, size, *, zeros=False):
    """A pool, and a 1x1 convolution if the channels do not match.

    Args:
        zeros: a strided average counts the zeros of its padding, as timm's does.
    """

    def apply(x, filters, stride, name):
        layer = {"avg": keras.layers.AveragePooling2D, "max": keras.layers.MaxPooling2D}[kind]
        padding = "same"
        if zeros and stride > 1:
            missing = [max(0, size - stride + -side % stride) for side in x.shape[1:3]]
            sides = tuple((m // 2, m - m // 2) for m in missing)
            x = keras.layers.ZeroPadding2D(sides, name=f"{name}_pad")(x)
            padding = "valid"
        x = layer(size, stride, padding, name=f"{name}_pool")(x)
        if x.shape[-1] == filters:
            return x
        x = conv(x, filters, 1, name=f"{name}_conv")
        return norm(x, epsilon=1e-3, name=f"{name}_bn")

    return apply


def plain(x, filters, stride, name):
    """A 1x1 convolution."""
    return named(x, filters, 1, stride, name=name)


def nothing(x, filters, stride, name):
    """The state itself, or a 1x1 convolution where its shape does not fit."""
    return x if stride == 1 and x.shape[-1] == filters else plain(x, filters, stride, name)


def squeezed(*kernels):
    """Full convolutions between two 1x1 convolutions, on a quarter of the channels."""

    def apply(x, filters, stride, name):
        quarter = max(1, filters // 4)
        x = named(x, quarter, 1, name=f"{name}_pre")
        for i, kernel in enumerate(kernels):
            # A kernel of one row strides along its row only.
            step = tuple(stride if side > 1 else 1 for side in kernel)
            x = named(x, quarter, kernel, step, name=f"{name}_{i}")
        return named(x, filters, 1, name=f"{name}_post")

    return apply


OPERATIONS = {
    "none": nothing,
    "1x1": plain,
    "3x3": squeezed((3, 3)),
    "1x7_7x1": squeezed((1, 7), (7, 1)),
    "sep3x3": separable(3),
    "sep5x5": separable(5),
    "sep7x7": separable(7),
    "dil_sep3x3": separable(3, 2),
    "dil_sep5x5": separable(5, 2),
    "avg3x3": pool("avg", 3),
    "avg3x3_zeros": pool("avg", 3, zeros=True),
    "max3x3": pool("max", 3),
    "max2x2": pool("max", 2),
}


def halve(x, filters, *, name):
    """Every other pixel of x, and of x moved by one pixel, so that no pixel is left out."""
    x = relu(x, name=f"{name}_path_act")
    moved = keras.layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_path_2_crop")(x)
    moved = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_path_2_pad")(moved)
    halves = []
    sizes = (filters // 2, filters - filters // 2)
    for i, (path, size) in enumerate(zip((x, moved), sizes, strict=True), 1):
        path = keras.layers.MaxPooling2D(1, 2, name=f"{name}_path_{i}_pool")(path)
        halves.append(conv(path, size, 1, name=f"{name}_path_{i}_conv"))
    x = keras.layers.Concatenate(name=f"{name}_path")(halves)
    return norm(x, epsilon=1e-3, name=f"{name}_final_path_bn")


def fitted(x, like, filters, *, name):
    """Bring the output before the last to the size and channels of the last."""
    if x is None:  # the first cell has but one
        return like
    if x.shape[1:3] != like.shape[1:3]:
        return halve(x, filters, name=name)
    return x if x.shape[-1] == filters else named(x, filters, 1, name=f"{name}_conv_prev_1x1")


def build_cell(table, last, before, filters, stride, *, name):
    """One cell.

    Args:
        table: a Cell.
        last, before: the two outputs before it; `before` may be None.
        filters: channels of each state.
        stride: 1, or 2 for a reduction cell, whose operations on states 0 and 1 stride.
    """
    states = [
        named(last, filters, 1, name=f"{name}_conv_1x1"),
        fitted(before, last, filters, name=name),
    ]
    for i, sides in enumerate(table.sums):
        terms = [
            OPERATIONS[operation](
                states[state], filters, stride if state < 2 else 1, f"{name}_comb_iter_{i}_{side}"
            )
            for side, (operation, state) in zip(("left", "right"), sides, strict=True)
        ]
        states.append(keras.layers.Add(name=f"{name}_comb_iter_{i}")(terms))
    size = states[-1].shape[1:3]
    chosen = [
        states[i]
        if states[i].shape[1:3] == size
        else halve(states[i], filters, name=f"{name}_state_{i}")
        for i in table.output
    ]
    return keras.layers.Concatenate(name=name)(chosen) if len(chosen) > 1 else chosen[0]


def nasnet(x, *, cells, repeat, filters, stem, stem_cells=2, skip=False, classes, widths):
    """A strided convolution, two reduction cells, and three groups of cells between reductions.

    Args:
        x: images, (batch, height, width, channels).
        cells: (normal, reduction), each a Cell or plain data for one; see `as_cell`.
        repeat: normal cells in a group, the paper's N.
        filters: channels of a state in the first group; the others have two and four times more.
        stem: channels of the first convolution.
        stem_cells: reduction cells before the first group; 0 keeps small images as they are.
        skip: the first normal cell after a reduction sees the output two before that, not the one.
        widths: multipliers of the stem and of the three groups.
    """
    normal, reduction = map(as_cell, cells)
    stride = 2 if stem_cells else 1
    x = conv(x, scaled(stem, widths[0]), 3, stride, pad=0 if stem_cells else "same",
             name="conv0_conv")  # fmt: skip
    x = norm(x, epsilon=1e-3, name="conv0_bn")
    before, last = None, x
    for i in range(stem_cells):
        size = scaled(int(filters / 2 ** (stem_cells - i)), widths[0])
        output = build_cell(reduction, last, before, size, 2, name=f"cell_stem_{i}")
        before, last = last, output
    number = 0
    for group in range(3):
        size = scaled(filters * 2**group, widths[group + 1])
        if group:
            name = f"reduction_cell_{group - 1}"
            output = build_cell(reduction, last, before, size, 2, name=name)
            before, last = (before if skip else last), output
        for _ in range(repeat):
            output = build_cell(normal, last, before, size, 1, name=f"cell_{number}")
            before, last = last, output
            number += 1
    x = relu(last, name="act")
    return classifier(x, classes, dropout=0.5, name="last_linear") if classes else x


# pytorchcv's names; the first unit of stages 2 and 3 is their reduction.
MOBILE = (
    ("^features_init_block_", "conv0_"),
    ("^features_stem(1|2)_unit_", lambda m: f"cell_stem_{int(m[1]) - 1}_"),
    ("^features_stage([23])_unit1_", lambda m: f"reduction_cell_{int(m[1]) - 2}_"),
    (r"^features_stage1_unit(\d)_", lambda m: f"cell_{int(m[1]) - 1}_"),
    (r"^features_stage([23])_unit(\d)_", lambda m: f"cell_{4 * int(m[1]) - 6 + int(m[2])}_"),
    ("_conv_dw_conv$", "_depthwise_conv2d"), ("_conv_pw_conv$", "_pointwise_conv2d"),
    (r"comb(\d)_(left|right)_conv(\d)_(depth|point)", r"comb_iter_\1_\2_separable_\3_\4"),
    (r"comb(\d)_(left|right)_conv(\d)_bn", r"comb_iter_\1_\2_bn_sep_\3"),
    ("_conv1x1_prev_", "_conv_prev_1x1_"), ("_conv1x1_", "_conv_1x1_"),
    (r"_path_path(\d)_", r"_path_\1_"), ("_path_bn$", "_final_path_bn"),
    ("^output_fc$", "last_linear"),
)  # fmt: skip
SIGNED = {"scale": 1 / 127.5, "offset": -1.0, "stages": 4, "smallest": 3}
LARGE = {"input_shape": (331, 331, 3)}

paper = {"paper": "arXiv:1707.07012", "year": 2017, **SIGNED}
normal, reduction = CELLS["nasnet_a"]
timm = replace(reduction, sums=tuple(
    tuple((op.replace("avg3x3", "avg3x3_zeros"), state) for op, state in sides)
    for sides in reduction.sums
))  # fmt: skip
variant = register(nasnet, **LARGE, **paper)
variant("nasnet_a_large", 88_753_150, 23_783_414_658, cells=(normal, timm), repeat=6,
        filters=168, stem=96, skip=True)  # fmt: skip
variant = register(nasnet, renames=MOBILE, **paper)
# pytorchcv counts 4,596,042 MACs more: rows at the border that it computes and throws away.
variant("nasnet_a_mobile", 5_289_978, 563_638_816, cells=CELLS["nasnet_a"], repeat=4,
        filters=44, stem=32)  # fmt: skip

# Published: A 86.7 million parameters and 23.1 billion MACs; A of 448 469.0 and 104.0, which holds
# for images of 299; B 84.0 and 22.3; C 155.3 and 41.1; D (GPipe, arXiv:1811.06965) 82.
AMOEBA = {"repeat": 6, "stem": 32}
paper = {"paper": "arXiv:1802.01548", "year": 2018, **SIGNED}
variant = register(nasnet, **LARGE, **paper)
variant("amoebanet_a_6_190", 86_718_797, 23_133_663_507, cells=CELLS["amoebanet_a"], filters=190,
        **AMOEBA)  # fmt: skip
variant("amoebanet_b_6_190", 79_008_676, 20_934_489_887, cells=CELLS["amoebanet_b"], filters=190,
        **AMOEBA)  # fmt: skip
variant("amoebanet_c_6_228", 155_272_667, 41_129_488_875, cells=CELLS["amoebanet_c"], filters=228,
        **AMOEBA)  # fmt: skip
variant = register(nasnet, input_shape=(299, 299, 3), **paper)
variant("amoebanet_a_6_448", 468_151_184, 103_887_693_968, cells=CELLS["amoebanet_a"], filters=448,
        **AMOEBA)  # fmt: skip
variant = register(nasnet, **paper)
variant("amoebanet_d", 81_137_437, 9_381_914_368, cells=CELLS["amoebanet_d"], filters=208,
        **AMOEBA)  # fmt: skip
