"""Who does the same work as `pipelines`, for `bench` alone: each is taken where it is installed.

Every function returns a contestant: a function without arguments that augments `count` images
into batches and returns `count`; or raises ImportError.
"""

import numpy as np
import tensorflow as tf

BATCH, SIDE = 32, 224
FACTORS = (0.5, 1.5)  # of brightness, contrast and saturation in "inception"


def _batches(count):
    return [range(i, min(i + BATCH, count)) for i in range(0, count, BATCH)]


def turbo(files, count):
    """libjpeg-turbo alone: the floor under everybody who decodes whole images."""
    import simplejpeg

    def run():
        for i in range(count):
            simplejpeg.decode_jpeg(files[i % len(files)], "RGB")
        return count

    return run


def albumentations_inception(files, count):
    """On libjpeg-turbo's pixels; its resize does not average what it skips."""
    import albumentations
    import simplejpeg

    change = albumentations.Compose(
        [
            albumentations.RandomResizedCrop((SIDE, SIDE), scale=(0.08, 1)),
            albumentations.HorizontalFlip(p=0.5),
            albumentations.ColorJitter(FACTORS, FACTORS, FACTORS, hue=0, p=1),
        ]
    )

    def one(i):
        return change(image=simplejpeg.decode_jpeg(files[i % len(files)], "RGB"))["image"]

    def run():
        for batch in _batches(count):
            np.stack([one(i) for i in batch])
        return count

    return run


def torchvision_inception(files, count):
    """Version 2 of its transforms, on uint8 tensors of its own decoder."""
    try:
        import torch
        from torchvision import io
        from torchvision.transforms import v2
    except RuntimeError as error:  # built for another torch
        raise ImportError(str(error)) from error

    torch.set_num_threads(1)
    change = v2.Compose(
        [
            v2.RandomResizedCrop(SIDE, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(FACTORS, FACTORS, FACTORS),
        ]
    )
    tensors = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in files]

    def run():
        for batch in _batches(count):
            torch.stack([change(io.decode_jpeg(tensors[i % len(files)])) for i in batch])
        return count

    return run


def _iterated(images, count):
    images = images.prefetch(1)

    def run():
        for _ in images:
            pass
        return count

    return run


def keras_inception(files, count):
    """TensorFlow's decoder, then layers a batch; with RandomCrop of 224 of 256 for the part.

    Keras has no random resized crop, so its chain has less to do.
    """
    import keras

    layers = keras.layers
    chain = [
        layers.RandomCrop(SIDE, SIDE),
        layers.RandomFlip("horizontal"),
        layers.RandomBrightness(0.5),
        layers.RandomContrast(0.5),
        layers.RandomSaturation((0.25, 0.75), value_range=(0, 255)),
    ]
    data = tf.constant(files)

    def one(i):
        image = tf.io.decode_jpeg(data[i % len(files)], channels=3)
        return tf.image.resize(image, (256, 256))

    images = tf.data.Dataset.range(count).map(one, 1).batch(BATCH)
    return _iterated(images.map(lambda x: _through(chain, x), 1), count)


def _through(chain, images):
    for layer in chain:
        images = layer(images, training=True)
    return tf.cast(tf.clip_by_value(images, 0, 255), tf.uint8)


def _kept(pixels, count, change):
    kept = tf.constant(pixels)
    images = tf.data.Dataset.range(count).batch(BATCH)
    return _iterated(images.map(lambda i: change(tf.gather(kept, i % len(pixels))), 1), count)


def keras_lecture(pixels, count):
    """The lecture's eight as a chain of layers a batch, mirror images beyond the border."""
    import keras

    layers = keras.layers
    chain = [
        layers.RandomFlip("horizontal_and_vertical"),
        layers.RandomZoom(0.2, fill_mode="reflect"),
        layers.RandomRotation(20 / 360, fill_mode="reflect"),
        layers.RandomTranslation(0.1, 0.1, fill_mode="reflect"),
        layers.RandomBrightness(0.3, value_range=(0, 1)),
        layers.RandomContrast(0.3, value_range=(0, 1)),
        layers.RandomSaturation((0.25, 0.75), value_range=(0, 1)),
        layers.RandomHue(0.05, value_range=(0, 1)),
        layers.GaussianNoise(6 / 255),  # of the levels 0 to 1: it takes no other deviation
    ]

    def change(images):
        images = tf.cast(images, tf.float32) / 255
        for layer in chain:
            images = layer(images, training=True)
        return tf.cast(tf.clip_by_value(images, 0, 1) * 255, tf.uint8)

    return _kept(pixels, count, change)


def keras_randaugment(pixels, count):
    """Keras' layer, which makes every one of its augmentations for every batch."""
    import keras

    layer = keras.layers.RandAugment(value_range=(0, 255), num_ops=2, factor=0.5)
    return _kept(pixels, count, lambda images: _through([layer], images))


def torchvision_randaugment(pixels, count):
    """Version 2 of its transforms, on uint8 tensors."""
    try:
        import torch
        from torchvision.transforms import v2
    except RuntimeError as error:
        raise ImportError(str(error)) from error

    torch.set_num_threads(1)
    change = v2.RandAugment(2, 15)
    tensors = [torch.from_numpy(image).permute(2, 0, 1) for image in pixels]

    def run():
        for batch in _batches(count):
            torch.stack([change(tensors[i % len(tensors)]) for i in batch])
        return count

    return run
