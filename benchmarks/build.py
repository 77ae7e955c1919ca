"""Time to build a network beside the same network of keras.applications.

CPU seconds, each build in turn in one process, medians; the goal is a ratio of 1.1.
"""

import argparse
import statistics
import time

from pipelines import cli

PAIRS = {  # ours: theirs
    "resnet50_v1": "ResNet50",
    "resnet152_v1": "ResNet152",
    "vgg16": "VGG16",
    "densenet121": "DenseNet121",
    "densenet201": "DenseNet201",
    "inception_v3": "InceptionV3",
    "inception_resnet_v2": "InceptionResNetV2",
    "nasnet_a_mobile": "NASNetMobile",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3_large": "MobileNetV3Large",
    "efficientnet_b0": "EfficientNetB0",
    "xception": "Xception",
}


def main():
    """Build every pair `--runs` times, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(PAIRS))
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    import keras

    import keras_cnns

    rows = []
    for name in args.networks:
        theirs = getattr(keras.applications, PAIRS[name])
        builders = (lambda name=name: keras_cnns.build(name), lambda t=theirs: t(weights=None))
        times = ([], [])
        for _ in range(args.runs + 1):  # the first round is for the caches
            for seconds, build in zip(times, builders, strict=True):
                start = time.process_time()
                model = build()
                seconds.append(time.process_time() - start)
                layers = len(model.layers)
                keras.backend.clear_session()
        ours, keras_ = (statistics.median(seconds[1:]) for seconds in times)
        rows.append([name, layers, f"{ours:.2f} s", f"{keras_:.2f} s", f"{ours / keras_:.2f}"])
    cli.table(["network", "their layers", "ours", "keras.applications", "ratio"], rows)
    print(f"CPU time, median of {args.runs} interleaved builds")


if __name__ == "__main__":
    main()
