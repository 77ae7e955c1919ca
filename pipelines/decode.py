"""Bytes of a file -> uint8 image -> the model's size: the evaluation transform.

A phone that shows the model an image must repeat it: JPEG by the accurate inverse cosine
transform and smooth chroma, as Pillow, browsers and telephones decode it, to the bit; upright by
its EXIF orientation, laid on white where it is transparent, the first frame of an animation, grey
as 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), then stretched to the model's height and width by
bilinear interpolation (antialiased when it shrinks), and rounded to uint8, halves to even (sums in
float32: in another order they may move a few pixels by one level).
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.check.convert import plain
from pipelines.colour import LUMA

# EXIF orientation 1..8: transpose first, then mirror left-right, then up-down.
UPRIGHT = ((0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1))


def decode(data, orientation=1, alpha=False):
    """Decode one JPEG, PNG, GIF, BMP or WebP file.

    Args:
        data: the bytes, a scalar string tensor.
        orientation: EXIF orientation, 1..8.
        alpha: whether a PNG or WebP declares transparency. TensorFlow must be told: asked for a
            channel that is not there it fails, or turns small palettes into noise.

    Returns:
        A uint8 tensor of shape (height, width, 3), the right way up.
    """
    image = tf.cond(tf.cast(alpha, bool), lambda: _on_white(data), lambda: _opaque(data))
    return upright(image, orientation)


def _opaque(data):
    image = tf.cond(tf.io.is_jpeg(data), lambda: _jpeg(data), lambda: _other(data))
    return tf.ensure_shape(image, (None, None, 3))


def _jpeg(data):
    # TensorFlow's default is a faster cosine transform, up to 16 levels off everybody else's.
    return tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")


def _other(data):
    return tf.io.decode_image(data, channels=3, expand_animations=False)


def _on_white(data):
    image = tf.io.decode_image(data, channels=4, expand_animations=False)
    # Whole numbers that hold 255 * 255: rounded as floats would be, in half of their memory.
    image = tf.cast(tf.ensure_shape(image, (None, None, 4)), tf.uint16)
    colour, alpha = image[..., :3], image[..., 3:]
    return tf.cast((colour * alpha + 255 * (255 - alpha) + 127) // 255, tf.uint8)


def upright(image, orientation):
    """Turn and mirror an image as its EXIF orientation says (CIPA DC-008, tag 274)."""
    transpose, left_right, up_down = tf.unstack(tf.gather(UPRIGHT, orientation - 1))
    image = tf.cond(transpose > 0, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    image = tf.cond(left_right > 0, lambda: tf.reverse(image, (1,)), lambda: image)
    return tf.cond(up_down > 0, lambda: tf.reverse(image, (0,)), lambda: image)


def to_size(image, shape):
    """Bring a uint8 image to the (height, width, channels) of a model; 1 channel is grey."""
    height, width, channels = shape
    if channels == 1 and image.shape[-1] == 3:
        image = tf.tensordot(tf.cast(image, tf.float32), LUMA.astype(np.float32), 1)[..., None]
    elif channels == 3 and image.shape[-1] == 1:
        image = tf.repeat(image, 3, axis=-1)
    image = tf.image.resize(image, (height, width), antialias=True)
    return to_uint8(tf.ensure_shape(image, shape))


def to_uint8(image):
    """Round a float image and clip it to 0..255."""
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)


def load(path, facts, shape):
    """Read one file, of known `check.ImageFacts`, as a uint8 array of a model's shape."""
    return to_size(picture(path, facts), shape).numpy()


def picture(path, facts):
    """Read one file, of known `check.ImageFacts`, in its own size; see `decode`."""
    data = plain(Path(path).read_bytes(), facts.form)
    return decode(data, facts.orientation, facts.alpha)


def golden(path, shape):
    """A golden vector: by it an app shows that it feeds a model the pixels that we do.

    Args:
        path: an image file.
        shape: (height, width, channels) of the model.

    Returns:
        Plain data: the file's name and sha256, the shape, the sha256 of the uint8 pixels in
        row-major order (height, width, channels), their sum, and the values of nine pixels by
        "row,column", to see how far off one is where the hash differs.

    Raises:
        check.Fault: the file cannot be used.
    """
    from hashlib import sha256

    from pipelines.check.image import inspect

    pixels = load(path, inspect(path), shape)
    rows, columns = ([0, side // 2, side - 1] for side in pixels.shape[:2])
    return {
        "image": Path(path).name,
        "image_sha256": sha256(Path(path).read_bytes()).hexdigest(),
        "shape": list(pixels.shape),
        "sha256": sha256(pixels.tobytes()).hexdigest(),
        "sum": int(pixels.sum()),
        "pixels": {f"{y},{x}": pixels[y, x].tolist() for y in rows for x in columns},
    }
