"""Augmentation: `draw` decides by chance, `apply` does what was decided.

All geometry is composed into one 3x3 matrix and costs one warp; colour follows in one pass.
Draws depend on (seed, epoch, index) alone, so the same image comes out the same in a resumed
run, in another order, or on another machine.
"""

import math

import tensorflow as tf

from pipelines.decode import to_uint8

NEUTRAL = {"shift_x": 0.0, "shift_y": 0.0, "rotate": 0.0, "scale": 1.0, "contrast": 1.0}


def draw(recipe, seed, epoch, index):
    """Draw the parameters of one image, each uniform in the range of the recipe.

    Returns:
        {name: float scalar tensor}: shift_x and shift_y as shares of width and height, rotate
        in degrees clockwise, scale and contrast as factors.
    """
    ranges = {
        "shift_x": recipe.shift,
        "shift_y": recipe.shift,
        "rotate": recipe.rotate,
        "scale": recipe.scale,
        "contrast": recipe.contrast,
    }
    # A seed is two numbers and there are three to tell apart: the index is folded in.
    stream = tf.random.experimental.stateless_fold_in((seed, epoch), index)
    uniform = tf.unstack(tf.random.stateless_uniform((len(ranges),), stream))
    return {
        name: low + (high - low) * u
        for (name, (low, high)), u in zip(ranges.items(), uniform, strict=True)
    }


def matrix(parameters, height, width):
    """The 3x3 matrix from a point (x, y, 1) of the result to that of the image, about its centre.

    Forward, a point is scaled, then rotated, then shifted; this is the inverse.
    """
    angle = parameters["rotate"] * (math.pi / 180)
    cos, sin = tf.cos(angle), tf.sin(angle)
    one, zero = tf.ones_like(cos), tf.zeros_like(cos)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    from_x = -(parameters["shift_x"] * width + centre_x)
    from_y = -(parameters["shift_y"] * height + centre_y)
    unshift = tf.stack([[one, zero, from_x], [zero, one, from_y], [zero, zero, one]])
    unrotate = tf.stack([[cos, sin, zero], [-sin, cos, zero], [zero, zero, one]])
    factor = 1 / parameters["scale"]
    unscale = tf.stack(
        [[factor, zero, one * centre_x], [zero, factor, one * centre_y], [zero, zero, one]]
    )
    return unscale @ unrotate @ unshift


def warp(image, transform, fill):
    """Resample a (height, width, channels) image once, bilinearly, through a 3x3 matrix."""
    flat = tf.reshape(transform / transform[2, 2], (1, 9))[:, :8]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=flat,
        output_shape=tf.shape(image)[:2],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=fill.upper(),
    )[0]


def apply(image, parameters, *, geometry=True, colour=True, fill="constant"):
    """Apply drawn parameters to a uint8 image; `geometry` and `colour` switch a pass off."""
    shape = image.shape
    image = tf.cast(image, tf.float32)
    if geometry:
        image = warp(image, matrix(parameters, shape[0], shape[1]), fill)
    if colour:
        mean = tf.reduce_mean(image)
        image = mean + (image - mean) * parameters["contrast"]
    return tf.ensure_shape(to_uint8(image), shape)


def augment(image, recipe, seed, epoch, index):
    """Draw and apply a recipe to one image; an idle recipe returns it untouched."""
    active = recipe.active()
    if not active:
        return image
    parameters = draw(recipe, seed, epoch, index)
    geometry = bool({"shift", "rotate", "scale"} & set(active))
    return apply(
        image, parameters, geometry=geometry, colour="contrast" in active, fill=recipe.fill
    )
