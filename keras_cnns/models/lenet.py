"""LeNet: convolution, pooling, convolution, pooling, dense layers; the plan of all that follow.

LeCun, Bottou, Bengio and Haffner 1998, Gradient-Based Learning Applied to Document Recognition,
Proceedings of the IEEE 86(11), doi:10.1109/5.726791 (section II.B, figure 2, table I): `lenet5`.
`lenet` is the lecture's own listing (3x3 kernels, ReLU, max pooling). `lenet_d2l` is the one of
Dive into Deep Learning (5x5, sigmoid, average pooling), behind the lecture's complexity table;
`lenet_d2l_bn` is its batch-normalized one, whose layers keep the biases that this makes idle.

Where `lenet5` departs from the paper: subsampling computes mean, then one weight a channel, so
that its weight is 4 times the paper's coefficient of the sum; the ten 7x12 bitmaps are drawn
here after its figure 3. Its logits are minus the distances of the RBF units, so that the
largest is the answer.
"""

import random

from keras_cnns.blocks import norm, scaled
from keras_cnns.lazy import keras
from keras_cnns.registry import register

# Which maps of S2 each map of C3 sees (table I), told apart to break symmetry.
C3 = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip
C3_SEES = 6  # maps of S2 that the table speaks of
F6 = 84  # one unit for each pixel of a bitmap, 7 wide and 12 high

# Figure 3: what F6 should say for each class, +1 where there is ink.
BITMAPS = """
..###.. ...##.. .#####. .#####. ....##. ####### ...###. ####### .#####. .#####.
.##.##. ..###.. ##...## ##...## ...###. ##..... ..##... .....## ##...## ##...##
##...## .####.. .....## .....## ...###. ##..... .##.... .....## ##...## ##...##
##...## ...##.. .....## .....## ..####. ##..... ##..... ....##. ##...## ##...##
##...## ...##.. .....## .....## ..#.##. ######. ##.###. ....##. .##.##. ##...##
##...## ...##.. ....##. ..####. .##.##. .....## ###..## ...##.. ..###.. ##..###
##...## ...##.. ...##.. .....## .#..##. .....## ##...## ...##.. .##.##. .###.##
##...## ...##.. ..##... .....## ##..##. .....## ##...## ..##... ##...## .....##
##...## ...##.. .##.... .....## ####### .....## ##...## ..##... ##...## .....##
##...## ...##.. ##..... .....## ....##. .....## ##...## ..##... ##...## ....##.
.##.##. ...##.. ##..... ##...## ....##. ##...## .##.##. .##.... ##...## ...##..
..###.. .###### ####### .#####. ....##. .#####. ..###.. .##.... .#####. .###...
"""


def codes(classes):
    """One target of `F6` numbers, each -1 or +1, for each class.

    The first ten are the bitmaps of the digits. Others are drawn at random with equal
    probabilities, as section II.B allows, once and for all.
    """
    rows = [line.split() for line in BITMAPS.strip().splitlines()]
    digits = [[1.0 if dot == "#" else -1.0 for dot in "".join(d)] for d in zip(*rows, strict=True)]
    chance = random.Random(1998)
    more = [[chance.choice((-1.0, 1.0)) for _ in range(F6)] for _ in range(classes - len(digits))]
    return (digits + more)[:classes]


def squash(x, *, name):
    """Scaled tanh: 1.7159 tanh(2/3 x), which maps 1 to 1 and -1 to -1 (appendix A)."""
    x = keras.layers.Rescaling(2 / 3, name=f"{name}_slope")(x)
    x = keras.layers.Activation("tanh", name=f"{name}_tanh")(x)
    return keras.layers.Rescaling(1.7159, name=f"{name}_amplitude")(x)


def conv(x, filters, kernel, *, name):
    """Convolution with a bias for each map, weights drawn as the paper does (appendix A)."""
    weights = uniform(kernel * kernel * x.shape[-1])
    return keras.layers.Conv2D(filters, kernel, kernel_initializer=weights, name=name)(x)


def uniform(fan_in):
    """Weights between -2.4 / fan_in and 2.4 / fan_in (appendix A)."""
    return keras.initializers.RandomUniform(-2.4 / fan_in, 2.4 / fan_in)


def subsample(x, *, name):
    """Trainable subsampling: coefficient * (sum of 2x2) + bias for each map, then squashed."""
    x = keras.layers.AveragePooling2D(2, name=f"{name}_mean")(x)
    x = keras.layers.DepthwiseConv2D(1, depthwise_initializer="ones", name=name)(x)
    return squash(x, name=name)


def partial_conv(x, filters, kernel, *, name):
    """C3: each map sees the maps of S2 that table I says; wider nets repeat its pattern.

    One small convolution a map: as grouped convolutions a training step takes 20 times as long
    on TensorFlow's CPU kernels.
    """
    channels = x.shape[-1]
    maps = []
    for i in range(filters):
        row = C3[i * len(C3) // filters]
        seen = [j for j in range(channels) if j * C3_SEES // channels in row]
        inputs = x if len(seen) == channels else keras.ops.take(x, seen, axis=-1)
        maps.append(conv(inputs, 1, kernel, name=f"{name}_{i}"))
    return maps[0] if filters == 1 else keras.layers.Concatenate(name=name)(maps)


def distances(x, classes):
    """Minus the squared Euclidean distance of x to the code of each class (RBF units, eq. 7)."""
    differences = keras.ops.expand_dims(x, 1) - keras.ops.convert_to_tensor(codes(classes))
    # x * x, since TFLite has no integer kernel for the square, nor for a minus sign.
    return keras.ops.sum(differences * differences, axis=-1) * -1.0


def lenet5(x, *, classes, widths):
    """LeNet-5 as published: C1, S2, C3, S4, C5, F6 and RBF outputs.

    Args:
        x: images, (batch, height, width, channels); the paper's are (32, 32, 1).
        widths: multipliers of C1, C3 and C5; F6 has as many units as a bitmap has pixels.
    """
    # Fewer than three maps in C1 would leave some row of table I without any.
    x = conv(x, max(3, scaled(6, widths[0], 1)), 5, name="c1")
    x = subsample(squash(x, name="c1"), name="s2")
    x = partial_conv(x, scaled(16, widths[1], 1), 5, name="c3")
    x = subsample(squash(x, name="c3"), name="s4")
    x = squash(conv(x, scaled(120, widths[2], 1), 5, name="c5"), name="c5")
    if classes == 0:
        return x
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(F6, kernel_initializer=uniform(x.shape[-1]), name="f6")(x)
    return distances(squash(x, name="f6"), classes)


def lenet(x, *, kernel, padding, activation, pool, batch_norm=False, classes, widths):
    """The plan of LeNet with the parts of another time.

    Args:
        x: images, (batch, height, width, channels).
        kernel: side of the two convolutions.
        padding: of the first one.
        activation: after each layer but the last.
        pool: "MaxPooling2D" or "AveragePooling2D", each 2x2.
        batch_norm: normalize before each activation, over a channel or over a dense feature.
        widths: multipliers of the two convolutions and of the two dense layers.
    """
    for i, filters in enumerate((6, 16)):
        x = keras.layers.Conv2D(
            scaled(filters, widths[i], 1),
            kernel,
            padding=padding if i == 0 else "valid",
            activation=None if batch_norm else activation,
            name=f"conv{i + 1}",
        )(x)
        x = _normed(x, activation, name=f"conv{i + 1}") if batch_norm else x
        x = getattr(keras.layers, pool)(2, name=f"pool{i + 1}")(x)
    if classes == 0:
        return x
    x = keras.layers.Flatten(name="flatten")(x)
    for i, units in enumerate((120, 84)):
        units = scaled(units, widths[2 + i], 1)
        layer = None if batch_norm else activation
        x = keras.layers.Dense(units, activation=layer, name=f"fc{i + 1}")(x)
        x = _normed(x, activation, name=f"fc{i + 1}") if batch_norm else x
    return keras.layers.Dense(classes, name="fc3")(x)


def _normed(x, activation, *, name):
    x = norm(x, name=f"{name}_bn")
    return keras.layers.Activation(activation, name=f"{name}_{activation}")(x)


PAPER = "doi:10.1109/5.726791"
digits = {"classes": 10, "scale": 1 / 255, "offset": 0.0}
# Background -0.1 and ink 1.175 make the mean input 0 and its variance 1 (section II.B).
original = digits | {"scale": 1.275 / 255, "offset": -0.1, "loss": "map_criterion"}

variant = register(lenet5, paper=PAPER, year=1998, stages=3, input_shape=(32, 32, 1), **original)
variant("lenet5", 60_000, 327_256, smallest=32)

variant = register(
    lenet, paper="lecture (3x3 listing)", year=2017, stages=4, input_shape=(32, 32, 1), **digits
)
variant("lenet", 81_194, 274_656, smallest=10,
        kernel=3, padding="valid", activation="relu", pool="MaxPooling2D")  # fmt: skip

variant = register(
    lenet, paper="d2l.ai, section 7.6", year=2019, stages=4, input_shape=(28, 28, 1), **digits
)
d2l = {"kernel": 5, "padding": "same", "activation": "sigmoid", "pool": "AveragePooling2D"}
variant("lenet_d2l", 61_706, 416_520, smallest=12, **d2l)

variant = register(
    lenet, paper="d2l.ai, section 8.5", year=2019, stages=4, input_shape=(28, 28, 1), **digits
)
variant("lenet_d2l_bn", 62_158, 416_520, smallest=12, batch_norm=True, **d2l)
