"""Inception-ResNet: Inception blocks that learn a correction to their input.

Szegedy et al. 2016, Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning, arXiv:1602.07261 (figures 10 to 20), as the networks that came to be used:

`inception_resnet_v2` is the authors' release, under timm's names: the stem of Inception v3 and
10, 20 and 10 blocks, where the paper draws the stem of Inception v4 and 5, 10 and 5 blocks.
`inception_resnet_v1` has the paper's 5 and 10 blocks of the first kinds, then 6 of the last, and
a dense layer of 512 before the classifier; both come from FaceNet's code, which every known count
of this network follows.

As in the release, what a block adds is scaled by 0.17, 0.10 or 0.20 (the paper: "between 0.1 and
0.3"), but by 1 in the last block, which has no ReLU either; and the convolution that ends a block
has biases and no normalization.

`_small`, for images of 32 to 64 pixels: the stem of `inception_v3_small`; 32 pixels end as 3, and
all weights have the shapes of the original.
"""

from keras_cnns.blocks import classifier, conv, max_pool, norm, relu, scaled
from keras_cnns.lazy import keras
from keras_cnns.models.inception import SIGNED, SMALL, block, stem, unit
from keras_cnns.registry import register

# Branches of the blocks A, B and C and of those between them that halve the image.
V1 = {
    "a": {  # figure 10
        "branch0": [(32, 1)],
        "branch1_{}": [(32, 1), (32, 3)],
        "branch2_{}": [(32, 1), (32, 3), (32, 3)],
    },
    "6a": {  # figure 7
        "branch0": [(384, 3, 2, 0)],
        "branch1_{}": [(192, 1), (192, 3), (256, 3, 2, 0)],
        "branch": ["halve"],
    },
    "b": {  # figure 11
        "branch0": [(128, 1)],
        "branch1_{}": [(128, 1), (128, (1, 7)), (128, (7, 1))],
    },
    "7a": {  # figure 12
        "branch0_{}": [(256, 1), (384, 3, 2, 0)],
        "branch1_{}": [(256, 1), (256, 3, 2, 0)],
        "branch2_{}": [(256, 1), (256, 3), (256, 3, 2, 0)],
        "branch": ["halve"],
    },
    "c": {  # figure 13
        "branch0": [(192, 1)],
        "branch1_{}": [(192, 1), (192, (1, 3)), (192, (3, 1))],
    },
}
V2 = {
    "5b": {  # of the release
        "branch0": [(96, 1)],
        "branch1_{}": [(48, 1), (64, 5)],
        "branch2_{}": [(64, 1), (96, 3), (96, 3)],
        "branch3_{}": ["avg_inside", (64, 1)],
    },
    "a": {  # figure 16
        "branch0": [(32, 1)],
        "branch1_{}": [(32, 1), (32, 3)],
        "branch2_{}": [(32, 1), (48, 3), (64, 3)],
    },
    "6a": {  # figure 7
        "branch0": [(384, 3, 2, 0)],
        "branch1_{}": [(256, 1), (256, 3), (384, 3, 2, 0)],
        "branch": ["halve"],
    },
    "b": {  # figure 17
        "branch0": [(192, 1)],
        "branch1_{}": [(128, 1), (160, (1, 7)), (192, (7, 1))],
    },
    "7a": {  # figure 18
        "branch0_{}": [(256, 1), (384, 3, 2, 0)],
        "branch1_{}": [(256, 1), (288, 3, 2, 0)],
        "branch2_{}": [(256, 1), (288, 3), (320, 3, 2, 0)],
        "branch": ["halve"],
    },
    "c": {  # figure 19
        "branch0": [(192, 1)],
        "branch1_{}": [(192, 1), (224, (1, 3)), (256, (3, 1))],
    },
}


def residual(x, branches, scale, width, *, activate=True, name):
    """Sum of x and scale * f(x); f is an Inception block and a 1x1 convolution to x's shape."""
    f = block(x, branches, width, name=name)
    f = conv(f, x.shape[-1], 1, bias=True, name=f"{name}_conv2d")
    if scale != 1:
        f = keras.layers.Rescaling(scale, name=f"{name}_scale")(f)
    x = keras.layers.Add(name=f"{name}_add")([x, f])
    return relu(x, name=f"{name}_relu") if activate else x


def repeat(x, branches, times, scale, width, *, name):
    """A row of equal residual blocks."""
    for i in range(times):
        x = residual(x, branches, scale, width, name=f"{name}_{i}")
    return x


def inception_resnet(x, *, branches, depths, last=0, embedding=0, small=False, classes, widths):
    """The stem of Inception v3, then three stages of residual Inception blocks.

    Args:
        x: images, (batch, height, width, channels).
        branches: V1 or V2.
        depths: blocks of each stage; one more ends the third.
        last: channels of the 1x1 convolution that ends v2.
        embedding: units of the dense layer that ends v1.
        small: a stem for images of 32 pixels.
        widths: multipliers of the stem and of the blocks on 35, 17 and 8 pixels.
    """
    entrance, *inner = widths
    x = stem(x, entrance, small=small, name="conv2d_{}")
    if "5b" in branches:
        x = max_pool(x, 3, 2, name="maxpool_5a")
        x = block(x, branches["5b"], inner[0], name="mixed_5b")
    else:
        x = unit(x, scaled(256, entrance), 3, 2, 0, name="conv2d_4b")
    x = repeat(x, branches["a"], depths[0], 0.17, inner[0], name="repeat")
    x = block(x, branches["6a"], inner[1], name="mixed_6a")
    x = repeat(x, branches["b"], depths[1], 0.10, inner[1], name="repeat_1")
    x = block(x, branches["7a"], inner[2], name="mixed_7a")
    x = repeat(x, branches["c"], depths[2], 0.20, inner[2], name="repeat_2")
    x = residual(x, branches["c"], 1, inner[2], activate=False, name="block8")
    if last:
        x = unit(x, scaled(last, inner[2]), 1, name="conv2d_7b")
    if not classes:
        return x
    if not embedding:
        return classifier(x, classes, dropout=0.2, name="classif")
    x = keras.layers.GlobalAveragePooling2D(name="global_pool")(x)
    x = keras.layers.Dropout(0.2, name="dropout")(x)
    x = keras.layers.Dense(scaled(embedding, inner[2]), use_bias=False, name="last_linear")(x)
    x = norm(x, epsilon=1e-3, name="last_bn")
    return keras.layers.Dense(classes, name="classif")(x)


# pytorchcv's names of v1.
STEM_V1 = ("1a", "2a", "2b", "3b", "4a", "4b")
PYTORCHCV = (
    (r"^features_init_block_conv(\d)_", lambda m: f"conv2d_{STEM_V1[int(m[1]) - 1]}_"),
    ("^features_stage2_unit1_branches_branch1_conv_list_conv1_", "mixed_6a_branch0_"),
    ("^features_stage2_unit1_branches_", "mixed_6a_"),
    ("^features_stage3_unit1_branches_", "mixed_7a_"), ("^features_stage3_unit7_", "block8_"),
    (r"^features_stage1_unit(\d+)_", lambda m: f"repeat_{int(m[1]) - 1}_"),
    (r"^features_stage([23])_unit(\d+)_", lambda m: f"repeat_{int(m[1]) - 1}_{int(m[2]) - 2}_"),
    ("_branches_", "_"),
    (r"_branch(\d)_conv_list_conv(\d)_", lambda m: f"_branch{int(m[1]) - 1}_{int(m[2]) - 1}_"),
    (r"_branch(\d)_conv_(conv|bn)$", lambda m: f"_branch{int(m[1]) - 1}_{m[2]}"),
    (r"^(repeat[_\d]*|block8)_conv$", r"\1_conv2d"),
    ("^output_fc1$", "last_linear"), ("^output_bn$", "last_bn"), ("^output_fc2$", "classif"),
)  # fmt: skip
v1 = {"branches": V1, "depths": (5, 10, 5), "embedding": 512}
v2 = {"branches": V2, "depths": (10, 20, 9), "last": 1536}
variant = register(
    inception_resnet, paper="arXiv:1602.07261", year=2016, stages=4, renames=PYTORCHCV, **SIGNED
)  # fmt: skip
variant("inception_resnet_v1", 23_995_624, 6_308_235_360, **v1)
variant("inception_resnet_v1_small", 23_487_754, 1_018_232_832, **v1, **SMALL)
variant = register(inception_resnet, paper="arXiv:1602.07261", year=2016, stages=4, **SIGNED)
variant("inception_resnet_v2", 55_843_464, 13_155_794_016, **v2)
variant("inception_resnet_v2_small", 54_321_834, 2_168_480_768, **v2, **SMALL)
