"""ShuffleNet: grouped 1x1 convolutions, and a shuffle that lets the groups talk.

Zhang, Zhou, Lin and Sun 2017, ShuffleNet: An Extremely Efficient Convolutional Neural Network for
Mobile Devices, arXiv:1707.01083 (table 1, figure 2; g is the number of groups). Ma, Zhang, Zheng
and Sun 2018, ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design,
arXiv:1807.11164 (table 5, figure 3 c and d).

v1 bears the layer names of pytorchcv and v2 those of torchvision. Both equal their papers but for
one choice: the average pooling of v1 counts the zeros of its padding, as pytorchcv's does; the
paper does not say.

`_small`, for images of 32 to 64 pixels: the stem neither strides nor pools; 32 pixels end as 4, and
all weights have the shapes of the original.
"""

import math

from keras_cnns.blocks import (
    avg_pool,
    channel_shuffle,
    classifier,
    conv,
    depthwise,
    max_pool,
    norm,
    relu,
    scaled,
)
from keras_cnns.lazy import keras
from keras_cnns.registry import register

DEPTHS = (4, 8, 4)  # units in each stage, of both versions


def grouped_unit(x, filters, stride, groups, *, first=False, name):
    """Unit of v1: grouped 1x1, shuffle, depthwise 3x3, grouped 1x1, added to x.

    No ReLU follows the depthwise convolution.

    Args:
        filters: channels of the result. With stride 2, those of x are among them: x is pooled and
            appended instead of added.
        first: the first 1x1 convolution has no groups, since the stem has too few channels.
    """
    # A quarter, in whole groups: the paper's own numbers divide without a rest.
    narrow = max(groups, filters // (4 * groups) * groups)
    more = filters - x.shape[-1] if stride > 1 else filters
    f = conv(x, narrow, 1, groups=1 if first else groups, name=f"{name}_compress_conv1")
    f = relu(norm(f, name=f"{name}_compress_bn1"), name=f"{name}_compress_relu")
    if groups > 1:
        f = channel_shuffle(f, groups, name=f"{name}_c_shuffle")
    f = norm(depthwise(f, 3, stride, name=f"{name}_dw_conv2"), name=f"{name}_dw_bn2")
    f = conv(f, more, 1, groups=groups, name=f"{name}_expand_conv3")
    f = norm(f, name=f"{name}_expand_bn3")
    if stride > 1:
        x = avg_pool(x, 3, stride, pad=1, name=f"{name}_avgpool")
        x = keras.layers.Concatenate(name=f"{name}_concat")([f, x])
    else:
        x = keras.layers.Add(name=f"{name}_add")([f, x])
    return relu(x, name=f"{name}_relu")


def shufflenet_v1(x, *, channels, groups, small=False, classes, widths):
    """A strided stem, then three stages of `grouped_unit`.

    Args:
        x: images, (batch, height, width, channels).
        channels: of the stem and of each stage.
        groups: of the 1x1 convolutions.
        small: a stem for images of 32 pixels.
        widths: multipliers of the stem's channels and of those that each stage adds, which are
            kept multiples of the groups. Stages that add can never come out too narrow to hold
            the channels they append to.
    """
    whole = math.lcm(4, groups)
    stem = "features_init_block"
    x = conv(x, scaled(channels[0], widths[0], whole), 3, 1 if small else 2, name=f"{stem}_conv")
    x = relu(norm(x, name=f"{stem}_bn"), name=f"{stem}_relu")
    x = x if small else max_pool(x, 3, 2, pad=1, name=f"{stem}_pool")
    for stage, depth in enumerate(DEPTHS, 1):
        added = channels[stage] - channels[stage - 1]
        filters = x.shape[-1] + scaled(added, widths[stage], whole)
        for i in range(1, depth + 1):
            first = stage == i == 1
            name = f"features_stage{stage}_unit{i}"
            x = grouped_unit(x, filters, 2 if i == 1 else 1, groups, first=first, name=name)
    return classifier(x, classes, name="output") if classes else x


def look_around(x, filters, stride, *, name, start):
    """Depthwise 3x3, then 1x1 to `filters`, named as torch modules `start` to start + 4."""
    x = norm(depthwise(x, 3, stride, name=f"{name}_{start}"), name=f"{name}_{start + 1}")
    x = norm(conv(x, filters, 1, name=f"{name}_{start + 2}"), name=f"{name}_{start + 3}")
    return relu(x, name=f"{name}_{start + 4}")


def split_unit(x, half, stride, *, name):
    """Unit of v2: one half of the channels passes by, the other is convolved, both are shuffled.

    Args:
        half: channels of each half of the result. With stride 2 both halves see all of x.
    """
    if stride > 1:
        left, right = look_around(x, half, stride, name=f"{name}_branch1", start=0), x
    else:
        left, right = keras.ops.split(x, 2, axis=-1)
    right = norm(conv(right, half, 1, name=f"{name}_branch2_0"), name=f"{name}_branch2_1")
    right = relu(right, name=f"{name}_branch2_2")
    right = look_around(right, half, stride, name=f"{name}_branch2", start=3)
    x = keras.layers.Concatenate(name=f"{name}_concat")([left, right])
    return channel_shuffle(x, 2, name=f"{name}_shuffle")


def shufflenet_v2(x, *, channels, small=False, classes, widths):
    """A strided stem, three stages of `split_unit`, and a 1x1 convolution.

    Args:
        x: images, (batch, height, width, channels).
        channels: of the stem, of each stage and of the last convolution.
        small: a stem for images of 32 pixels.
        widths: multipliers of the same five.
    """
    x = conv(x, scaled(channels[0], widths[0]), 3, 1 if small else 2, name="conv1_0")
    x = relu(norm(x, name="conv1_1"), name="conv1_2")
    x = x if small else max_pool(x, 3, 2, pad=1, name="maxpool")
    for stage, depth in enumerate(DEPTHS, 1):
        half = scaled(channels[stage] // 2, widths[stage], 4)
        for i in range(depth):
            x = split_unit(x, half, 2 if i == 0 else 1, name=f"stage{stage + 1}_{i}")
    x = conv(x, scaled(channels[4], widths[4]), 1, name="conv5_0")
    x = relu(norm(x, name="conv5_1"), name="conv5_2")
    return classifier(x, classes, name="fc") if classes else x


three = {"channels": (24, 240, 480, 960), "groups": 3}
variant = register(shufflenet_v1, paper="arXiv:1707.01083", year=2017, stages=4)
variant("shufflenet_v1_g1", 1_531_936, 143_078_976, channels=(24, 144, 288, 576), groups=1)
variant("shufflenet_v1_g2", 1_733_848, 140_836_512, channels=(24, 200, 400, 800), groups=2)
variant("shufflenet_v1_g3", 1_865_728, 137_460_672, **three)
variant("shufflenet_v1_g4", 1_968_344, 134_339_776, channels=(24, 272, 544, 1088), groups=4)
variant("shufflenet_v1_g8", 2_434_768, 138_365_952, channels=(24, 384, 768, 1536), groups=8)
variant("shufflenet_v1_g3_small", 914_338, 42_590_592, small=True, **three)

one = {"channels": (24, 116, 232, 464, 1024)}
variant = register(shufflenet_v2, paper="arXiv:1807.11164", year=2018, stages=5)
variant("shufflenet_v2_x0_5", 1_366_792, 40_476_448, channels=(24, 48, 96, 192, 1024))
variant("shufflenet_v2_x1_0", 2_278_604, 144_907_992, **one)
variant("shufflenet_v2_x1_5", 3_503_624, 295_759_392, channels=(24, 176, 352, 704, 1024))
variant("shufflenet_v2_x2_0", 7_393_996, 583_253_464, channels=(24, 244, 488, 976, 2048))
variant("shufflenet_v2_x1_0_small", 1_263_854, 45_002_112, small=True, **one)
