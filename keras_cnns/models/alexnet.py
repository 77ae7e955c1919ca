"""AlexNet: a large and deep LeNet, with ReLU and dropout, trained on ImageNet by GPUs.

Krizhevsky, Sutskever and Hinton 2012, ImageNet Classification with Deep Convolutional Neural
Networks, NIPS (section 3.5, figure 2): `alexnet_2012`. Its two GPUs are convolutions of two
groups. The paper prints 224 pixels, from which its maps of 55 do not follow; 227 is the usual
reading. It subtracts a mean image; here, the means of red, green and blue, in this order
(Caffe's files want blue first). `alexnet_ungrouped` is the single tower of many listings: every
filter sees all maps, at 224 pixels, pooled with windows that stick out; as in pytorchcv, whose
normalization divides alpha by its five channels.

Krizhevsky 2014, One weird trick for parallelizing convolutional neural networks,
arXiv:1404.5997: `alexnet_owt`, as in torchvision, which is also the lecture's listing. Its
adaptive pooling to 6x6 is left out: it does nothing at 224 pixels, and at other sizes the first
dense layer takes what there is.

`alexnet_d2l` is the one of Dive into Deep Learning, behind the lecture's complexity table.

`_small`, for images of 32 pixels: the first convolution is 5x5, does not stride and is not pooled
after; 28 pixels are left of 32 where 27 are of 227, then 13 and 6 as in the original.

Weights are drawn by the project's rule, not from the paper's N(0, 0.01), and biases start at 0.
"""

from keras_cnns.blocks import conv, local_response_norm, max_pool, relu, scaled
from keras_cnns.lazy import keras
from keras_cnns.registry import register

# Of each convolution: its number in torchvision's names, side, stride, whether pooling follows.
CONVOLUTIONS = (
    (0, 11, 4, True), (3, 5, 1, True), (6, 3, 1, False), (8, 3, 1, False), (10, 3, 1, True),
)  # fmt: skip
FIRST_SMALL = (0, 5, 1, False)
DENSE = 4096


def alexnet(
    x, *, filters, groups=(1,) * 5, pad=0, lrn=0.0, ceil=False, drop_inputs=False, small=False,
    classes, widths,
):  # fmt: skip
    """Five convolutions and three dense layers, under torchvision's names.

    Args:
        x: images, (batch, height, width, channels).
        filters: of the five convolutions.
        groups: of each of them; 2 is the paper's two GPUs.
        pad: rows and columns of zeros around the image.
        lrn: alpha of the normalization after the first two ReLUs (section 3.3); 0, none.
        ceil: let the last window of a pooling stick out.
        drop_inputs: dropout before the two hidden dense layers, not after.
        small: a first convolution for images of 32 pixels.
        widths: multipliers of the five convolutions and of the hidden dense layers.
    """
    first = FIRST_SMALL if small else CONVOLUTIONS[0]
    for i, (number, side, stride, pooled) in enumerate((first, *CONVOLUTIONS[1:])):
        around = pad if i == 0 else side // 2
        count = scaled(filters[i], widths[i])  # a multiple of 8, so two groups divide it
        name = f"features_{number}"
        x = conv(x, count, side, stride, groups=groups[i], bias=True, pad=around, name=name)
        x = relu(x, name=f"features_{number + 1}")
        if lrn and i < 2:
            name = f"features_{number + 1}_norm"
            x = local_response_norm(x, 5, alpha=lrn, beta=0.75, k=2.0, name=name)
        if pooled:
            x = max_pool(x, 3, 2, ceil=ceil, name=f"features_{number + 2}")
    if not classes:
        return x
    x = keras.layers.Flatten(name="flatten")(x)
    for number in (1, 4):
        if drop_inputs:
            x = keras.layers.Dropout(0.5, name=f"classifier_{number - 1}")(x)
        units = scaled(DENSE, widths[5])
        x = keras.layers.Dense(units, activation="relu", name=f"classifier_{number}")(x)
        if not drop_inputs:
            x = keras.layers.Dropout(0.5, name=f"classifier_{number}_dropout")(x)
    return keras.layers.Dense(classes, name="classifier_6")(x)


PAPER = "NIPS 2012, Krizhevsky et al."
large = (96, 256, 384, 384, 256)
means = {"scale": 1.0, "offset": (-123.68, -116.779, -103.939)}

two_gpus = {"filters": large, "groups": (1, 2, 1, 2, 2), "lrn": 1e-4}
variant = register(alexnet, paper=PAPER, year=2012, stages=6, input_shape=(227, 227, 3), **means)
variant("alexnet_2012", 60_965_224, 724_406_816, smallest=67, **two_gpus)
variant("alexnet_2012_small", 56_881_546, 637_477_376, smallest=11, small=True, **two_gpus)

# pytorchcv's names; torchvision's are ours.
PYTORCHCV = (
    ("^features_stage1_unit1_conv$", "features_0"), ("^features_stage2_unit1_conv$", "features_3"),
    (r"^features_stage3_unit(\d)_conv$", lambda m: f"features_{4 + 2 * int(m[1])}"),
    ("^output_fc1_fc$", "classifier_1"), ("^output_fc2_fc$", "classifier_4"),
    ("^output_fc3$", "classifier_6"),
)  # fmt: skip
variant = register(
    alexnet, paper=PAPER, year=2012, stages=6, smallest=39, renames=PYTORCHCV, **means
)  # fmt: skip
variant("alexnet_ungrouped", 62_378_344, 1_131_457_664, filters=large, lrn=1e-4 / 5, ceil=True)

tower = {"filters": (64, 192, 384, 256, 256), "drop_inputs": True}
variant = register(alexnet, paper="arXiv:1404.5997", year=2014, stages=6)
variant("alexnet_owt", 61_100_840, 714_188_480, smallest=63, pad=2, **tower)
variant("alexnet_owt_small", 57_026_378, 660_515_840, smallest=11, small=True, **tower)

# The lecture's table counts 46,737,440 and 1,005,849,728: without biases and the last layer.
variant = register(
    alexnet, paper="d2l.ai, section 8.1", year=2019, stages=6, scale=1 / 255, offset=0.0
)
variant("alexnet_d2l", 50_844_008, 1_009_945_728, smallest=67, filters=large)
