"""Formats of .tflite files. Adding one: a function and a line of FORMATS."""

import contextlib
import gc

import numpy as np
import tensorflow as tf

from pipelines.quiet import quiet

BUILTIN = tf.lite.OpsSet.TFLITE_BUILTINS
INTEGER = tf.lite.OpsSet.TFLITE_BUILTINS_INT8


def float32(converter, images):
    """Weights and arithmetic in float32: the yardstick of the others."""


def float16(converter, images):
    """Weights in float16, half the size; arithmetic in float32, or float16 on a GPU."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def dynamic_wi8(converter, images):
    """Weights in int8, a quarter of the size; activations quantized while it runs."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def uint8(converter, images):
    """Integers alone, uint8 pixels in and uint8 probabilities out."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in calibration(images))
    converter.target_spec.supported_ops = [INTEGER]
    converter.inference_input_type = converter.inference_output_type = tf.uint8


FORMATS = {"float32": float32, "float16": float16, "dynamic_wi8": dynamic_wi8, "uint8": uint8}
INTEGER_FORMATS = {"uint8"}  # those that may hold no float tensor


def calibration(images):
    """Images for calibration as float32, the range pinned to 0..255.

    Two corner pixels of the first image are set to black and white: the input's scale is then
    exactly 1 and its zero point 0, so that a phone feeds its bytes as they are.
    """
    images = np.array(images, np.float32)
    images[0, 0, 0], images[0, -1, -1] = 0, 255
    return images


@contextlib.contextmanager
def _young_garbage_only():
    # The converter collects garbage each time; to walk through all that TensorFlow and Keras hold
    # is half of the time that a small network takes.
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def convert(saved_model, name, images):
    """Convert a SavedModel to one of FORMATS.

    Args:
        saved_model: its folder, with a batch of 1.
        name: a key of FORMATS.
        images: uint8 (n, height, width, channels), for calibration.

    Returns:
        The bytes of the .tflite file.
    """
    with quiet(), _young_garbage_only():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
        converter.target_spec.supported_ops = [BUILTIN]
        FORMATS[name](converter, images)
        return converter.convert()
