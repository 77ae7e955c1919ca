"""Formats of exported files. Adding one: a function and a line of FORMATS."""

import contextlib
import gc
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize

from export import calibration, graph, models
from export.freeze import Frozen, collect_garbage
from export.graph import CONVERSIONS
from pipelines.quiet import quiet

OPS = tf.lite.OpsSet
INT16 = OPS.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8


class Conversion:
    """One network on its way to files: what several formats need is made once.

    Args:
        saved_model: the folder of a SavedModel with a batch of 1.
        images: uint8 (n, height, width, channels), for calibration, or a function that gives
            them: it is called when a format first asks for them.
        zeros: a function that saves the network padded with zeros alone, and gives the folder.
    """

    def __init__(self, saved_model, images=None, zeros=None):
        self.saved_model, self._images, self._zeros = str(saved_model), images, zeros

    @cached_property
    def padded_with_zeros(self):
        """The same network without a PADV2, whose number the converter leaves in float in int16."""
        if self._zeros is None or "PADV2" not in graph.read(self.float32).ops:
            return self
        return Conversion(self._zeros(), self._images)

    @cached_property
    def images(self):
        """The images to calibrate with."""
        return self._images() if callable(self._images) else self._images

    def converter(self, ops=OPS.TFLITE_BUILTINS, *, optimize=True):
        """A converter of the SavedModel that may use no other operations than `ops`."""
        converter = tf.lite.TFLiteConverter.from_saved_model(self.saved_model)
        # Keras' own exporter lets TensorFlow's operations in, which stock runtimes lack.
        converter.target_spec.supported_ops = [ops]
        if optimize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter

    def calibrating(self, ops):
        """A converter that measures the range of every tensor on the images."""
        converter = self.converter(ops)
        images = self.images
        converter.representative_dataset = lambda: ([i[None]] for i in calibration.pinned(images))
        return converter

    @cached_property
    def float32(self):
        """The .tflite file in float32."""
        return self.converter(optimize=False).convert()

    @cached_property
    def calibrated(self):
        """The .tflite file in float32 that knows the range of its tensors, to be quantized."""
        converter = self.calibrating(OPS.TFLITE_BUILTINS_INT8)
        converter._experimental_calibrate_only = True
        return converter.convert()

    def quantized(self, kind, keep=()):
        """The .tflite file in integers.

        Args:
            kind: tf.uint8 or tf.int8, of its input and output.
            keep: names of tensors; the operations that make them stay in float.
        """
        calibrated = self.calibrated
        with quiet():
            return mlir_quantize(
                calibrated,
                input_data_type=kind,
                output_data_type=kind,
                denylisted_nodes=set(keep) or None,
            )


def float32(conversion):
    """Weights and arithmetic in float32: the yardstick of the others."""
    return conversion.float32


def float16(conversion):
    """Weights in float16, half the size; arithmetic in float32, or float16 on a GPU."""
    converter = conversion.converter()
    converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def dynamic_wi8(conversion):
    """Weights in int8, a quarter of the size; activations quantized while it runs."""
    return conversion.converter().convert()


def uint8(conversion):
    """Integers alone, uint8 pixels in and uint8 probabilities out."""
    return conversion.quantized(tf.uint8)


def int8(conversion):
    """Integers alone, int8 in and out, for microcontrollers: a pixel p enters as p - 128."""
    return conversion.quantized(tf.int8)


def int16x8(conversion):
    """Weights in int8, activations in int16, float in and out: near float, slow without a DSP."""
    return conversion.padded_with_zeros.calibrating(INT16).convert()


def wi4(conversion):
    """Weights in 4 bits, an eighth of the size; activations quantized while it runs."""
    from ai_edge_quantizer import quantizer, recipe

    with contextlib.redirect_stdout(io.StringIO()):  # it prints a report of its own
        work = quantizer.Quantizer(bytearray(conversion.float32))
        work.load_quantization_recipe(recipe.dynamic_wi4_afp32())
        return bytes(work.quantize().quantized_model)


def onnx(conversion):
    """ONNX in float32, for runtimes other than LiteRT."""
    from export.to_onnx import convert

    return convert(conversion.saved_model)


def conversion(frozen, folder, images=None, channels=None):
    """Save a `freeze.Frozen` model in an empty folder, and give the `Conversion` of it.

    Args:
        images: see `Conversion`.
        channels: of the images that the files take; default, the model's own.
    """
    frozen.save(folder, batch=1, channels=channels)

    def zeros():
        beside = f"{folder}_zeros"
        frozen.save(beside, batch=1, channels=channels, zeros=True)
        return beside

    return Conversion(folder, images, zeros)


def of_model(model, name, images=None):
    """The bytes of one of FORMATS of a Keras model, as `export bundle` makes them.

    Args:
        images: see `Conversion`; None where the format needs none.
    """
    with tempfile.TemporaryDirectory() as folder:
        frozen = Frozen(models.in_float32(model))
        return convert(conversion(frozen, Path(folder, "saved_model"), images), name)


@dataclass(frozen=True)
class Format:
    """How a format is made, and what may be asked of its files."""

    make: Callable  # Conversion -> bytes of the file
    in_float: frozenset | None = None  # operations that may touch a float tensor; None, all
    calibrates: bool = False  # asks for images
    grey: bool = False  # a network of grey images keeps its one channel
    needs: tuple[str, ...] = ()  # packages beyond requirements.txt
    suffix: str = ".tflite"
    usual: bool = True  # made when no format is named


ONNX = ("onnx", "tf2onnx", "onnxruntime")
FORMATS = {
    "float32": Format(float32),
    "float16": Format(float16),
    "dynamic_wi8": Format(dynamic_wi8),
    "uint8": Format(uint8, frozenset(), calibrates=True),
    "int8": Format(int8, frozenset(), calibrates=True, grey=True),
    "int16x8": Format(int16x8, frozenset(CONVERSIONS), calibrates=True, usual=False),
    "wi4": Format(wi4, usual=False),
    "onnx": Format(onnx, grey=True, needs=ONNX, suffix=".onnx", usual=False),
}


def missing(name):
    """Packages that a format needs and that are not installed."""
    return [package for package in FORMATS[name].needs if not _installed(package)]


def _installed(package):
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


@contextlib.contextmanager
def _young_garbage_only():
    # The converter collects garbage each time; to walk through all that TensorFlow and Keras hold
    # is half of the time that a small network takes.
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def convert(conversion, name):
    """The bytes of one of FORMATS, made from a Conversion."""
    with quiet(), _young_garbage_only():
        content = FORMATS[name].make(conversion)
    collect_garbage(len(content))
    return content
