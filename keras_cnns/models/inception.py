"""Inception v3 and v4: blocks of parallel branches, with large kernels split into small ones.

Szegedy et al. 2015, Rethinking the Inception Architecture for Computer Vision, arXiv:1512.00567
(table 1, figures 5 to 10): `inception_v3`, as its authors released it and as torchvision has it.
That is not the table to the letter: its stem has a 1x1 convolution and a pooling where the table
has 3x3 convolutions, and its blocks on 35 pixels keep one 5x5 convolution.

Szegedy et al. 2016, Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning, arXiv:1602.07261 (figures 3 to 9): `inception_v4`, as in timm. It has no residual
connections; those are in inception_resnet.py.

`_small`, for images of 32 to 64 pixels: the first two of the five halvings are left out, and the
convolutions up to the third pad the image; 32 pixels end as 3, and all weights have the shapes of
the original.

`inception_v3_aux` gives [logits, auxiliary logits] for training; the paper weighs the auxiliary
loss by 0.3, torchvision's recipe by 0.4. To serve it, take the first output.
"""

from keras_cnns.blocks import avg_pool, classifier, conv, max_pool, norm, relu, scaled
from keras_cnns.lazy import keras
from keras_cnns.registry import register


def unit(x, filters, kernel, stride=1, pad=None, *, name):
    """Convolution, normalization (with the authors' epsilon), ReLU; pad as in `blocks.conv`."""
    x = conv(x, filters, kernel, stride, pad=pad, name=f"{name}_conv")
    return relu(norm(x, epsilon=1e-3, name=f"{name}_bn"), name=f"{name}_relu")


# The poolings of a branch, 3x3 each. "avg" counts the zeros around the image and "avg_inside"
# does not: torchvision's port and Google's own code differ.
POOLS = {
    "avg": lambda x, name: avg_pool(x, 3, 1, pad=1, name=name),
    "avg_inside": lambda x, name: keras.layers.AveragePooling2D(3, 1, "same", name=name)(x),
    "max": lambda x, name: keras.layers.MaxPooling2D(3, 1, "same", name=name)(x),
    "halve": lambda x, name: max_pool(x, 3, 2, name=name),
    "halve_same": lambda x, name: keras.layers.MaxPooling2D(3, 2, "same", name=name)(x),
}


def block(x, branches, width, *, unit=unit, first=0, name):
    """Give x to every branch and concatenate what comes out.

    Args:
        branches: {name: steps}. A step is a key of POOLS, or the (filters, kernel, stride, pad)
            of a convolution, or a list of these, at which the branch forks and ends. "{}" in the
            name stands for the number of the step.
        width: multiplier of all filters.
        unit: what makes a convolution of a step.
        first: number of the first step.
    """
    outputs = []
    for pattern, steps in branches.items():
        ends = [x]
        for number, step in enumerate(steps, first):
            label = f"{name}_{pattern.format(number)}"
            if isinstance(step, str):
                ends = [POOLS[step](ends[0], f"{label}_pool")]
                continue
            # The references letter the ends of a fork: branch3x3_2a, branch3x3_2b.
            forks = zip("ab", step, strict=True) if isinstance(step, list) else [("", step)]
            ends = [
                unit(ends[0], scaled(filters, width), *rest, name=label + letter)
                for letter, (filters, *rest) in forks
            ]
        outputs += ends
    return keras.layers.Concatenate(name=name)(outputs)


# The stem of v3 and of Inception-ResNet, where a text is a pooling.
STEM = (("1a", 32, 3, 2, 0), ("2a", 32, 3, 1, 0), ("2b", 64, 3), "3a", ("3b", 80, 1),
        ("4a", 192, 3, 1, 0))  # fmt: skip


def stem(x, width, *, small, name):
    """Five convolutions, from 299 to 71 pixels; small, they keep the size.

    Args:
        name: pattern of a convolution's letters and side.
    """
    for step in STEM:
        if isinstance(step, str):
            x = x if small else max_pool(x, 3, 2, name=f"maxpool_{step}")
        else:
            letters, filters, side, *rest = step
            rest = () if small else rest
            label = name.format(letters, side)
            x = unit(x, scaled(filters, width), side, *rest, name=label)
    return x


def a3(projected):  # figure 5
    return {
        "branch1x1": [(64, 1)],
        "branch5x5_{}": [(48, 1), (64, 5)],
        "branch3x3dbl_{}": [(64, 1), (96, 3), (96, 3)],
        "branch_pool": ["avg", (projected, 1)],
    }


def b3(narrow):  # figure 6, n = 7
    return {
        "branch1x1": [(192, 1)],
        "branch7x7_{}": [(narrow, 1), (narrow, (1, 7)), (192, (7, 1))],
        "branch7x7dbl_{}": [
            (narrow, 1), (narrow, (7, 1)), (narrow, (1, 7)), (narrow, (7, 1)), (192, (1, 7)),
        ],
        "branch_pool": ["avg", (192, 1)],
    }  # fmt: skip


C3 = {  # figure 7
    "branch1x1": [(320, 1)],
    "branch3x3_{}": [(384, 1), [(384, (1, 3)), (384, (3, 1))]],
    "branch3x3dbl_{}": [(448, 1), (384, 3), [(384, (1, 3)), (384, (3, 1))]],
    "branch_pool": ["avg", (192, 1)],
}
V3 = {  # figure 10 halves the image: 6a and 7a
    "5b": a3(32), "5c": a3(64), "5d": a3(64),
    "6a": {
        "branch3x3": [(384, 3, 2, 0)],
        "branch3x3dbl_{}": [(64, 1), (96, 3), (96, 3, 2, 0)],
        "branch": ["halve"],
    },
    "6b": b3(128), "6c": b3(160), "6d": b3(160), "6e": b3(192),
    "7a": {
        "branch3x3_{}": [(192, 1), (320, 3, 2, 0)],
        "branch7x7x3_{}": [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2, 0)],
        "branch": ["halve"],
    },
    "7b": C3, "7c": C3,
}  # fmt: skip


def inception_v3(x, *, aux=False, small=False, classes, widths):
    """Inception v3, under torchvision's names.

    Args:
        x: images, (batch, height, width, channels).
        aux: give [logits, logits of the auxiliary head], for training.
        small: a stem for images of 32 pixels.
        widths: multipliers of the stem and of the blocks on 35, 17 and 8 pixels.
    """
    x = stem(x, widths[0], small=small, name="Conv2d_{0}_{1}x{1}")
    x = max_pool(x, 3, 2, name="maxpool_5a")
    maps = {}
    for name, branches in V3.items():
        width = widths[int(name[0]) - 4]
        x = maps[name] = block(x, branches, width, first=1, name=f"Mixed_{name}")
    if not classes:
        return x
    logits = classifier(x, classes, dropout=0.5, name="fc")
    return [logits, auxiliary(maps["6e"], classes, widths[2])] if aux else logits


def auxiliary(x, classes, width):
    """Classify the last map of 17 pixels; figure 8, with torchvision's channels."""
    x = avg_pool(x, min(5, *x.shape[1:3]), 3, name="AuxLogits_pool")
    x = unit(x, scaled(128, width), 1, name="AuxLogits_conv0")
    side = min(5, *x.shape[1:3])  # smaller images leave less than the paper's 5x5
    x = unit(x, scaled(768, width), side, 1, 0, name="AuxLogits_conv1")
    x = keras.layers.GlobalAveragePooling2D(name="AuxLogits_mean")(x)
    return keras.layers.Dense(classes, name="AuxLogits_fc")(x)


A4 = {  # figure 4
    "branch0": [(96, 1)],
    "branch1_{}": [(64, 1), (96, 3)],
    "branch2_{}": [(64, 1), (96, 3), (96, 3)],
    "branch3_{}": ["avg_inside", (96, 1)],
}
B4 = {  # figure 5
    "branch0": [(384, 1)],
    "branch1_{}": [(192, 1), (224, (1, 7)), (256, (7, 1))],
    "branch2_{}": [(192, 1), (192, (7, 1)), (224, (1, 7)), (224, (7, 1)), (256, (1, 7))],
    "branch3_{}": ["avg_inside", (128, 1)],
}
C4 = {  # figure 6
    "branch0": [(256, 1)],
    "branch1_{}": [(384, 1), [(256, (1, 3)), (256, (3, 1))]],
    "branch2_{}": [(384, 1), (448, (3, 1)), (512, (1, 3)), [(256, (1, 3)), (256, (3, 1))]],
    "branch3_{}": ["avg_inside", (256, 1)],
}
V4 = (  # after three convolutions: (which width, branches), as figure 9 has them
    (0, {"branch": ["halve"], "conv": [(96, 3, 2, 0)]}),
    (0, {
        "branch0_{}": [(64, 1), (96, 3, 1, 0)],
        "branch1_{}": [(64, 1), (64, (1, 7)), (64, (7, 1)), (96, 3, 1, 0)],
    }),
    (0, {"conv": [(192, 3, 2, 0)], "branch": ["halve"]}),
    *[(1, A4)] * 4,
    (2, {  # figure 7
        "branch0": [(384, 3, 2, 0)],
        "branch1_{}": [(192, 1), (224, 3), (256, 3, 2, 0)],
        "branch": ["halve"],
    }),
    *[(2, B4)] * 7,
    (3, {  # figure 8
        "branch0_{}": [(192, 1), (192, 3, 2, 0)],
        "branch1_{}": [(256, 1), (256, (1, 7)), (320, (7, 1)), (320, 3, 2, 0)],
        "branch": ["halve"],
    }),
    *[(3, C4)] * 3,
)  # fmt: skip


def keeping_size(branches):
    """The same branches with padding for strides."""
    return {
        name: ["max" if step == "halve" else step[:2] for step in steps]
        for name, steps in branches.items()
    }


def inception_v4(x, *, small=False, classes, widths):
    """Inception v4, under timm's names.

    Args:
        x: images, (batch, height, width, channels).
        small: the first two of the halvings left out, for images of 32 pixels.
        widths: multipliers of the stem and of the blocks on 35, 17 and 8 pixels.
    """
    for number, (filters, side, *rest) in enumerate(((32, 3, 2, 0), (32, 3, 1, 0), (64, 3))):
        rest = () if small else rest
        x = unit(x, scaled(filters, widths[0]), side, *rest, name=f"features_{number}")
    for number, (stage, branches) in enumerate(V4, 3):
        if small and number < 5:
            branches = keeping_size(branches)
        x = block(x, branches, widths[stage], name=f"features_{number}")
    return classifier(x, classes, dropout=0.2, name="last_linear") if classes else x


# Pixels of -1..1. torchvision's loader takes ImageNet's mean and deviation, and its published
# network turns them into -1..1 (transform_input).
SIGNED = {"input_shape": (299, 299, 3), "scale": 1 / 127.5, "offset": -1.0, "smallest": 75}
SMALL = {"small": True, "smallest": 15}

variant = register(
    inception_v3, paper="arXiv:1512.00567", year=2015, stages=4,
    renames=(("^AuxLogits_", None),), **SIGNED,
)  # fmt: skip
variant("inception_v3", 23_834_568, 5_713_216_096)
variant("inception_v3_small", 21_806_058, 910_202_368, **SMALL)

variant = register(inception_v3, paper="arXiv:1512.00567", year=2015, stages=4, **SIGNED)
variant("inception_v3_aux", 27_161_264, 5_713_216_096, aux=True)

variant = register(inception_v4, paper="arXiv:1602.07261", year=2016, stages=4, **SIGNED)
variant("inception_v4", 42_679_816, 12_253_974_624)
variant("inception_v4_small", 41_158_186, 2_044_864_512, **SMALL)
