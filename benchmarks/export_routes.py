"""CPU time of exporting one network to every format: ours beside Keras' own.

Ours freezes once and converts each format; Keras' is `model.export(format="litert")`, called
once a format with the same settings. Both are run in turn, each in a process of its own, and
each writes the same .tflite files and is timed by the CPU seconds of its work.
"""

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipelines import cli

ROUTES = ("ours", "keras")
NAMES = ("float32", "float16", "dynamic_wi8", "uint8", "int8", "int16x8")  # what both can make


def network(name):
    """A network of the catalogue, or one of keras.applications, with drawn weights."""
    import keras

    import keras_cnns
    from keras_cnns import registry

    keras.utils.set_random_seed(0)
    if name in keras_cnns.VARIANTS:
        return registry.build_for_pixels(name)
    bare = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    image = keras.Input(bare.input_shape[1:], name="image")
    return keras.Model(image, bare(keras.layers.Rescaling(1 / 255)(image)))


def ours(model, images, folder):
    """Freeze once, convert each format, with metadata inside."""
    from export import freeze, metadata, tflite
    from export.limits import Options

    freeze.Frozen(model).save(folder / "saved_model", batch=1)
    conversion = tflite.Conversion(folder / "saved_model", images)
    told = metadata.describe(model.name, Options(), images.shape[1:], float_input=True)
    for name in NAMES:
        content = metadata.attach(tflite.convert(conversion, name), told, ["a", "b"])
        (folder / f"{name}.tflite").write_bytes(content)


def by_keras(model, images, folder):
    """Keras' exporter, once a format, with a softmax and a static batch of 1 as ours have."""
    import keras
    import tensorflow as tf

    from export import calibration, tflite

    full = keras.Model(model.input, keras.layers.Softmax()(model.output))
    spec = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")]

    def options(ops=tflite.OPS.TFLITE_BUILTINS, types=(), optimized=True, **more):
        target = {"supported_ops": [ops]} | ({"supported_types": list(types)} if types else {})
        level = {"optimizations": [tf.lite.Optimize.DEFAULT]} if optimized else {}
        return {"target_spec": target} | level | more

    calibrated = {"representative_dataset": lambda: ([i[None]] for i in calibration.pinned(images))}

    def integer(kind):
        both = {"inference_input_type": kind, "inference_output_type": kind}
        return options(tflite.OPS.TFLITE_BUILTINS_INT8, **calibrated, **both)

    formats = {
        "float32": options(optimized=False),
        "float16": options(types=[tf.float16]),
        "dynamic_wi8": options(),
        "uint8": integer(tf.uint8),
        "int8": integer(tf.int8),
        "int16x8": options(tflite.INT16, **calibrated),
    }
    for name, settings in formats.items():
        path = str(folder / f"{name}.tflite")
        full.export(path, format="litert", input_signature=spec, verbose=False, **settings)


def measure(name, route):
    """CPU seconds of one route, imports and building left out."""
    import numpy as np

    model = network(name)
    shape = (200 if model.input_shape[1] < 64 else 8, *model.input_shape[1:])
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        start = time.process_time()
        {"ours": ours, "keras": by_keras}[route](model, images, Path(folder))
        return time.process_time() - start


def main():
    """Run both routes in turn and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=["lenet"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--route", choices=ROUTES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.route:
        print(measure(args.networks[0], args.route))
        return
    rows = []
    for name in args.networks:
        seconds = {route: [] for route in ROUTES}
        for _ in range(args.runs):
            for route in ROUTES:
                words = [sys.executable, "-m", __spec__.name, name, "--route", route]
                result = subprocess.run(words, check=True, capture_output=True, text=True)
                seconds[route].append(float(result.stdout.split()[-1]))
        ratios = [a / b for a, b in zip(seconds["ours"], seconds["keras"], strict=True)]
        medians = [f"{statistics.median(seconds[route]):.2f} s" for route in ROUTES]
        rows.append([name, *medians, f"{statistics.median(ratios):.2f}", "0.4"])
    cli.table(["network", "ours", "keras", "ratio", "goal"], rows)
    print(f"CPU time of all formats, median of {args.runs} interleaved runs")


if __name__ == "__main__":
    main()
