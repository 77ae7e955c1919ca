"""Run every file of a bundle and hold it to the Keras model that it came from."""

import math
import time
from pathlib import Path

import numpy as np

from export import graph, models, samples
from export.card import check_hashes
from export.freeze import INPUT, OUTPUT, SIGNATURE
from export.tflite import INTEGER_FORMATS
from pipelines import cli

FLOAT_TOLERANCE = 1e-4  # largest difference of a float32 file's probabilities from Keras'


def wilson(right, n):
    """95% interval of a share (Wilson 1927), as two numbers 0..1."""
    z = 1.959964
    middle, share = 1 + z * z / n, right / n
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    centre = share + z * z / (2 * n)
    return max(0.0, (centre - spread) / middle), min(1.0, (centre + spread) / middle)


def verify(folder, card, pixels, labels, limits):
    """Verify the files of a bundle.

    Args:
        folder: the bundle, with model.keras.
        card: what its model.json holds or will hold.
        pixels: uint8 (n, height, width, channels), held-out images.
        labels: int (n,), their true classes.
        limits: a `limits.Limits`.

    Returns:
        The contents of verify.json: "passed", "keras", and for each format what was measured and
        "failures", a list of sentences.

    Raises:
        DamagedFile: a file is not the one that the bundle was made with.
    """
    folder = Path(folder)
    check_hashes(folder, card)
    expected = models.load(folder / card["keras"]["file"]).predict(pixels)
    right = int((expected.argmax(1) == labels).sum())
    report = {
        "passed": False,
        "images": len(pixels),
        "limits": vars(limits),
        "keras": {"bytes": card["keras"]["bytes"], **_accuracy(right, len(pixels))},
        "formats": {},
    }
    for name, entry in card["formats"].items():
        content = (folder / entry["file"]).read_bytes()
        found = _measure(content, pixels, labels, expected, limits.reference_images)
        found["failures"] = _failures(name, content, found, report["keras"], card, limits)
        report["formats"][name] = {"file": entry["file"], "bytes": len(content)} | found
    for name, failures in samples.check(folder, card).items():
        report["formats"][name]["failures"] += failures
    report["passed"] = not any(f["failures"] for f in report["formats"].values())
    return report


def _accuracy(right, n):
    return {"accuracy": right / n, "accuracy_95": list(wilson(right, n))}


def _measure(content, pixels, labels, expected, reference_images):
    """Run one file under XNNPACK on all images, and under the reference kernels on some."""
    fast = models.TFLiteModel(content)
    answers = fast.predict(pixels)
    plain = models.TFLiteModel(content, reference_kernels=True)
    some = np.linspace(0, len(pixels) - 1, min(reference_images, len(pixels))).astype(int)
    plain_answers = plain.predict(pixels[some])
    agrees = answers.argmax(1) == expected.argmax(1)
    return {
        **_accuracy(int((answers.argmax(1) == labels).sum()), len(labels)),
        "agreement": float(agrees.mean()),
        "agreement_95": list(wilson(int(agrees.sum()), len(agrees))),
        "max_difference": float(np.abs(answers - expected).max()),
        "reference_kernels": {
            "images": len(some),
            "agreement": float((plain_answers.argmax(1) == expected[some].argmax(1)).mean()),
            "max_difference": float(np.abs(plain_answers - expected[some]).max()),
        },
        "latency_ms": latency(fast, pixels[0]),
        "finite": bool(np.isfinite(answers).all() and np.isfinite(plain_answers).all()),
        "classes": fast.classes,
        "input_shape": list(fast.input["shape"].tolist()),
        "signature": fast.signature(),
    }


def latency(model, image, runs=50):
    """Median milliseconds of one image on one thread, on this machine."""
    model.predict(image[None])
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        model.interpreter.invoke()
        times.append(time.perf_counter() - start)
    return round(float(np.median(times)) * 1e3, 4)


def _failures(name, content, found, keras, card, limits):
    """What is wrong with one file, as sentences."""
    failures = []
    ops = graph.read(content)
    found["ops"] = ops.ops
    drop = 100 * (keras["accuracy"] - found["accuracy"])
    # Floating subtraction must not turn a drop of just the limit into a failure.
    if drop > limits.max_drop + 1e-9:
        failures.append(f"accuracy drops {drop:.2f} points, over {limits.max_drop:g}")
    if found["agreement"] < limits.min_agreement:
        failures.append(f"agreement {found['agreement']:.4f} is under {limits.min_agreement:g}")
    worst = max(found["max_difference"], found["reference_kernels"]["max_difference"])
    if name == "float32" and not worst < FLOAT_TOLERANCE:
        failures.append(f"differs from Keras by {worst:.1e}, over {FLOAT_TOLERANCE:.0e}")
    if not found["finite"]:
        failures.append("answers with numbers that are not finite")
    if ops.foreign:
        failures.append(f"needs operations that stock runtimes lack: {', '.join(ops.foreign)}")
    if name in INTEGER_FORMATS:
        failures += _float_islands(ops, limits.allow_float)
    if found["signature"] != {SIGNATURE: ([INPUT], [OUTPUT])}:
        failures.append(f"its signature is {found['signature']}")
    if found["input_shape"] != [1, *card["input"]["shape"]]:
        failures.append(f"its input is {found['input_shape']}, not {card['input']['shape']}")
    if found["classes"] != len(card["labels"]):
        failures.append(f"it has {found['classes']} outputs for {len(card['labels'])} labels")
    return failures


def _float_islands(ops, allowed):
    allowed = {name.strip().upper() for name in allowed.split(",")}
    islands = set(ops.in_float) - allowed
    if islands <= graph.CONVERSIONS and set(ops.in_float) & allowed:
        return []  # the conversions around an operation that is allowed
    return [f"computes in float: {', '.join(sorted(islands))}"] if islands else []


def show(report):
    """Print the table of a report, and its failures."""
    keras = report["keras"]
    rows = [["keras", _size(keras["bytes"]), f"{100 * keras['accuracy']:.2f}%", "", "", "", ""]]
    for name, found in report["formats"].items():
        rows.append(
            [
                name,
                _size(found["bytes"]),
                f"{100 * found['accuracy']:.2f}%",
                f"{100 * (found['accuracy'] - keras['accuracy']):+.2f}",
                f"{100 * found['agreement']:.2f}%",
                f"{found['max_difference']:.1e}",
                f"{found['latency_ms']:.3f} ms",
            ]
        )
    low, high = keras["accuracy_95"]
    print(
        f"{report['images']:,} held-out images; accuracy of Keras {100 * low:.1f}% to "
        f"{100 * high:.1f}% (95%); latency: median, 1 thread, this machine"
    )
    header = ["format", "size", "accuracy", "change", "agreement", "max diff", "latency"]
    cli.table(header, rows)
    for name, found in report["formats"].items():
        for failure in found["failures"]:
            print(f"FAILED {name}: {failure}")


def _size(count):
    return f"{count / 1024:,.1f} KiB"
