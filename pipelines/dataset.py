"""tf.data of (uint8 pixels, label): what training and evaluation are fed with.

Order and augmentation are pure functions of (seed, epoch, index), so that a run can be taken up
at any step.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from pipelines.augment import augment
from pipelines.decode import to_size

CACHE = 2**30  # bytes; a split that fits is decoded once and kept, others are read every epoch


def _resized(split, shape):
    """Graph code: index -> uint8 image of `shape`."""
    items = [tf.constant(item) for item in split.items]

    def read(index):
        return to_size(split.read(*(item[index] for item in items)), shape)

    return read


def pixels(split, shape):
    """Return all images of a split at a size, a uint8 array (n, height, width, channels)."""
    indices = tf.data.Dataset.range(len(split))
    images = indices.map(_resized(split, shape), tf.data.AUTOTUNE, deterministic=True)
    return np.concatenate(list(images.batch(256).as_numpy_iterator()))


def reader(split, shape, cache=CACHE):
    """Graph code: index -> image, from memory where the split fits there."""
    if len(split) * int(np.prod(shape)) > cache:
        return _resized(split, shape)
    kept = tf.constant(pixels(split, shape))
    return lambda index: kept[index]


def training(split, shape, *, batch_size, epochs, seed, recipe, first_step=0, cache=CACHE):
    """Shuffled, augmented batches for all epochs, one after the other.

    Each epoch is a new order of all images. A last batch that would be short is left out, so
    that every step weighs its images the same; see `steps_per_epoch`.

    Args:
        split: a `sources.Split`.
        shape: (height, width, channels) of the model.
        recipe: an `Augmentation`.
        first_step: where to begin, to take up a run.

    Returns:
        A dataset of (uint8 (batch, height, width, channels), int32 (batch,)).
    """
    read = reader(split, shape, cache)
    labels = tf.constant(split.labels)
    steps = steps_per_epoch(split, batch_size)
    taken = steps * min(batch_size, len(split))

    def example(position):
        epoch, place = position // taken, tf.cast(position % taken, tf.int32)
        stream = tf.stack([seed, tf.cast(epoch, tf.int32)])
        index = tf.random.experimental.index_shuffle(place, stream, len(split) - 1)
        image = augment(read(index), recipe, seed, tf.cast(epoch, tf.int32), index)
        return image, labels[index]

    positions = tf.data.Dataset.range(first_step * (taken // steps), epochs * taken)
    examples = positions.map(example, tf.data.AUTOTUNE, deterministic=True)
    return examples.batch(taken // steps, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def steps_per_epoch(split, batch_size):
    """Full batches in an epoch; 1 where the split is smaller than a batch."""
    return max(1, len(split) // batch_size)


def evaluation(split, shape, *, batch_size, cache=CACHE):
    """Every image once, in order, as (uint8 pixels, label) batches."""
    read = reader(split, shape, cache)
    labels = tf.constant(split.labels)
    indices = tf.data.Dataset.range(len(split))
    examples = indices.map(lambda i: (read(i), labels[i]), tf.data.AUTOTUNE, deterministic=True)
    return examples.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def stratified(split, count):
    """Indices of about `count` images, spread evenly over the classes and over the split."""
    order = np.argsort(split.labels, kind="stable")
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return order[places]


def subset(split, indices):
    """The images of a split at `indices`, as a split of its own."""
    return dataclasses.replace(
        split,
        labels=split.labels[indices],
        items=tuple(item[indices] for item in split.items),
        names=[split.names[i] for i in indices],
    )
