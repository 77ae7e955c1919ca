"""Xception: Inception taken to its end, convolutions split into depthwise and 1x1.

Chollet 2016, Xception: Deep Learning with Depthwise Separable Convolutions, arXiv:1610.02357
(figure 5, without its optional dense layers; dropout of 0.5, as the paper has for ImageNet).

Padding and the constants of normalization are those of the PyTorch port (timm's legacy_xception):
alike on every side, and 1e-5. The author's Keras code pads strided pooling at the bottom and
right, and has 1e-3.

`_small`, for images of 32 to 64 pixels: the first two convolutions pad, and neither the first of
them nor the first block strides; 32 pixels end as 4, and all weights have the shapes of the
original.
"""

from keras_cnns.blocks import classifier, conv, depthwise, max_pool, norm, relu, scaled
from keras_cnns.lazy import keras
from keras_cnns.registry import register


def separable(x, filters, *, name):
    """Depthwise 3x3, then 1x1 to `filters`, with nothing in between."""
    return conv(depthwise(x, 3, name=f"{name}_conv1"), filters, 1, name=f"{name}_pointwise")


def block(x, channels, stride, *, rectified=True, name):
    """Separable convolutions, and pooling if strided, plus x or a projection of it.

    Args:
        channels: of each convolution.
        rectified: whether the first convolution has a ReLU before it, as all others have.
    """
    f, number = x, 0  # torch numbers ReLUs, convolutions and normalizations alike
    for i, filters in enumerate(channels):
        if i > 0 or rectified:
            f = relu(f, name=f"{name}_rep_{number}")
            number += 1
        f = separable(f, filters, name=f"{name}_rep_{number}")
        f = norm(f, name=f"{name}_rep_{number + 1}")
        number += 2
    if stride > 1:
        f = max_pool(f, 3, stride, signed=True, name=f"{name}_rep_{number}")
    if stride > 1 or x.shape[-1] != channels[-1]:
        x = norm(conv(x, channels[-1], 1, stride, name=f"{name}_skip"), name=f"{name}_skipbn")
    return keras.layers.Add(name=f"{name}_add")([f, x])


def xception(x, *, small=False, classes, widths):
    """Entry flow, to a sixteenth of the side; middle flow, eight blocks alike; exit flow.

    Args:
        x: images, (batch, height, width, channels).
        small: an entrance for images of 32 pixels.
        widths: multipliers of the entry flow up to 256 channels, of the 728 channels that lead
            to and through the middle flow, and of the rest.
    """
    entry, middle, last = widths
    stride, pad = (1, None) if small else (2, 0)
    x = conv(x, scaled(32, entry), 3, stride, pad=pad, name="conv1")
    x = relu(norm(x, name="bn1"), name="act1")
    x = conv(x, scaled(64, entry), 3, pad=pad, name="conv2")
    x = relu(norm(x, name="bn2"), name="act2")
    thin, wide = scaled(728, middle), scaled(1024, last)
    x = block(x, [scaled(128, entry)] * 2, stride, rectified=False, name="block1")
    x = block(x, [scaled(256, entry)] * 2, 2, name="block2")
    x = block(x, [thin] * 2, 2, name="block3")
    for number in range(4, 12):
        x = block(x, [thin] * 3, 1, name=f"block{number}")
    x = block(x, [thin, wide], 2, name="block12")
    for number, filters in ((3, 1536), (4, 2048)):
        x = separable(x, scaled(filters, last), name=f"conv{number}")
        x = relu(norm(x, name=f"bn{number}"), name=f"act{number}")
    return classifier(x, classes, dropout=0.5, name="fc") if classes else x


variant = register(
    xception, paper="arXiv:1610.02357", year=2016, stages=3, input_shape=(299, 299, 3),
    scale=1 / 127.5, offset=-1.0,
)  # fmt: skip
variant("xception", 22_855_952, 8_357_403_496, smallest=7)
variant("xception_small", 20_827_442, 1_359_655_936, small=True)
