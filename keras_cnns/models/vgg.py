"""VGG: depth from nothing but 3x3 convolutions.

Simonyan and Zisserman 2014, Very Deep Convolutional Networks for Large-Scale Image Recognition,
arXiv:1409.1556: configurations A, B, D and E of table 1. C, with its 1x1 convolutions, and A-LRN
are left out. The _bn names normalize after every convolution, which the paper did not, as
torchvision does. Its adaptive pooling to 7x7 is left out: it does nothing at 224 pixels, and at
other sizes the first dense layer takes what there is.

`_small`, for images of 32 to 64 pixels: the _bn network with the mean over the image in place of
the hidden dense layers; 32 pixels end as 2 before the last pooling.
"""

from keras_cnns.blocks import classifier, conv, max_pool, norm, relu, scaled
from keras_cnns.lazy import keras
from keras_cnns.registry import register

WIDTHS = (64, 128, 256, 512, 512)


def vgg(x, *, depths, batch_norm=False, small=False, classes, widths):
    """Five stages of 3x3 convolutions, each ended by a pooling that halves the image.

    Layers bear torchvision's names, which count every convolution, normalization, ReLU and pool.

    Args:
        x: images, (batch, height, width, channels).
        depths: convolutions in each of the five stages.
        batch_norm: normalize between every convolution and its ReLU.
        small: the mean over the image, for the two hidden dense layers of 4,096.
        widths: multipliers of the five stages; the last one scales the dense layers too.
    """
    number = 0
    for stage, (depth, width) in enumerate(zip(depths, WIDTHS, strict=True)):
        for _ in range(depth):
            x = conv(x, scaled(width, widths[stage]), 3, bias=True, name=f"features_{number}")
            if batch_norm:
                number += 1
                x = norm(x, name=f"features_{number}")
            x = relu(x, name=f"features_{number + 1}")
            number += 2
        x = max_pool(x, 2, 2, name=f"features_{number}")
        number += 1
    if not classes:
        return x
    if small:
        return classifier(x, classes, name="classifier_0")
    x = keras.layers.Flatten(name="flatten")(x)
    for number in (0, 3):
        units = scaled(4096, widths[-1])
        x = keras.layers.Dense(units, activation="relu", name=f"classifier_{number}")(x)
        x = keras.layers.Dropout(0.5, name=f"classifier_{number + 2}")(x)
    return keras.layers.Dense(classes, name="classifier_6")(x)


A, B, D, E = (1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)
# timm's names; torchvision's are ours.
TIMM = (
    ("^pre_logits_fc1$", "classifier_0"), ("^pre_logits_fc2$", "classifier_3"),
    ("^head_fc$", "classifier_6"),
)  # fmt: skip
variant = register(
    vgg, paper="arXiv:1409.1556", year=2014, stages=5, smallest=32, renames=TIMM
)  # fmt: skip
variant("vgg11", 132_863_336, 7_609_090_048, depths=A)
variant("vgg13", 133_047_848, 11_308_466_176, depths=B)
variant("vgg16", 138_357_544, 15_470_264_320, depths=D)
variant("vgg19", 143_667_240, 19_632_062_464, depths=E)
variant("vgg11_bn", 132_868_840, 7_609_090_048, depths=A, batch_norm=True)
variant("vgg13_bn", 133_053_736, 11_308_466_176, depths=B, batch_norm=True)
variant("vgg16_bn", 138_365_992, 15_470_264_320, depths=D, batch_norm=True)
variant("vgg19_bn", 143_678_248, 19_632_062_464, depths=E, batch_norm=True)
variant("vgg11_small", 9_231_114, 152_769_536, depths=A, batch_norm=True, small=True)
variant("vgg16_small", 14_728_266, 313_201_664, depths=D, batch_norm=True, small=True)
