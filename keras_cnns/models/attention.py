"""ResNet-50 with what came after squeeze-and-excitation: ECA, CBAM and BAM.

ECA: Wang et al. 2019, ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks,
arXiv:1910.03151 (equations 9 and 12). CBAM: Woo, Park, Lee and Kweon 2018, Convolutional Block
Attention Module, arXiv:1807.06521 (figure 2; equations 2 and 3). BAM: Park, Woo, Lee and Kweon
2018, Bottleneck Attention Module, arXiv:1807.06514 (figure 2; equations 3 to 5).

All stride in the 3x3 convolution (v1.5). `ecaresnet50d` is timm's, on ResNet-50-D: a stem of three
3x3, and shortcuts that stride by a mean. `cbam_resnet50` and `bam_resnet50` are pytorchcv's. BAM
multiplies what channels and pixels say, as its authors' code does; equation 3 adds them.
"""

import math

from keras_cnns.blocks import conv, norm, relu
from keras_cnns.lazy import keras
from keras_cnns.models.resnet import FIFTY, PYTORCHCV, resnet
from keras_cnns.registry import register


def taps(channels):
    """Neighbours that ECA looks at, odd: |log2(channels) / 2 + 1 / 2|, and 3 or more."""
    size = int(abs(math.log2(channels) + 1) / 2)
    return max(3, size if size % 2 else size + 1)


def eca(x, *, name):
    """Scale each channel by a gate computed from its own mean and those of its neighbours."""
    channels, name = x.shape[-1], f"{name}_se"
    y = keras.layers.GlobalAveragePooling2D(name=f"{name}_pool")(x)
    y = keras.layers.Reshape((channels, 1, 1), name=f"{name}_line")(y)
    y = conv(y, 1, (taps(channels), 1), name=f"{name}_conv")
    y = keras.layers.Reshape((1, 1, channels), name=f"{name}_channels")(y)
    y = keras.layers.Activation("sigmoid", name=f"{name}_gate")(y)
    return keras.layers.Multiply(name=f"{name}_scale")([x, y])


def cbam(x, *, name):
    """Scale each channel, then each pixel, by gates computed from means and maxima."""
    channels, name = x.shape[-1], f"{name}_cbam"
    # Side by side, mean and maximum pass the same two layers in one call.
    pooled = [
        keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x),
        keras.layers.GlobalMaxPooling2D(keepdims=True, name=f"{name}_max")(x),
    ]
    y = keras.layers.Concatenate(axis=1, name=f"{name}_pooled")(pooled)
    y = conv(y, max(1, channels // 16), 1, bias=True, name=f"{name}_ch_gate_mlp_fc1")
    y = relu(y, name=f"{name}_ch_gate_relu")
    y = conv(y, channels, 1, bias=True, name=f"{name}_ch_gate_mlp_fc2")
    y = keras.ops.sum(y, axis=1, keepdims=True)
    y = keras.layers.Activation("sigmoid", name=f"{name}_ch_gate")(y)
    x = keras.layers.Multiply(name=f"{name}_ch_scale")([x, y])
    pooled = [keras.ops.max(x, axis=-1, keepdims=True), keras.ops.mean(x, axis=-1, keepdims=True)]
    y = keras.layers.Concatenate(name=f"{name}_sp_pooled")(pooled)
    y = norm(conv(y, 1, 7, name=f"{name}_sp_gate_conv_conv"), name=f"{name}_sp_gate_conv_bn")
    y = keras.layers.Activation("sigmoid", name=f"{name}_sp_gate")(y)
    return keras.layers.Multiply(name=f"{name}_sp_scale")([x, y])


def bam(x, *, name):
    """Scale x by 1 + sigmoid(what its channel says * what its pixel and far neighbours say)."""
    channels, name = x.shape[-1], f"{name}_bam"
    narrow = max(1, channels // 16)

    def unit(y, kernel, part, names, dilation=1):
        pad = dilation * (kernel // 2)
        padding = "same" if pad else 0
        y = conv(y, narrow, kernel, bias=True, pad=padding, dilation=dilation,
                 name=f"{name}_{part}_{names[0]}")  # fmt: skip
        y = norm(y, name=f"{name}_{part}_{names[1]}")
        return relu(y, name=f"{name}_{part}_{names[1]}_relu")

    y = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)
    y = unit(y, 1, "ch_att_init_fc", ("fc", "bn"))
    y = conv(y, channels, 1, bias=True, name=f"{name}_ch_att_final_fc")
    z = unit(x, 1, "sp_att_init_conv", ("conv", "bn"))
    for i in (1, 2):
        z = unit(z, 3, "sp_att_dil_convs", (f"conv{i}", f"bn{i}"), dilation=4)
    z = conv(z, 1, 1, bias=True, name=f"{name}_sp_att_final_conv")
    y = keras.layers.Multiply(name=f"{name}_both")([y, z])
    y = keras.layers.Activation("sigmoid", name=f"{name}_gate")(y)
    y = keras.layers.Rescaling(1.0, 1.0, name=f"{name}_more")(y)
    return keras.layers.Multiply(name=f"{name}_scale")([x, y])


# timm's names of ResNet-50-D; the layer before a projection's convolution is its mean.
DEEP = (
    ("^bn1$", "bn3"), ("^conv1_1$", "bn1"), ("^conv1_4$", "bn2"),
    ("^conv1_0$", "conv1"), ("^conv1_3$", "conv2"), ("^conv1_6$", "conv3"),
    ("_downsample_1$", "_downsample_0"), ("_downsample_2$", "_downsample_1"),
)  # fmt: skip

variant = register(resnet, paper="arXiv:1910.03151", year=2019, stages=4)
variant("eca_resnet50", 25_557_118, 4_089_272_064, gate=eca, **FIFTY)
variant = register(resnet, paper="arXiv:1910.03151", year=2019, stages=4, renames=DEEP)
variant("ecaresnet50d", 25_576_350, 4_328_912_640, gate=eca, deep=True, first=32, base=64,
        average=True, **FIFTY)  # fmt: skip

names = (("_res_unit_", "_"), *PYTORCHCV)
variant = register(resnet, paper="arXiv:1807.06521", year=2018, stages=4, renames=names)
variant("cbam_resnet50", 28_089_624, 4_095_573_110, gate=cbam, **FIFTY)
variant = register(resnet, paper="arXiv:1807.06514", year=2018, stages=4, renames=names)
variant("bam_resnet50", 25_915_099, 4_171_331_328, between=bam, **FIFTY)
