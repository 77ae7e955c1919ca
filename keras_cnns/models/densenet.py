"""DenseNet: every layer sees the features of all before it.

Huang, Liu, van der Maaten and Weinberger 2016, Densely Connected Convolutional Networks,
arXiv:1608.06993 (table 1 for ImageNet; section 3 and table 2 for CIFAR). The plain CIFAR networks
keep all channels between stages and have no 1x1 convolutions; BC has both halvings.

`_small`, for images of 32 to 64 pixels: the stem of CIFAR, one 3x3 convolution with neither stride
nor normalization nor pool, before the stages of ImageNet; 32 pixels end as 4.
"""

from keras_cnns.blocks import avg_pool, classifier, conv, max_pool, norm, relu, scaled
from keras_cnns.lazy import keras
from keras_cnns.registry import register


def dense_layer(x, growth, *, bottleneck, dropout, name):
    """Append `growth` channels computed from all of x: BN-ReLU-1x1 if narrow, BN-ReLU-3x3."""
    f = relu(norm(x, name=f"{name}_norm1"), name=f"{name}_relu1")
    if bottleneck:
        f = conv(f, 4 * growth, 1, name=f"{name}_conv1")
        f = relu(norm(f, name=f"{name}_norm2"), name=f"{name}_relu2")
    f = conv(f, growth, 3, name=f"{name}_conv{2 if bottleneck else 1}")
    if dropout:
        f = keras.layers.Dropout(dropout, name=f"{name}_dropout")(f)
    return keras.layers.Concatenate(name=f"{name}_concat")([x, f])


def transition(x, share, *, name):
    """Between stages: keep a share of the channels, halve the image."""
    filters = int(x.shape[-1] * share)
    x = relu(norm(x, name=f"{name}_norm"), name=f"{name}_relu")
    return avg_pool(conv(x, filters, 1, name=f"{name}_conv"), 2, 2, name=f"{name}_pool")


def densenet(
    x, *, depths, growth, first, classes, widths, bottleneck=True, share=0.5, small=False,
    dropout=0.0,
):  # fmt: skip
    """A stem, dense stages with transitions between them, and a classifier.

    Args:
        x: images, (batch, height, width, channels).
        depths: layers of each stage.
        growth: channels that a layer adds, k of the paper.
        first: channels of the stem.
        bottleneck: a 1x1 convolution to 4 * growth channels in each layer (B).
        share: of the channels that a transition keeps, theta of the paper; 0.5 is C.
        small: a 3x3 stem that keeps the size, for images of 32 pixels.
        dropout: after each layer; the paper's 0.2 for CIFAR without augmentation.
        widths: multipliers of the growth in each stage; the first scales the stem too.
    """
    if small:
        x = conv(x, scaled(first, widths[0]), 3, name="features_conv0")
    else:
        x = conv(x, scaled(first, widths[0]), 7, 2, name="features_conv0")
        x = relu(norm(x, name="features_norm0"), name="features_relu0")
        x = max_pool(x, 3, 2, pad=1, name="features_pool0")
    for stage, depth in enumerate(depths, 1):
        more = scaled(growth, widths[stage - 1], 4)
        for i in range(1, depth + 1):
            name = f"features_denseblock{stage}_denselayer{i}"
            x = dense_layer(x, more, bottleneck=bottleneck, dropout=dropout, name=name)
        if stage < len(depths):
            x = transition(x, share, name=f"features_transition{stage}")
    x = relu(norm(x, name="features_norm5"), name="features_relu5")
    return classifier(x, classes, name="classifier") if classes else x


k32 = {"depths": (6, 12, 24, 16), "growth": 32, "first": 64}
variant = register(densenet, paper="arXiv:1608.06993", year=2016, stages=4, smallest=29)
variant("densenet121", 7_978_856, 2_834_161_664, **k32)
variant("densenet169", 14_149_480, 3_359_843_328, depths=(6, 12, 32, 32), growth=32, first=64)
variant("densenet201", 20_013_928, 4_291_365_888, depths=(6, 12, 48, 32), growth=32, first=64)
variant("densenet161", 28_681_000, 7_727_907_072, depths=(6, 12, 36, 24), growth=48, first=96)
variant("densenet121_small", 6_956_298, 888_350_720, smallest=8, small=True, **k32)

# pytorchcv's names; torchvision's are ours.
PYTORCHCV = (
    ("^features_init_block$", "features_conv0"),
    (r"^features_stage(\d)_unit(\d+)_", r"features_denseblock\1_denselayer\2_"),
    (r"^features_stage(\d)_trans\d_conv_", lambda m: f"features_transition{int(m[1]) - 1}_"),
    (r"^(features_dense.*)_conv(\d)_conv$", r"\1_conv\2"),
    (r"^(features_dense.*)_conv(\d)_bn$", r"\1_norm\2"),
    (r"^(features_trans.*)_bn$", r"\1_norm"),
    ("^features_post_activ_bn$", "features_norm5"),
    ("^output$", "classifier"),
)
variant = register(
    densenet, paper="arXiv:1608.06993", year=2016, stages=3, smallest=4, renames=PYTORCHCV
)
plain = {"bottleneck": False, "share": 1.0, "small": True, "first": 16}
variant("densenet40_k12_cifar", 1_019_722, 264_812_928, depths=(12,) * 3, growth=12, **plain)
variant("densenet100_k12_cifar", 6_979_642, 1_769_516_448, depths=(32,) * 3, growth=12, **plain)
variant("densenet100_k24_cifar", 27_249_082, 6_889_347_744, depths=(32,) * 3, growth=24, **plain)
bc = {"small": True}
variant("densenet_bc100_k12_cifar", 769_162, 287_929_692,
        depths=(16,) * 3, growth=12, first=24, **bc)  # fmt: skip
variant("densenet_bc250_k24_cifar", 15_324_406, 5_418_785_724,
        depths=(41,) * 3, growth=24, first=48, **bc)  # fmt: skip
variant("densenet_bc190_k40_cifar", 25_624_430, 9_301_945_740,
        depths=(31,) * 3, growth=40, first=80, **bc)  # fmt: skip
