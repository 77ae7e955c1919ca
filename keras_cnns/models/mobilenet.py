"""MobileNet: a depthwise convolution to look around, a 1x1 convolution to mix channels.

Howard et al. 2017, MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications, arXiv:1704.04861 (table 1; the number in a name is the width multiplier alpha).
Sandler, Howard, Zhu, Zhmoginov and Chen 2018, MobileNetV2: Inverted Residuals and Linear
Bottlenecks, arXiv:1801.04381 (table 2). Howard et al. 2019, Searching for MobileNetV3,
arXiv:1905.02244 (tables 1 and 2).

v1 bears the layer names of pytorchcv, v2 and v3 those of torchvision. Strided convolutions pad
alike on every side, as those two do; the authors' TensorFlow code pads at the bottom and right.
v1 has the paper's ReLU, where that code has ReLU6. v3 is torchvision's: its gates narrow to a
quarter of the expanded channels rounded up to a multiple of 8, and the small network's last
1x1 convolution has no gate, which table 2 asks for. Moving statistics have the momentum of
`blocks.norm`; torchvision's v3 moves them ten times slower.

`mobilenet_v3_small` is the paper's own name. Where `_small` follows the name of a network, it is
for images of 32 to 64 pixels: the first two of the five strides, that of the stem and the next,
are 1; 32 pixels end as 4, and all weights have the shapes of the original.
"""

from keras_cnns.blocks import classifier, conv, depthwise, norm, scaled, squeeze_excite
from keras_cnns.lazy import keras
from keras_cnns.registry import register


def unit(x, filters, kernel=1, stride=1, *, act=None, epsilon=1e-5, pad=None, names):
    """A convolution, its normalization and its activation.

    Args:
        filters: channels of the result; None, a depthwise convolution.
        act: name of a Keras activation; None, the result stays linear.
        pad: see `blocks.conv`.
        names: of the convolution and of the normalization.
    """
    if filters is None:
        x = depthwise(x, kernel, stride, pad=pad, name=names[0])
    else:
        x = conv(x, filters, kernel, stride, pad=pad, name=names[0])
    x = norm(x, epsilon=epsilon, name=names[1])
    return keras.layers.Activation(act, name=f"{names[0]}_{act}")(x) if act else x


def pair(name):
    """Names of a convolution and a normalization that share a torch module."""
    return f"{name}_0", f"{name}_1"


# Filters of each unit; every stage but the first strides in its first unit.
V1 = ((64,), (128, 128), (256, 256), (512,) * 6, (1024, 1024))


def mobilenet_v1(x, *, alpha, small=False, classes, widths):
    """Depthwise and 1x1 convolutions in turn, each normalized and rectified.

    Args:
        x: images, (batch, height, width, channels).
        alpha: the paper's multiplier of all channels.
        small: neither the stem nor the second stage strides, for images of 32 pixels.
        widths: multipliers of the five stages; the first scales the stem too.
    """
    name = "features_init_block"
    stem, strided = scaled(int(32 * alpha), widths[0]), range(2 if small else 1, len(V1))
    x = unit(x, stem, 3, 1 if small else 2, act="relu", names=(f"{name}_conv", f"{name}_bn"))
    for stage, row in enumerate(V1):
        for i, filters in enumerate(row):
            name = f"features_stage{stage + 1}_unit{i + 1}"
            stride = 2 if stage in strided and i == 0 else 1
            names = f"{name}_dw_conv_conv", f"{name}_dw_conv_bn"
            x = unit(x, None, 3, stride, act="relu", names=names)
            filters = scaled(int(filters * alpha), widths[stage])
            x = unit(x, filters, act="relu", names=(f"{name}_pw_conv_conv", f"{name}_pw_conv_bn"))
    return classifier(x, classes, name="output") if classes else x


def inverted_residual(
    x, filters, stride, *, expanded=None, kernel=3, act="relu6", gate=None, epsilon=1e-5, pad=None,
    nested=True, drop=0.0, name,
):  # fmt: skip
    """1x1 to widen, depthwise to look around, linear 1x1 to narrow; x is added if shapes allow.

    Args:
        filters: channels of the result, few.
        expanded: channels in between, many; None, those of x, with nothing to widen.
        gate: what `blocks.squeeze_excite` takes, for a gate between the last two; None, no gate.
        pad: see `blocks.conv`.
        nested: whether torch gives the last convolution a module of its own, as v3 does.
        drop: share of images that skip the block in training (stochastic depth).
    """
    options = {"act": act, "epsilon": epsilon, "pad": pad}
    f, number = x, 0
    if expanded:
        f = unit(f, expanded, **options, names=pair(f"{name}_{number}"))
        number += 1
    f = unit(f, None, kernel, stride, **options, names=pair(f"{name}_{number}"))
    number += 1
    if gate:
        f = squeeze_excite(f, **gate, name=f"{name}_{number}")
        number += 1
    names = pair(f"{name}_{number}") if nested else (f"{name}_{number}", f"{name}_{number + 1}")
    f = unit(f, filters, epsilon=epsilon, names=names)
    if stride > 1 or x.shape[-1] != filters:
        return f
    if drop:  # one draw an image: arXiv:1603.09382
        f = keras.layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(f)
    return keras.layers.Add(name=f"{name}_add")([x, f])


V2 = (
    # expansion, filters, blocks, stride of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def strides(rows, small):
    """The last column of a table; small, without its first halving."""
    column = [row[-1] for row in rows]
    if small:
        column[column.index(2)] = 1
    return column


def mobilenet_v2(x, *, small=False, classes, widths):
    """A strided stem, seven stages of inverted residuals, and a wide 1x1 convolution.

    Args:
        x: images, (batch, height, width, channels).
        small: the first two strides are 1, for images of 32 pixels.
        widths: multipliers of the seven stages; the first scales the stem too, and the last the
            wide convolution (which the paper's own multiplier does not shrink).
    """
    step = 1 if small else 2
    x = unit(x, scaled(32, widths[0]), 3, step, act="relu6", names=pair("features_0"))
    number = 1
    stages = zip(V2, strides(V2, small), widths, strict=True)
    for (expansion, filters, depth, _), stride, width in stages:
        for i in range(depth):
            x = inverted_residual(
                x,
                scaled(filters, width),
                stride if i == 0 else 1,
                expanded=expansion * x.shape[-1] if expansion > 1 else None,
                nested=False,
                name=f"features_{number}_conv",
            )
            number += 1
    x = unit(x, scaled(1280, widths[-1]), act="relu6", names=pair(f"features_{number}"))
    return classifier(x, classes, dropout=0.2, name="classifier_1") if classes else x


RE, HS = "relu", "hard_silu"
LARGE = (
    # kernel, expanded, filters, gated, activation, stride
    (3, None, 16, False, RE, 1),
    (3, 64, 24, False, RE, 2),
    (3, 72, 24, False, RE, 1),
    (5, 72, 40, True, RE, 2),
    (5, 120, 40, True, RE, 1),
    (5, 120, 40, True, RE, 1),
    (3, 240, 80, False, HS, 2),
    (3, 200, 80, False, HS, 1),
    (3, 184, 80, False, HS, 1),
    (3, 184, 80, False, HS, 1),
    (3, 480, 112, True, HS, 1),
    (3, 672, 112, True, HS, 1),
    (5, 672, 160, True, HS, 2),
    (5, 960, 160, True, HS, 1),
    (5, 960, 160, True, HS, 1),
)
SMALL = (
    (3, None, 16, True, RE, 2),
    (3, 72, 24, False, RE, 2),
    (3, 88, 24, False, RE, 1),
    (5, 96, 40, True, HS, 2),
    (5, 240, 40, True, HS, 1),
    (5, 240, 40, True, HS, 1),
    (5, 120, 48, True, HS, 1),
    (5, 144, 48, True, HS, 1),
    (5, 288, 96, True, HS, 2),
    (5, 576, 96, True, HS, 1),
    (5, 576, 96, True, HS, 1),
)


def mobilenet_v3(x, *, blocks, hidden, small=False, classes, widths):
    """A strided stem, inverted residuals, a wide 1x1 convolution and one hidden dense layer.

    Args:
        x: images, (batch, height, width, channels).
        blocks: LARGE or SMALL.
        hidden: units of the hidden layer.
        small: the first two strides are 1, for images of 32 pixels.
        widths: multipliers of all channels at each of the five image sizes; the last scales the
            hidden layer too.
    """
    epsilon = 1e-3
    step = 1 if small else 2
    x = unit(x, scaled(16, widths[0]), 3, step, act=HS, epsilon=epsilon, names=pair("features_0"))
    stage, steps = 0, strides(blocks, small)
    for number, (kernel, expanded, filters, gated, act, stride) in enumerate(blocks, 1):
        stage += stride - 1
        wide = scaled(expanded, widths[stage]) if expanded else None
        narrow = -(-(wide or x.shape[-1]) // 32) * 8
        x = inverted_residual(
            x,
            scaled(filters, widths[stage]),
            steps[number - 1],
            expanded=wide,
            kernel=kernel,
            act=act,
            gate={"narrow": narrow, "gate": "hard_sigmoid"} if gated else None,
            epsilon=epsilon,
            name=f"features_{number}_block",
        )
    names = pair(f"features_{len(blocks) + 1}")
    x = unit(x, 6 * x.shape[-1], act=HS, epsilon=epsilon, names=names)
    if classes == 0:
        return x
    x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
    x = keras.layers.Dense(scaled(hidden, widths[-1]), name="classifier_0")(x)
    x = keras.layers.Activation(HS, name="classifier_1")(x)
    x = keras.layers.Dropout(0.2, name="classifier_2")(x)
    return keras.layers.Dense(classes, name="classifier_3")(x)


variant = register(
    mobilenet_v1, paper="arXiv:1704.04861", year=2017, stages=5, scale=1 / 127.5, offset=-1.0
)
variant("mobilenet_v1_1.0", 4_231_976, 568_740_352, alpha=1.0)
variant("mobilenet_v1_0.75", 2_585_560, 325_400_448, alpha=0.75)
variant("mobilenet_v1_0.5", 1_331_592, 149_497_088, alpha=0.5)
variant("mobilenet_v1_0.25", 470_072, 41_030_272, alpha=0.25)
variant("mobilenet_v1_1.0_small", 3_217_226, 175_556_608, alpha=1.0, small=True)
variant("mobilenet_v1_0.25_small", 215_642, 12_038_656, alpha=0.25, small=True)

# timm's names, which count blocks in each stage; torchvision's are ours.
STARTS = [1 + sum(depth for _, _, depth, _ in V2[:stage]) for stage in range(len(V2))]
TIMM = (
    ("^conv_stem$", "features_0_0"), ("^bn1$", "features_0_1"),
    ("^conv_head$", "features_18_0"), ("^bn2$", "features_18_1"),
    ("^blocks_0_0_conv_dw$", "features_1_conv_0_0"), ("^blocks_0_0_bn1$", "features_1_conv_0_1"),
    ("^blocks_0_0_conv_pw$", "features_1_conv_1"), ("^blocks_0_0_bn2$", "features_1_conv_2"),
    (r"^blocks_(\d)_(\d)_", lambda m: f"features_{STARTS[int(m[1])] + int(m[2])}_conv_"),
    ("_conv_pw$", "_0_0"), ("_bn1$", "_0_1"), ("_conv_dw$", "_1_0"), ("_bn2$", "_1_1"),
    ("_conv_pwl$", "_2"), ("_bn3$", "_3"), ("^classifier$", "classifier_1"),
)  # fmt: skip
variant = register(mobilenet_v2, paper="arXiv:1801.04381", year=2018, stages=7, renames=TIMM)
variant("mobilenet_v2", 3_504_872, 300_774_272)
variant("mobilenet_v2_small", 2_236_682, 87_976_448, small=True)

large, little = {"blocks": LARGE, "hidden": 1280}, {"blocks": SMALL, "hidden": 1024}
variant = register(mobilenet_v3, paper="arXiv:1905.02244", year=2019, stages=5)
variant("mobilenet_v3_large", 5_483_032, 216_589_760, **large)
variant("mobilenet_v3_small", 2_542_856, 56_510_400, **little)
variant("mobilenet_v3_large_small", 4_214_842, 66_459_008, small=True, **large)
variant("mobilenet_v3_small_small", 1_528_106, 17_507_328, small=True, **little)
