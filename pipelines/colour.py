"""Colour as affine maps of (R, G, B), composed into one, so that it takes one pass.

Each function returns (matrix (3, 3), offset (3,) or one for all) of levels 0..255. What several
leave out of 0..255 is clipped once, at the end. A grey image is taken as a colour image of three
equal channels, of which the luma is kept.
"""

import math

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
ONE, NONE = np.eye(3), 0.0
# NTSC's YIQ: luma, and two axes of colour in whose plane hue is an angle.
YIQ = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
RGB = np.linalg.inv(YIQ)
# Directions (columns) and spreads, in levels, of the colours of ImageNet: the numbers that
# fb.resnet.torch published for the method of Krizhevsky et al. 2012, section 4.1.
AXES = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)
SPREADS = 255 * np.array([0.2175, 0.0188, 0.0045])


def brightness(factor, mean):
    """Levels v' = factor v."""
    return factor * ONE, NONE


def contrast(factor, mean):
    """Levels v' = m + factor (v - m), m being the mean luma of the image."""
    return factor * ONE, (1 - factor) * (LUMA @ mean)


def saturation(factor, mean):
    """Levels v' = luma + factor (v - luma), the luma being the pixel's own; 0 makes it grey."""
    return factor * ONE + (1 - factor) * LUMA, NONE


def hue(degrees, mean):
    """Turn colours about the grey axis, in the plane of I and Q; the luma stays."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return RGB @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ YIQ, NONE


def pca(weights, mean):
    """Levels v' = v + sum of weight_i spread_i axis_i, over the axes of ImageNet's colours.

    Krizhevsky et al. 2012, section 4.1, where the weights are normal with deviation 0.1.
    """
    return ONE, AXES @ (SPREADS * weights)


def compose(maps, mean):
    """One affine map (3, 4) of several.

    Args:
        maps: of (function of this module, its value), in the order in which they act.
        mean: (3,), the mean levels of the image; each function sees what those before it made.
    """
    matrix, offset = ONE, np.zeros(3)
    for function, value in maps:
        times, plus = function(value, matrix @ mean + offset)
        matrix, offset = times @ matrix, times @ offset + plus
    affine = np.empty((3, 4))
    affine[:, :3], affine[:, 3] = matrix, offset
    return affine


def apply(image, affine):
    """Map the levels of a uint8 image, (h, w, 3) or (h, w, 1), rounded and clipped.

    In whole numbers, which keep 10 bits of each factor: up to one level off, at a sixth of the
    cost of floats.
    """
    if image.shape[-1] == 1:
        factor, offset = LUMA @ affine[:, :3].sum(axis=1), LUMA @ affine[:, 3]
        affine = np.array([[factor, offset]])
    return cv2.transform(image, affine).reshape(image.shape)


def levels(image):
    """Round float levels, ties to even, and clip them to uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def mean(image):
    """The mean levels of R, G and B, (3,)."""
    found = cv2.mean(image)
    return np.array(found[:3] if image.shape[-1] == 3 else found[:1] * 3)
