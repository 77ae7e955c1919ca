"""Augmentation: `draw` decides by chance, `apply` does what was decided.

All geometry is one 3x3 matrix and costs one warp, out of the source image straight to the
model's size; all colour is one affine map and costs one pass. Draws depend on (seed, epoch,
index) alone, so the same image comes out the same in a resumed run, in another order, in any
number of threads or processes.

Images are numpy arrays and the work is OpenCV's, one thread an image. What else was tried is
told in docs/augmentation.md.
"""

import cv2
import numpy as np

from pipelines import colour, geometry
from pipelines.chance import stream
from pipelines.operations import OPERATIONS, UNIFORMS
from pipelines.recipes import FILLS

cv2.setNumThreads(0)  # the pipeline's threads each have an image; more would only wait for them

ROWS = {name: row for row, name in enumerate(OPERATIONS)}  # each has uniform numbers of its own
# Beyond the border of the source lies black, or its mirror image, the border itself twice:
# c b a | a b c.
BORDERS = dict(zip(FILLS, (cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT), strict=True))


def draw(recipe, seed, epoch, index):
    """Draw what happens to one image.

    Args:
        recipe: a `recipes.Augmentation`.
        seed: a whole number >= 0, as are epoch and index.

    Returns:
        {name of an operation: its value}, in the order of OPERATIONS.
    """
    ranges = recipe.ranges
    if recipe.policy:
        ranges = ranges | recipe.policy.ranges(seed, epoch, index)
    uniforms = stream(seed, epoch, index).random((len(OPERATIONS), UNIFORMS + 1))
    values = {}
    for name in sorted(ranges, key=ROWS.get):
        *u, skip = uniforms[ROWS[name]].tolist()
        if skip < recipe.chances.get(name, 1):
            values[name] = OPERATIONS[name].draw(u, *ranges[name])
    return values


def matrix(values, shape, source):
    """The matrix from a pixel of the result to a pixel of the source; see `geometry`.

    Args:
        values: of `draw`.
        shape: (height, width, ...) of the result.
        source: (height, width, ...) of the image that it is made from.
    """
    height, width = shape[:2]
    box = (0, 0, source[1], source[0])
    for name, value in _stage(values, "frame"):
        box = OPERATIONS[name].apply(value, source[1], source[0])
    maps = [OPERATIONS[n].apply(value, width, height) for n, value in _stage(values, "geometry")]
    return geometry.compose(maps, width, height, box)


def apply(image, values, shape=None, *, fill="constant", transform=None, reduced=None):
    """Do what was drawn.

    Args:
        image: uint8 (height, width, 1 or 3).
        values: of `draw`.
        shape: (height, width, channels) of the result; default, that of the image.
        fill: a key of BORDERS.
        transform: of `matrix`, where it is known already.
        reduced: how many times smaller `image` is than the source that `transform` speaks of,
            where it is decided already; see `reduction`.

    Returns:
        uint8 of `shape`.
    """
    shape = shape or image.shape
    image = _channels(image, shape[2])
    if transform is None:
        transform = matrix(values, shape, image.shape)
    image = warp(image, transform, shape, fill, reduced)
    maps = [(OPERATIONS[name].apply, value) for name, value in _stage(values, "colour")]
    if maps:
        image = colour.apply(image, colour.compose(maps, colour.mean(image)))
    for name, value in _stage(values, "texture"):
        image = OPERATIONS[name].apply(image, value)
    return image


def _stage(values, stage):
    return [(n, value) for n, value in values.items() if OPERATIONS[n].stage == stage]


def _channels(image, channels):
    if image.shape[-1] == channels:
        return image
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)


def warp(image, transform, shape, fill, reduced=None):
    """Resample an image once, bilinearly, through a 3x3 matrix, to (height, width) of `shape`.

    Where the result is at least 2 (4, 8) times smaller, the image is reduced by that whole
    factor first, each pixel the mean of a square, so that nothing is skipped.
    """
    if reduced is None:
        image, reduced = reduce(image, reduction(transform, shape))
    if reduced > 1:
        to, half = 1 / reduced, 0.5 / reduced - 0.5  # pixel centres: (x + 0.5) / reduced - 0.5
        transform = np.array([[to, 0, half], [0, to, half], [0, 0, 1]]) @ transform
    stretched = _stretched(image, transform, shape)
    if stretched is not None:
        return stretched.reshape(shape)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size, border = (shape[1], shape[0]), BORDERS[fill]
    warped = cv2.warpPerspective(image, transform, size, flags=flags, borderMode=border)
    return warped.reshape(shape)


def _stretched(image, transform, shape):
    """What `warp` does where it stretches a rectangle of whole pixels: the same at a third.

    Only in the outermost pixels, if it enlarges, is there a difference: nothing beyond the
    rectangle is looked at. None where the matrix does something else.
    """
    (x, skew_x, left), (skew_y, y, top), bottom_row = transform.tolist()
    if skew_x or skew_y or bottom_row != [0, 0, 1]:
        return None
    height, width = shape[:2]
    ends = (left + 0.5 - x / 2, left + 0.5 + x * (width - 0.5))
    ends += (top + 0.5 - y / 2, top + 0.5 + y * (height - 0.5))
    whole = [round(end) for end in ends]
    if any(abs(end - place) > 1e-6 for end, place in zip(ends, whole, strict=True)):
        return None
    (left, right), (top, bottom) = sorted(whole[:2]), sorted(whole[2:])
    if left < 0 or top < 0 or right > image.shape[1] or bottom > image.shape[0]:
        return None
    part = image[top:bottom, left:right]
    if part.shape[:2] != (height, width):
        part = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
    if x < 0 or y < 0:
        part = cv2.flip(part, -1 if x < 0 and y < 0 else int(x < 0))
    return part


def reduce(image, factor):
    """(The image with the mean of each square of `factor` pixels as a pixel, factor)."""
    if factor > 1:
        high, wide = (max(1, side // factor) for side in image.shape[:2])
        image = image[: high * factor, : wide * factor]
        image = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)
    return image, factor


def reduction(transform, shape):
    """The greatest of 1, 2, 4, 8 by which the source can be reduced before it is warped."""
    step = geometry.step(transform, shape[1], shape[0]) + 1e-6
    return 1 if step < 2 else 2 if step < 4 else 4 if step < 8 else 8


def augment(image, recipe, seed, epoch, index, shape=None):
    """Draw and apply a recipe to one image; see `draw` and `apply`."""
    values = draw(recipe, seed, epoch, index) if recipe.active() else {}
    return apply(image, values, shape, fill=recipe.fill)
