"""GoogLeNet and Inception-BN: the first networks of Inception blocks.

Szegedy et al. 2014, Going Deeper with Convolutions, arXiv:1409.4842 (table 1, figure 3):
`googlenet_2014`. What the paper leaves open is as in the reference that came with Caffe
(bvlc_googlenet): the constants of the response normalization, and poolings whose last window
sticks out. Channels are red, green, blue; Caffe's files want blue first.

`googlenet_torchvision` departs from the paper as torchvision does: batch normalization in place
of biases and of response normalization, 3x3 where the paper has 5x5, a last pooling of 2x2, less
dropout.

Ioffe and Szegedy 2015, Batch Normalization, arXiv:1502.03167 (figure 5): `inception_bn_v2`, as
ported to Caffe and PyTorch: the first convolution is a plain one (the paper's is separable), and
convolutions keep biases that the normalization makes idle. Channels are red, green, blue.

Hu et al. 2017, Squeeze-and-Excitation Networks, arXiv:1709.01507 (table 2): `se_bn_inception`, as
the authors' Caffe model, whose convolutions have no biases.

For the question whether a block is worth more than a convolution of its cost: `googlenet_bn_small`
has the paper's blocks, 5x5 included, with batch normalization; in `googlenet_3x3_small` and
`googlenet_5x5_small` each block is one convolution. Their channels are ours, such that at widths
1, 0.5 and 0.25 the three networks do the same multiply-adds to within 2%.

`_small`, for images of 32 to 64 pixels: the first convolution is 3x3, does not stride and is not
pooled after; 32 pixels end as 4.

The _aux names give [logits, two auxiliary logits] for training; the paper weighs each auxiliary
loss by 0.3. To serve them, take the first output.
"""

from keras_cnns.blocks import (
    avg_pool,
    classifier,
    conv,
    local_response_norm,
    max_pool,
    norm,
    relu,
    scaled,
    squeeze_excite,
)
from keras_cnns.lazy import keras
from keras_cnns.models.inception import block, unit
from keras_cnns.registry import register

# 1x1; 3x3 and the 1x1 before it; 5x5 and the 1x1 before it; the 1x1 after the pooling.
TABLE_1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
# The same, with two 3x3 for a 5x5, and the kind of pooling. Without 1x1: a block that halves.
FIGURE_5 = {
    "3a": (64, 64, 64, 64, 96, 32, "avg"),
    "3b": (64, 64, 96, 64, 96, 64, "avg"),
    "3c": (0, 128, 160, 64, 96, 0, "halve_same"),
    "4a": (224, 64, 96, 96, 128, 128, "avg"),
    "4b": (192, 96, 128, 96, 128, 128, "avg"),
    "4c": (160, 128, 160, 128, 160, 128, "avg"),
    "4d": (96, 128, 192, 160, 192, 128, "avg"),
    "4e": (0, 128, 192, 192, 256, 0, "halve_same"),
    "5a": (352, 192, 320, 160, 224, 128, "avg"),
    "5b": (352, 192, 320, 192, 224, 128, "max"),
}


def inception(one, narrow3, three, narrow5, five, projected, *, side=5):
    """Branches of GoogLeNet's block; side is that of the "5x5"."""
    return {
        "branch1": [(one, 1)],
        "branch2_{}": [(narrow3, 1), (three, 3)],
        "branch3_{}": [(narrow5, 1), (five, side)],
        "branch4_{}": ["max", (projected, 1)],
    }


def inception_bn(one, narrow3, three, narrow5, five, projected, pool):
    """Branches of Inception-BN's block."""
    stride = 1 if one else 2
    branches = {
        "branch2_{}": [(narrow3, 1), (three, 3, stride)],
        "branch3_{}": [(narrow5, 1), (five, 3), (five, 3, stride)],
    }
    if not one:
        return branches | {"branch4": [pool]}
    return {"branch1": [(one, 1)], **branches, "branch4_{}": [pool, (projected, 1)]}


def biased(x, filters, kernel, stride=1, *, name):
    """Convolution with biases and ReLU, as before batch normalization.

    Weights are drawn as the reference for Caffe does. By the rule of `blocks.conv`, without
    normalization, the many narrow 1x1 convolutions make the first logits some 10,000 large.
    """
    if stride > 1:
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    x = keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        "same" if stride == 1 else "valid",
        kernel_initializer=keras.initializers.VarianceScaling(1.0, "fan_in", "uniform"),
        bias_initializer=keras.initializers.Constant(0.2),
        name=f"{name}_conv",
    )(x)
    return relu(x, name=f"{name}_relu")


def normed_unit(x, filters, kernel, stride=1, pad=None, *, bias=False, name):
    """Convolution, normalization, ReLU."""
    x = conv(x, filters, kernel, stride, bias=bias, pad=pad, name=f"{name}_conv")
    return relu(norm(x, name=f"{name}_bn"), name=f"{name}_relu")


def biased_unit(*args, **options):
    """The same with biases, as the ports of Inception-BN have."""
    return normed_unit(*args, bias=True, **options)


def strided_pool(x, *, name):
    """The paper's 5x5 windows, 3 apart: from 14 pixels to 4."""
    return avg_pool(x, min(5, *x.shape[1:3]), 3, name=name)


def adaptive_pool(x, *, name):
    """Torchvision's windows, which come to 4x4 from any size."""
    return keras.layers.AdaptiveAveragePooling2D(4, name=name)(x)


def googlenet(
    x, *, blocks, unit, pools=(), lrn=False, dropout=0.0, aux_pool=None, reduction=None,
    small=False, classes, widths,
):  # fmt: skip
    """A stem, then Inception blocks in three stages; under torchvision's names.

    Args:
        x: images, (batch, height, width, channels).
        blocks: {name: branches of `inception.block`}; a name begins with its stage, 3 to 5.
        unit: what makes a convolution.
        pools: (block, side) of each max pooling that follows a block, of stride 2.
        lrn: normalize responses in the stem.
        reduction: how far squeeze-and-excitation after each block narrows; None, no gates.
        aux_pool: pooling of the auxiliary heads on 4a and 4d; None, no such heads.
        small: a first convolution for images of 32 pixels.
        widths: multipliers of the stem and of the stages 3, 4 and 5.
    """
    if small:
        x = unit(x, scaled(64, widths[0]), 3, name="conv1")
    else:
        x = unit(x, scaled(64, widths[0]), 7, 2, name="conv1")
        x = max_pool(x, 3, 2, ceil=True, name="maxpool1")
    x = respond(x, name="conv1_norm") if lrn else x
    x = unit(x, scaled(64, widths[0]), 1, name="conv2")
    x = unit(x, scaled(192, widths[0]), 3, name="conv3")
    x = respond(x, name="conv3_norm") if lrn else x
    x = max_pool(x, 3, 2, ceil=True, name="maxpool2")
    sides, maps = dict(pools), {}
    for name, branches in blocks.items():
        x = block(x, branches, widths[int(name[0]) - 2], unit=unit, name=f"inception{name}")
        if reduction:
            x = squeeze_excite(x, x.shape[-1] // reduction, name=f"inception{name}_se")
        maps[name] = x
        if name in sides:
            x = max_pool(x, sides[name], 2, ceil=True, name=f"maxpool{name[0]}")
    if not classes:
        return x
    logits = classifier(x, classes, dropout=dropout, name="fc")
    if aux_pool is None:
        return logits
    return [logits] + [
        auxiliary(maps[at], classes, widths[2], pool=aux_pool, unit=unit, name=name)
        for at, name in (("4a", "aux1"), ("4d", "aux2"))
    ]


def respond(x, *, name):
    """Local response normalization, with Caffe's constants; it divides alpha by the size."""
    return local_response_norm(x, 5, alpha=1e-4 / 5, beta=0.75, k=1.0, name=name)


def auxiliary(x, classes, width, *, pool, unit, name):
    """Classify an earlier map, to bring gradients to it (section 5)."""
    x = unit(pool(x, name=f"{name}_pool"), scaled(128, width), 1, name=f"{name}_conv")
    x = keras.layers.Flatten(name=f"{name}_flatten")(x)
    x = keras.layers.Dense(scaled(1024, width), activation="relu", name=f"{name}_fc1")(x)
    x = keras.layers.Dropout(0.7, name=f"{name}_dropout")(x)
    return keras.layers.Dense(classes, name=f"{name}_fc2")(x)


means = {"scale": 1.0, "offset": (-123.68, -116.779, -103.939)}
paper = {
    "blocks": {name: inception(*row) for name, row in TABLE_1.items()},
    "pools": (("3b", 3), ("4e", 3)), "unit": biased, "lrn": True, "dropout": 0.4,
}  # fmt: skip
variant = register(googlenet, paper="arXiv:1409.4842", year=2014, stages=4, smallest=31, **means)
variant("googlenet_2014", 6_998_552, 1_582_671_872, **paper)
variant("googlenet_2014_aux", 13_378_280, 1_582_671_872, aux_pool=strided_pool, **paper)
variant("googlenet_2014_small", 5_976_122, 479_700_992, smallest=8, small=True, **paper)

# Pixels of -1..1: see inception.py.
torchvision = {
    "blocks": {name: inception(*row, side=3) for name, row in TABLE_1.items()},
    "pools": (("3b", 3), ("4e", 2)), "unit": unit, "dropout": 0.2,
}  # fmt: skip
signed = {"scale": 1 / 127.5, "offset": -1.0}
variant = register(
    googlenet, paper="arXiv:1409.4842", year=2014, stages=4,
    renames=(("^aux[12]_", None),), **signed,
)  # fmt: skip
variant("googlenet_torchvision", 6_624_904, 1_498_376_192, smallest=15, **torchvision)
variant("googlenet_torchvision_small", 5_602_474, 452_175_872,
        smallest=4, small=True, **torchvision)  # fmt: skip

variant = register(googlenet, paper="arXiv:1409.4842", year=2014, stages=4, **signed)
variant("googlenet_torchvision_aux", 13_004_888, 1_498_376_192,
        smallest=15, aux_pool=adaptive_pool, **torchvision)  # fmt: skip

normed = {"unit": unit, "pools": (("3b", 3), ("4e", 3)), "small": True}
variant("googlenet_bn_small", 5_983_402, 479_700_992, smallest=8, blocks=paper["blocks"], **normed)
for side, params, macs, filters in (
    (3, 6_748_282, 477_440_784, (120, 232, 240, 240, 240, 248, 400, 400, 488)),
    (5, 5_498_490, 473_875_024, (88, 112, 128, 128, 128, 128, 208, 208, 264)),
):
    blocks = {n: {"branch1": [(f, side)]} for n, f in zip(TABLE_1, filters, strict=True)}
    variant(f"googlenet_{side}x{side}_small", params, macs, smallest=8, blocks=blocks, **normed)

blocks = {name: inception_bn(*row) for name, row in FIGURE_5.items()}
v2 = {"blocks": blocks, "unit": biased_unit}
# pytorchcv's names; a unit that halves the image has no branch 1, so its branches count from 2.
PYTORCHCV = (
    ("^features_init_block_conv1_", "conv1_"), ("^features_init_block_conv2_conv1_", "conv2_"),
    ("^features_init_block_conv2_conv2_", "conv3_"),
    ("^features_stage2_unit1_branches_branch1", "inception3c_branch2"),
    ("^features_stage2_unit1_branches_branch2", "inception3c_branch3"),
    ("^features_stage3_unit1_branches_branch1", "inception4e_branch2"),
    ("^features_stage3_unit1_branches_branch2", "inception4e_branch3"),
    (r"^features_stage1_unit(\d)_branches", lambda m: f"inception3{' ab'[int(m[1])]}"),
    (r"^features_stage2_unit(\d)_branches", lambda m: f"inception4{'  abcd'[int(m[1])]}"),
    (r"^features_stage3_unit(\d)_branches", lambda m: f"inception5{'  ab'[int(m[1])]}"),
    (r"_branch(\d)_conv(\d)_", lambda m: f"_branch{m[1]}_{int(m[2]) - 1}_"),
    ("_branch4_conv_", "_branch4_1_"), ("^output$", "fc"),
)  # fmt: skip
variant = register(
    googlenet, paper="arXiv:1502.03167", year=2015, stages=4, renames=PYTORCHCV, **means
)  # fmt: skip
variant("inception_bn_v2", 11_295_240, 2_032_600_064, smallest=7, **v2)
variant("inception_bn_v2_small", 10_272_810, 626_616_320, smallest=2, small=True, **v2)

se = {"blocks": blocks, "unit": normed_unit, "reduction": 16}
variant = register(googlenet, paper="arXiv:1709.01507", year=2017, stages=4, **means)
variant("se_bn_inception", 11_931_622, 2_033_239_424, smallest=7, **se)
variant("se_bn_inception_small", 10_909_192, 627_255_680, smallest=2, small=True, **se)
