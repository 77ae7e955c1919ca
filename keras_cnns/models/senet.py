"""SENet: residual networks whose blocks weigh their channels.

Hu, Shen, Albanie, Sun and Wu 2017, Squeeze-and-Excitation Networks, arXiv:1709.01507 (tables 1
and 2). As the authors' Caffe models, and timm's legacy_se* of them: strides of the first ResNet,
a pool without padding in the stem, gates that narrow 16 times and have biases.

`_small`, for images of 32 to 64 pixels: no stride and no pool in the stem, whose 7x7 convolution
is 3x3; 32 pixels end as 4.
"""

from keras_cnns.blocks import squeeze_excite
from keras_cnns.models.resnet import FIFTY, HUNDRED, MORE, resnet, wide_grouped
from keras_cnns.registry import register


def excite(x, *, name):
    """The gate of a block, which narrows 16 times."""
    return squeeze_excite(x, x.shape[-1] // 16, name=f"{name}_se_module")


# timm's names of the first and of the last layers.
RENAMES = (("^layer0_", ""), ("^last_linear$", "fc"))
SE = {"caffe": True, "gate": excite}
X32 = {"groups": 32, "group_width": 4}

DEEP = {
    "block": wide_grouped, "depths": (3, 8, 36, 3), "deep": True, "kernel": 3, "groups": 64,
    "dropout": 0.2, **SE,
}  # fmt: skip

variant = register(
    resnet, paper="arXiv:1709.01507", year=2017, stages=4, renames=RENAMES, smallest=3
)
variant("se_resnet50", 28_088_024, 3_860_488_192, stride_in_1x1=True, **FIFTY, **SE)
variant("se_resnet101", 49_326_872, 7_574_937_600, stride_in_1x1=True, **HUNDRED, **SE)
variant("se_resnet152", 66_821_848, 11_288_993_792, stride_in_1x1=True, **MORE, **SE)
variant("se_resnext50_32x4d", 27_559_896, 4_232_994_816, **X32, **FIFTY, **SE)
variant("se_resnext101_32x4d", 48_955_416, 7_974_739_968, **X32, **HUNDRED, **SE)
variant("senet154", 115_088_984, 20_688_363_520, **DEEP)
variant("se_resnet50_small", 26_051_834, 1_224_847_360,
        small=True, smallest=1, stride_in_1x1=True, **FIFTY, **SE)  # fmt: skip
variant("se_resnext50_32x4d_small", 25_523_706, 1_346_482_176,
        small=True, smallest=1, **X32, **FIFTY, **SE)  # fmt: skip
variant("senet154_small", 113_060_474, 6_414_118_912, small=True, smallest=1, **DEEP)
