"""Our exported networks beside the same of keras.applications by the stock converter.

Stock is `TFLiteConverter.from_keras_model` on the bare network, which wants its pixels normalized
by the caller; ours takes pixels and does that too. Both get drawn weights and statistics, so that
nothing folds away for being zero. Operations, sizes, and latencies of interleaved runs.
"""

import argparse
import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np

from pipelines import cli
from pipelines.quiet import quiet

PAIRS = {"mobilenet_v2": "MobileNetV2", "resnet50_v2": "ResNet50V2", "densenet121": "DenseNet121"}
FORMATS = ("float32", "uint8")


def drawn(model):
    """The model with statistics of batch norm as a training leaves them: none of them trivial."""
    import keras

    random = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            low_high = ((0.5, 1.5), (-0.3, 0.3), (-0.3, 0.3), (0.5, 1.5))
            layer.set_weights([random.uniform(*span, count) for span in low_high])
    return model


def stock(name, images):
    """{format: bytes} by the converter alone."""
    import keras
    import tensorflow as tf

    model = drawn(getattr(keras.applications, name)(weights=None))
    files = {}
    for format in FORMATS:
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if format == "uint8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            normalized = images.astype(np.float32) / 127.5 - 1
            converter.representative_dataset = lambda: ([image[None]] for image in normalized)  # noqa: B023
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        with contextlib.redirect_stdout(io.StringIO()):  # it lists every variable
            files[format] = converter.convert()
    return files


def ours(name, images):
    """{format: bytes} as a bundle holds them."""
    from export import doctor, freeze, metadata, tflite
    from export.limits import Options
    from keras_cnns import registry

    model = drawn(registry.build_for_pixels(name))
    told = metadata.describe(name, Options(), images.shape[1:], float_input=True)
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


def main():
    """Print operations that only one side has, and a table of ratios."""
    from export import bench, graph

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(PAIRS), metavar="NETWORK")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--reference-runs", type=int, default=3)
    args = parser.parse_args()
    rows = []
    images = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), np.uint8)
    for name in args.networks:
        with quiet(), tempfile.TemporaryDirectory() as folder:
            made = {"ours": ours(name, images), "stock": stock(PAIRS[name], images)}
            for format in FORMATS:
                files = {}
                for side, contents in made.items():
                    files[side] = Path(folder) / f"{side}_{format}.tflite"
                    files[side].write_bytes(contents[format])
                ratios = []
                for reference, runs in ((False, args.runs), (True, args.reference_runs)):
                    measured = bench.measure(
                        [files["ours"]],
                        against=files["stock"],
                        runs=runs,
                        reference_kernels=reference,
                    )
                    ratios.append(f"{measured[-1]['latency_ratio']:.3f}")
                size = f"{measured[-1]['size_ratio']:.4f}"
                ops = {side: graph.read(contents[format]).ops for side, contents in made.items()}
                kinds = sorted({*ops["ours"], *ops["stock"]})
                apart = {k: ops["ours"].get(k, 0) - ops["stock"].get(k, 0) for k in kinds}
                change = ", ".join(f"{n:+d} {k}" for k, n in apart.items() if n)
                rows.append([name, format, *ratios, size, change])
    header = ["network", "format", "latency x", "on reference kernels", "size x", "operations"]
    cli.table(header, rows)
    print(f"medians of {args.runs} and {args.reference_runs} interleaved runs, ours over stock")


if __name__ == "__main__":
    main()
