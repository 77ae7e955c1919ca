"""Our export beside the stock converter, on networks of keras.applications.

Stock is `TFLiteConverter.from_keras_model`. Two rows a format: their network, its normalization
included, by both routes, which compares the routes; and our network of that name, normalization
included, beside the bare network of theirs, which wants its pixels normalized by the caller and
pads its strided convolutions otherwise. All get drawn weights and statistics, so that nothing
folds away for being zero. Operations, sizes, and latencies of interleaved runs.
"""

import argparse
import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np

from pipelines import cli
from pipelines.errors import UserError
from pipelines.quiet import quiet

PAIRS = {"mobilenet_v2": "MobileNetV2", "resnet50_v2": "ResNet50V2", "densenet121": "DenseNet121"}
FORMATS = ("float32", "uint8")


def drawn(model):
    """The model with statistics of batch norm as a training leaves them: none of them trivial.

    Kernels are of one kind on both sides: larger ones on one would make activations grow so far
    from the offsets added to them that XNNPACK refuses these additions.
    """
    import keras

    random = np.random.default_rng(0)
    for i, layer in enumerate(model._flatten_layers()):
        if hasattr(layer, "kernel"):
            kernel = keras.initializers.GlorotUniform(seed=i)  # equal ones would share their bytes
            layer.kernel.assign(kernel(layer.kernel.shape))
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            low_high = ((0.5, 1.5), (-0.3, 0.3), (-0.3, 0.3), (0.5, 1.5))
            layer.set_weights([random.uniform(*span, count) for span in low_high])
    return model


def theirs(name, *, pixels):
    """The network of keras.applications; with `pixels`, its normalization in front."""
    import keras

    build = getattr(keras.applications, name)
    if not pixels:
        return drawn(build(weights=None))
    image = keras.Input((224, 224, 3))
    normalized = keras.layers.Rescaling(1 / 127.5, offset=-1, name="normalize")(image)
    return drawn(build(weights=None, input_tensor=normalized))


def stock(model, images, *, pixels):
    """{format: bytes} by the converter alone."""
    import tensorflow as tf

    files = {}
    for format in FORMATS:
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if format == "uint8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            normalized = images.astype(np.float32) / (1 if pixels else 127.5) - (not pixels)
            converter.representative_dataset = lambda: ([image[None]] for image in normalized)  # noqa: B023
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        with contextlib.redirect_stdout(io.StringIO()):  # it lists every variable
            files[format] = converter.convert()
    return files


def exported(model, images):
    """{format: bytes} as a bundle holds them."""
    from export import doctor, freeze, metadata, tflite
    from export.limits import Options

    told = metadata.describe(model.name, Options(), images.shape[1:], float_input=True)
    with tempfile.TemporaryDirectory() as folder:
        freeze.Frozen(model).save(folder, batch=1)
        conversion, layers = tflite.Conversion(folder, images), doctor.layers_of(model)
        return {
            format: metadata.attach(
                tflite.convert(conversion, format), told, ["label"] * 1000,
                lambda name: doctor.layer_of(name, layers),
            )
            for format in FORMATS
        }  # fmt: skip


def contestants(name, images):
    """(label, {format: bytes} by our export, the same by the converter)."""
    from keras_cnns import registry

    with quiet():
        same = theirs(PAIRS[name], pixels=True)
        yield PAIRS[name], exported(same, images), stock(same, images, pixels=True)
        bare = theirs(PAIRS[name], pixels=False)
        ours = drawn(registry.build_for_pixels(name))
        yield name, exported(ours, images), stock(bare, images, pixels=False)


def compared(ours, against, args):
    """A row a format: ratios of latency and size, and the operations of one side alone."""
    from export import bench, graph

    for format in FORMATS:
        with quiet(), tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{side}.tflite" for side in ("ours", "stock")]
            for file, contents in zip(files, (ours, against), strict=True):
                file.write_bytes(contents[format])
            ratios = []
            for reference, runs in ((False, args.runs), (True, args.reference_runs)):
                try:
                    measured = bench.measure(
                        files[:1], against=files[1], runs=runs, reference_kernels=reference
                    )[-1]
                    ratios.append(f"{measured['latency_ratio']:.3f}")
                except UserError:  # its softmax cannot be run, for drawn weights tell nothing apart
                    ratios.append("-")
        ops = [graph.read(contents[format]).ops for contents in (ours, against)]
        apart = {k: ops[0].get(k, 0) - ops[1].get(k, 0) for k in sorted({*ops[0], *ops[1]})}
        change = ", ".join(f"{n:+d} {k}" for k, n in apart.items() if n)
        yield [format, *ratios, f"{measured['size_ratio']:.4f}", change]


def main():
    """Print operations that only one side has, and a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(PAIRS), metavar="NETWORK")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--reference-runs", type=int, default=3)
    args = parser.parse_args()
    rows = []
    images = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), np.uint8)
    for name in args.networks:
        for label, ours, against in contestants(name, images):
            rows += [[label, *row] for row in compared(ours, against, args)]
    header = ["network", "format", "latency x", "on reference kernels", "size x", "operations"]
    cli.table(header, rows)
    print(f"medians of {args.runs} and {args.reference_runs} interleaved runs, ours over stock")


if __name__ == "__main__":
    main()
