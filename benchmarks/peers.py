"""Files of others beside ours of the same networks, in the table of `python -m export bench`.

Takes a folder with Coral's MobileNetV2 (mobilenet_v2_1.0_224_quant.tflite, trained for integers,
and tf2_mobilenet_v2_1.0_224_ptq.tflite) and MLPerf Tiny's ResNet-8 (pretrainedResnet.tflite and
pretrainedResnet_quant.tflite). Ours have drawn weights: speed and size do not depend on them.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from pipelines.quiet import quiet

MOBILENET = ("mobilenet_v2_1.0_224_quant.tflite", "tf2_mobilenet_v2_1.0_224_ptq.tflite")
RESNET = ("pretrainedResnet.tflite", "pretrainedResnet_quant.tflite")


def resnet8():
    """MLPerf Tiny's network: the CIFAR ResNet of one block a stage, with projections."""
    import keras

    from keras_cnns.models.resnet import basic, resnet

    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    logits = resnet(
        x, classes=10, widths=(1.0,) * 3, block=basic, small=True, first=16, base=16,
        depths=(1, 1, 1),
    )  # fmt: skip
    return keras.Model(image, logits, name="resnet8")


def export(model, folder):
    """Write our float32 and uint8 files of a model; return their paths."""
    from benchmarks.stock import drawn
    from export import freeze, metadata, tflite
    from export.limits import Options

    images = np.random.default_rng(0).integers(0, 256, (16, *model.input_shape[1:]), np.uint8)
    freeze.Frozen(drawn(model)).save(folder / "saved_model", batch=1)
    conversion, files = tflite.Conversion(folder / "saved_model", images), []
    told = metadata.describe(model.name, Options(), images.shape[1:], float_input=True)
    labels = ["label"] * model.output_shape[-1]
    for name in ("float32", "uint8"):
        files.append(folder / f"ours_{model.name}_{name}.tflite")
        files[-1].write_bytes(metadata.attach(tflite.convert(conversion, name), told, labels))
    return files


def main():
    """Print one table a network."""
    from export import bench

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the peers' files lie")
    parser.add_argument("--runs", type=int, default=100)
    args = parser.parse_args()
    from keras_cnns import registry

    with tempfile.TemporaryDirectory() as temporary:
        for name, peers in (("mobilenet_v2", MOBILENET), ("resnet8", RESNET)):
            folder = Path(temporary) / name
            folder.mkdir()
            with quiet():
                model = resnet8() if name == "resnet8" else registry.build_for_pixels(name, 1000)
                ours = export(model, folder)
                files = [*ours, *(args.folder / peer for peer in peers)]
                rows = bench.measure(files, against=files[-1], runs=args.runs)
            bench.show(rows)


if __name__ == "__main__":
    main()
