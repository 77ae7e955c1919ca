"""Decode no more of a JPEG than augmentation will show: the part in view, at the scale in view.

Of a photograph of a telephone, seen at 224 pixels, that is a small share of the work: libjpeg
skips what lies outside the part, and makes an eighth of the pixels of each row by a smaller
inverse cosine transform. The result is what decoding all of it would give, but for a level or
so where the scale is reduced (there the mean of a square is taken before, not after, YCbCr).
"""

import numpy as np
import tensorflow as tf

from pipelines import augment, geometry
from pipelines.decode import decode

MARGIN = 4  # pixels about the part: interpolation, and chroma, which JPEG keeps at half size


def part_in_view(recipe, seed, epoch, index, source, shape):
    """Which part of a source an augmented image is made from.

    Args:
        recipe: with seed, epoch and index, what `augment.draw` takes.
        source: (height, width) of the whole.
        shape: (height, width, channels) of the result.

    Returns:
        (factor, left, top, width, height): how many times the source may be reduced, then a
        rectangle in pixels of the reduced source.
    """
    transform = augment.matrix(augment.draw(recipe, seed, epoch, index), shape, source)
    factor = augment.reduction(transform, shape)
    size = -(-np.array([source[1], source[0]]) // factor)
    seen = geometry.corners(transform, shape[1], shape[0])
    if seen is None:
        return factor, 0, 0, *size
    seen = (seen + 0.5) / factor - 0.5
    low, high = np.floor(seen.min(0)) - MARGIN, np.ceil(seen.max(0)) + MARGIN + 1
    # What lies beyond a border may be the mirror image of what lies as far inside.
    low, high = np.minimum(low, 2 * size - high), np.maximum(high, -low)
    low, high = np.clip(low, 0, size - 1), np.clip(high, 1, size)
    return factor, *low, *(high - low)


def reader(split, shape, recipe, seed):
    """Graph code: (epoch, index) -> augmented uint8 image of `shape`, out of the source itself."""
    items = [tf.constant(item) for item in split.items]

    def plan(size, epoch, index):
        found = part_in_view(recipe, seed, epoch, index, size.tolist(), shape)
        return np.array(found, np.int32)

    def finish(image, size, part, epoch, index):
        options = {"source": size.tolist(), "part": part[:3].tolist()}
        return augment.augment(image, recipe, seed, epoch, index, shape, **options)

    def read(epoch, index):
        row = [item[index] for item in items]
        image, size, part = _read(split, row, lambda size: _numpy(plan, [size, epoch, index]))
        image = _numpy(finish, [image, size, part, epoch, index], tf.uint8)
        return tf.ensure_shape(image, shape)

    return read


def _numpy(function, inputs, output=tf.int32):
    return tf.numpy_function(function, inputs, output, stateful=False)


def _read(split, row, plan):
    """(The image or the part that `plan` asks for, size of the whole, part)."""
    if split.encoded is None:
        return _whole(split.read(*row))
    data, orientation, alpha = split.encoded(*row)
    upright_jpeg = tf.io.is_jpeg(data) & tf.equal(orientation, 1)
    return tf.cond(
        upright_jpeg,
        lambda: _part(data, plan),
        lambda: _whole(decode(data, orientation, alpha)),
    )


def _whole(image):
    return image, tf.shape(image)[:2], tf.constant([1, 0, 0, 0, 0])


def _part(data, plan):
    size = tf.image.extract_jpeg_shape(data)[:2]
    part = tf.ensure_shape(plan(size), (5,))
    rectangle = tf.gather(part, (2, 1, 4, 3))  # top, left, height, width

    def decoder(factor):
        return lambda: tf.raw_ops.DecodeAndCropJpeg(
            contents=data, crop_window=rectangle, channels=3, ratio=factor
        )

    branches = {i: decoder(factor) for i, factor in enumerate((1, 2, 4, 8))}
    which = tf.searchsorted((1, 2, 4, 8), part[:1])[0]
    return tf.switch_case(which, branches), size, part
