"""Several views of one image, whose probabilities are averaged: evaluation as the papers did it.

Each way is a function of the image's height and width and of the model's, in numbers alone;
`cut` then takes the pixels. The papers state theirs for 224 x 224 crops of images of 256 on the
shorter side; here both scale with the model's size.
"""

import math
from dataclasses import dataclass

from pipelines import errors

LONGEST = 8  # a banner of 1 x 5,000 pixels would become 256 x 1,280,000


@dataclass(frozen=True)
class View:
    """A crop: resize the image to `resized`, cut `size` at (top, left), bring it to the model's
    size, mirror it left to right.
    """

    resized: tuple[int, int]  # height, width, in pixels
    top: int
    left: int
    size: tuple[int, int]  # height, width
    mirrored: bool


def flip(image, model):
    """The whole image as evaluation shows it, and its mirror image: 2 views."""
    return _both_ways([(model, 0, 0, model)])


def ten_crop(image, model):
    """Krizhevsky, Sutskever and Hinton 2012, section 4.1: 10 views.

    The image's shorter side becomes 256, its central 256 x 256 is kept, and of it the four corners
    and the centre, 224 x 224, with their mirror images.
    """
    resized = _covering(image, model, 256 / 224)
    square = [round(side * 256 / 224) for side in model]
    top, left = ((whole - part) // 2 for whole, part in zip(resized, square, strict=True))
    places = _corners_and_centre(square, model)
    return _both_ways([(resized, top + y, left + x, model) for y, x in places])


def multi_crop(image, model):
    """Simonyan and Zisserman 2014, section 3.2: 150 views.

    At shorter sides of 256, 384 and 512, a regular grid of 5 x 5 crops with their mirror images.
    """
    views = []
    for side in (256, 384, 512):
        resized = _covering(image, model, side / 224)
        rows, columns = (
            [round(i * (whole - part) / 4) for i in range(5)]
            for whole, part in zip(resized, model, strict=True)
        )
        views += [(resized, y, x, model) for y in rows for x in columns]
    return _both_ways(views)


def crops_144(image, model):
    """Szegedy et al. 2014 (GoogLeNet), section 7: 144 views.

    At shorter sides of 256, 288, 320 and 352: the left, centre and right square (top, centre and
    bottom of an upright image); of each the four corners, the centre, and the square itself
    brought to 224 x 224, with their mirror images.
    """
    views = []
    for side in (256, 288, 320, 352):
        resized = _covering(image, model, side / 224)
        square = [min(round(m * side / 224), r) for m, r in zip(model, resized, strict=True)]
        for third in range(3):
            top, left = ((r - s) * third // 2 for r, s in zip(resized, square, strict=True))
            views += [
                (resized, top + y, left + x, model) for y, x in _corners_and_centre(square, model)
            ]
            views.append((resized, top, left, tuple(square)))
    return _both_ways(views)


WAYS = {"flip": flip, "ten-crop": ten_crop, "multi-crop": multi_crop, "144-crop": crops_144}


def find(name):
    """The way of that name.

    Raises:
        UserError: there is none.
    """
    return errors.find(name, WAYS, "no test-time augmentation is named")


def _covering(image, model, factor):
    """Height and width at which the image just covers the model's, times a factor.

    An image more than LONGEST times as long as it is wide is stretched to that.
    """
    height, width = (m * factor for m in model)
    shorter = min(image)
    image = [min(side, LONGEST * shorter) for side in image]
    scale = max(height / image[0], width / image[1])
    # Rounded up after a hair is taken off: 256.0000001 is 256.
    return tuple(
        max(math.ceil(side * scale - 1e-6), m) for side, m in zip(image, model, strict=True)
    )


def _corners_and_centre(whole, part):
    bottom, right = (w - p for w, p in zip(whole, part, strict=True))
    return [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]


def _both_ways(views):
    return [View(*view, mirrored) for view in views for mirrored in (False, True)]


def cut(image, views, shape):
    """Take the pixels of views.

    Args:
        image: uint8 (height, width, 1 or 3).
        views: of one of the WAYS.
        shape: (height, width, channels) of the model.

    Returns:
        uint8 (views, height, width, channels).
    """
    import numpy as np  # here: `evaluate --help` lists the WAYS

    from pipelines.decode import to_size

    resized = {}
    crops = []
    for view in views:
        if view.resized not in resized:
            resized[view.resized] = to_size(image, (*view.resized, shape[2])).numpy()
        y, x, (height, width) = view.top, view.left, view.size
        crop = resized[view.resized][y : y + height, x : x + width]
        if view.size != tuple(shape[:2]):
            crop = to_size(crop, shape).numpy()
        crops.append(crop[:, ::-1] if view.mirrored else crop)
    return np.stack(crops)
