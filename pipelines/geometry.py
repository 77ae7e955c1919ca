"""Geometry as 3x3 matrices, composed into one, so that an image is resampled once.

A matrix takes a point (x, y, 1) of the result to the point of the image that is shown there,
so each is the inverse of what its augmentation does. Pixel centres lie at whole numbers. The
functions from `flip_x` to `shift_y` act about the centre of the model's frame of width x height
pixels; `crop` and `window` choose the part of the source that fills this frame.
"""

import math

import numpy as np


def _matrix(xx=1.0, xy=0.0, x=0.0, yx=0.0, yy=1.0, y=0.0, px=0.0, py=0.0):
    return np.array([[xx, xy, x], [yx, yy, y], [px, py, 1.0]])


def flip_x(on, width, height):
    """Mirror left to right: x' = -x."""
    return _matrix(xx=1 - 2 * on)


def flip_y(on, width, height):
    """Mirror top to bottom: y' = -y."""
    return _matrix(yy=1 - 2 * on)


def scale(factor, width, height):
    """Enlarge: (x', y') = factor (x, y)."""
    return _matrix(xx=1 / factor, yy=1 / factor)


def rotate(degrees, width, height):
    """Turn clockwise by a: x' = x cos a - y sin a, y' = x sin a + y cos a (y points down)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return _matrix(xx=cos, xy=sin, yx=-sin, yy=cos)


def shear_x(degrees, width, height):
    """Slant the uprights by a: x' = x + y tan a."""
    return _matrix(xy=-math.tan(math.radians(degrees)))


def shear_y(degrees, width, height):
    """Slant the levels by a: y' = y + x tan a."""
    return _matrix(yx=-math.tan(math.radians(degrees)))


def perspective_x(share, width, height):
    """Turn the right side away: (x', y') = (x, y) / (1 + share x / (width / 2))."""
    return _matrix(px=-2 * share / width)


def perspective_y(share, width, height):
    """Turn the lower side away: (x', y') = (x, y) / (1 + share y / (height / 2))."""
    return _matrix(py=-2 * share / height)


def pad_x(share, width, height):
    """Pad, and crop back: x' = x + round(share width), whole pixels, so nothing is blurred."""
    return _matrix(x=-round(share * width))


def pad_y(share, width, height):
    """Pad, and crop back: y' = y + round(share height)."""
    return _matrix(y=-round(share * height))


def shift_x(share, width, height):
    """Move right: x' = x + share width."""
    return _matrix(x=-share * width)


def shift_y(share, width, height):
    """Move down: y' = y + share height."""
    return _matrix(y=-share * height)


def crop(value, width, height):
    """A part of the source with a share `area` of its pixels, `aspect` = width / height.

    An aspect at which the part would not fit in is brought to the nearest that does; torchvision
    and TensorFlow draw again instead, up to 10 or 100 times.

    Args:
        value: (area, aspect, x, y); x and y place it, 0 at the left or top, 1 at the other side.
        width: of the source, as is height.

    Returns:
        (left, top, width, height) in whole pixels of the source.
    """
    area, aspect, x, y = value
    aspect = min(max(aspect, area * width / height), width / (area * height))
    size = math.sqrt(area * width * height * aspect), math.sqrt(area * width * height / aspect)
    return _placed(size, x, y, width, height)


def window(value, width, height):
    """A square of the source whose side is `share` of its shorter side; see `crop`."""
    share, x, y = value
    side = share * min(width, height)
    return _placed((side, side), x, y, width, height)


def _placed(size, x, y, width, height):
    wide, tall = (
        min(max(1, round(s)), most) for s, most in zip(size, (width, height), strict=True)
    )
    return round(x * (width - wide)), round(y * (height - tall)), wide, tall


def compose(matrices, width, height, box):
    """One matrix from a pixel of the model's frame to a pixel of the source.

    Args:
        matrices: of this module, in the order in which their augmentations act.
        width: of the model's frame, as is height.
        box: (left, top, width, height) of the part of the source that fills the frame.
    """
    left, top, box_width, box_height = box
    x, y = box_width / width, box_height / height
    total = _matrix(xx=x, x=left + box_width / 2 - 0.5, yy=y, y=top + box_height / 2 - 0.5)
    for matrix in matrices:
        total = total @ matrix
    return total @ _matrix(x=-(width - 1) / 2, y=-(height - 1) / 2)


def step(matrix, width, height):
    """How many source pixels lie between two neighbours of the result, at the centre.

    The least over all directions (the smaller singular value of the Jacobian), so that an image
    reduced by it beforehand still has all the detail that the result can show.
    """
    (xx, xy, x), (yx, yy, y), (wx, wy, w) = matrix.tolist()  # floats: arrays would cost thrice
    middle, centre = (width - 1) / 2, (height - 1) / 2
    w += wx * middle + wy * centre
    x = (x + xx * middle + xy * centre) / w
    y = (y + yx * middle + yy * centre) / w
    xx, xy, yx, yy = xx - x * wx, xy - x * wy, yx - y * wx, yy - y * wy
    return abs(math.hypot(xx + yy, xy - yx) - math.hypot(xx - yy, xy + yx)) / abs(2 * w)
