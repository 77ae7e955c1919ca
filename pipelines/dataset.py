"""tf.data of (uint8 pixels, label): what training and evaluation are fed with.

Order and augmentation are pure functions of (seed, epoch, index), so that a run can be taken up
at any step.
"""

import numpy as np
import tensorflow as tf

from pipelines import framing
from pipelines import mix as mixing
from pipelines.augment import augment
from pipelines.decode import to_size
from pipelines.errors import UserError

AHEAD = 2  # batches made before they are asked for: a slow one is waited for by no step
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
    if _bytes(split, shape) > cache:
        return _resized(split, shape)
    kept = tf.constant(pixels(split, shape))
    return lambda index: kept[index]


def _bytes(split, shape):
    return len(split) * int(np.prod(shape))


def training(
    split, shape, *, batch_size, epochs, seed, recipe, first_step=0, mix=None, classes=None,
    shard=(0, 1), cache=CACHE, workers=tf.data.AUTOTUNE,
):  # fmt: skip
    """Shuffled, augmented batches for all epochs, one after the other.

    Each epoch is a new order of all images. A last batch that would be short is left out, so
    that every step weighs its images the same; see `steps_per_epoch`. What step k holds depends
    on the arguments above and on k alone.

    Args:
        split: a `sources.Split`.
        shape: (height, width, channels) of the model.
        batch_size: images in a step, over all processes.
        seed: a whole number >= 0.
        recipe: a `recipes.Augmentation`.
        first_step: where to begin, to take up a run.
        mix: a `mix.Mix`, or None. An active one makes labels soft.
        classes: how many there are; needed by an active mix alone.
        shard: (index, count): give the index-th of `count` equal parts of every batch. Together
            the parts are what one process alone would get, row for row.
        workers: threads that read and augment.

    Returns:
        A dataset of known cardinality, of (uint8 (n, height, width, channels), int32 (n,)), or
        float32 (n, classes) where images are mixed; n = batch_size / count.

    Raises:
        UserError: a batch cannot be shared out evenly.
    """
    steps, size = epochs * steps_per_epoch(split, batch_size), min(batch_size, len(split))
    first, last = _rows(size, shard)
    soft = mix is not None and mix.active()
    rows = tf.range(first, last + soft, dtype=tf.int32) % size  # mixing needs the next one too
    plan = tf.data.Dataset.range(first_step, steps).map(_planner(split, batch_size, seed, rows))
    read = _augmented(split, shape, recipe, seed, cache, workers)
    label = _labeller(split, seed, mix if soft else None, classes)
    batches = read(plan, last - first + soft).map(label, workers, deterministic=True)
    known = tf.data.experimental.assert_cardinality(steps - first_step)
    return batches.apply(known).prefetch(AHEAD)


def _planner(split, batch_size, seed, rows):
    """Graph code: step -> (epoch, step of the epoch, index of the image), each for every row."""
    steps, size = steps_per_epoch(split, batch_size), min(batch_size, len(split))

    def plan(step):
        epoch, k = tf.cast(step // steps, tf.int32), tf.cast(step % steps, tf.int32)
        indices = _shuffled(split, seed, epoch, k * size + rows)
        return tf.fill(rows.shape, epoch), tf.fill(rows.shape, k), indices

    return plan


def _shuffled(split, seed, epoch, places):
    """Indices of the images at these places of the order of an epoch."""
    order = tf.stack([seed, epoch])
    return tf.random.experimental.index_shuffle(places, order, len(split) - 1)


def _labeller(split, seed, mix, classes):
    """Graph code: (images, epochs, steps, indices) -> (images, labels), mixed by a `mix.Mix`."""
    labels = tf.constant(split.labels)

    def label(images, epochs, ks, indices):
        known = tf.gather(labels, indices)
        if mix is None:
            return images, known
        return _mixed(images, tf.one_hot(known, classes), mix, seed, epochs[0], ks[0])

    return label


def _mixed(images, labels, mix, seed, epoch, step):
    def by_numpy(images, labels, epoch, step):
        return mixing.apply(images, labels, mixing.draw(mix, seed, epoch, step))

    kinds = (images.dtype, labels.dtype)
    shapes = [(part.shape[0] - 1, *part.shape[1:]) for part in (images, labels)]
    mixed = tf.numpy_function(by_numpy, [images, labels, epoch, step], kinds, stateful=False)
    return tuple(tf.ensure_shape(part, shape) for part, shape in zip(mixed, shapes, strict=True))


def _rows(size, shard):
    index, count = shard
    if size % count:
        raise UserError(
            f"a batch of {size} images cannot be shared out among {count} processes; "
            f"let batch_size be a multiple of {count}"
        )
    return index * (size // count), (index + 1) * (size // count)


def _augmented(split, shape, recipe, seed, cache, workers):
    """How batches are read: (a dataset of `plan`, n) -> one of (images, *plan)."""

    def many(images, epochs, _, indices):
        rows = zip(images, epochs.tolist(), indices.tolist(), strict=True)
        return np.stack([augment(image, recipe, seed, *row) for image, *row in rows])

    def change(images, *plan):
        if recipe.active():
            shaped = images.shape
            images = tf.numpy_function(many, [images, *plan], tf.uint8, stateful=False)
            images = tf.ensure_shape(images, shaped)
        return images, *plan

    def by_image(read):
        return lambda batches, n: (
            batches.unbatch().map(read, workers, deterministic=True).batch(n, drop_remainder=True)
        )

    if recipe.frames():
        framed = framing.reader(split, shape, recipe, seed)

        def frame(*plan):
            epochs, _, indices = plan
            images = tf.numpy_function(framed, [epochs, indices], tf.uint8, stateful=False)
            return tf.ensure_shape(images, (epochs.shape[0], *shape)), *plan

        return lambda batches, _: batches.map(frame, workers, deterministic=True)
    if _bytes(split, shape) <= cache:
        kept = tf.constant(pixels(split, shape))
        return lambda batches, _: batches.map(
            lambda e, k, i: change(tf.gather(kept, i), e, k, i), workers, deterministic=True
        )
    read = by_image(lambda e, k, i: (_resized(split, shape)(i), e, k, i))
    return lambda batches, n: read(batches, n).map(change, workers, deterministic=True)


def members(split, *, batch_size, seed, step):
    """Indices of the images in the batch of a step, counted from 0, as `training` orders them."""
    steps = steps_per_epoch(split, batch_size)
    size = min(batch_size, len(split))
    epoch, first = step // steps, step % steps * size
    return _shuffled(split, seed, epoch, tf.range(first, first + size)).numpy()


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
    return split.take(indices)
