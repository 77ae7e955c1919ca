"""SqueezeNet: few 3x3 convolutions, each on few channels.

Iandola et al. 2016, SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model
size, arXiv:1602.07360 (table 1, without bypasses). 1.1 is the authors' later plan, with fewer
multiply-adds (github.com/forresti/SqueezeNet, SqueezeNet_v1.1).

As torchvision: the first convolution does not pad, so a 224 pixel image leaves 109 (1.0) where
table 1 prints 111, which takes 227 pixels. A ReLU follows the last convolution, so logits are
never negative, as in the authors' Caffe model.

`_small`, for images of 32 to 64 pixels: the first convolution pads and does not stride, and the
first pooling is left out; 32 pixels end as 8, and all weights have the shapes of the original.
"""

from keras_cnns.blocks import conv, max_pool, relu, scaled
from keras_cnns.lazy import keras
from keras_cnns.registry import register

# Of each pair of fire modules: channels squeezed to, and filters of either kind.
FIRES = ((16, 64), (32, 128), (48, 192), (64, 256))


def fire(x, squeezed, expanded, *, name):
    """1x1 to `squeezed` channels, then 1x1 and 3x3 side by side, `expanded` channels each."""
    x = relu(conv(x, squeezed, 1, bias=True, name=f"{name}_squeeze"), name=f"{name}_squeeze_relu")
    sides = [
        relu(conv(x, expanded, k, bias=True, name=f"{name}_{side}"), name=f"{name}_{side}_relu")
        for k, side in ((1, "expand1x1"), (3, "expand3x3"))
    ]
    return keras.layers.Concatenate(name=name)(sides)


def squeezenet(x, *, filters, kernel, pools, small=False, classes, widths):
    """A strided stem, eight fire modules with three poolings among them, a 1x1 classifier.

    Args:
        x: images, (batch, height, width, channels).
        filters: channels of the first convolution.
        kernel: its side.
        pools: places of the poolings in torchvision's `features`.
        small: nothing strided before the second pooling, for images of 32 pixels.
        widths: multipliers of the stem and of each pair of fire modules.
    """
    stride, pad = (1, None) if small else (2, 0)
    x = conv(x, scaled(filters, widths[0]), kernel, stride, bias=True, pad=pad, name="features_0")
    x = relu(x, name="features_1")
    pairs = zip(FIRES, widths[1:], strict=True)
    modules = [[scaled(n, width) for n in row] for row, width in pairs for _ in range(2)]
    for number in range(2, 2 + len(modules) + len(pools)):
        name = f"features_{number}"
        if small and number == pools[0]:
            continue
        if number in pools:
            x = max_pool(x, 3, 2, ceil=True, name=name)
        else:
            x = fire(x, *modules.pop(0), name=name)
    if classes == 0:
        return x
    x = keras.layers.Dropout(0.5, name="classifier_0")(x)
    # Small at first, as in the authors' Caffe model and in torchvision.
    draw = keras.initializers.RandomNormal(stddev=0.01)
    x = keras.layers.Conv2D(classes, 1, kernel_initializer=draw, name="classifier_1")(x)
    return keras.layers.GlobalAveragePooling2D(name="classifier_3")(relu(x, name="classifier_2"))


later = {"filters": 64, "kernel": 3, "pools": (2, 5, 8)}
variant = register(squeezenet, paper="arXiv:1602.07360", year=2016, stages=5)
variant("squeezenet1_0", 1_248_424, 818_924_576,
        smallest=21, filters=96, kernel=7, pools=(2, 6, 11))  # fmt: skip
variant("squeezenet1_1", 1_235_496, 349_151_936, smallest=17, **later)
variant("squeezenet1_1_small", 727_626, 88_735_744, smallest=4, small=True, **later)
