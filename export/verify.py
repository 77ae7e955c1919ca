"""Run every file of a bundle and hold it to the Keras model that it came from."""

import time
from pathlib import Path

import numpy as np

from export import graph, metadata, models, samples, tflite
from export.freeze import INPUT, OUTPUT, SIGNATURE
from export.intervals import of_median, wilson
from pipelines import cli
from pipelines.errors import DamagedFile

FLOAT_TOLERANCE = 1e-4  # largest difference of a float32 file's probabilities from Keras'
REFERENCE_MACS = 2e10  # what the reference kernels are given to do a file: about 10 s
FEWEST_REFERENCE = 4  # images, however large the network


class Trial:
    """Held-out images, and what the Keras model says to them.

    Args:
        model: a `models.KerasModel`.
        pixels: uint8 (n, height, width, channels).
        labels: int (n,), their true classes.
        names: class names in the order of the outputs.
        limits: a `limits.Limits`.

    Raises:
        DamagedFile: the Keras model's answers are not finite.
    """

    def __init__(self, model, pixels, labels, names, limits):
        self.pixels, self.labels, self.names, self.limits = pixels, labels, names, limits
        self.expected = model.predict(pixels)
        if not np.isfinite(self.expected).all():
            raise DamagedFile(
                "the Keras model answers with numbers that are not finite: its training went bad, "
                "or its file is damaged"
            )
        self.right = self.expected.argmax(1) == labels

    def keras(self):
        """How good the Keras model is on these images, and how good its commonest class alone."""
        counts = np.bincount(self.labels, minlength=len(self.names))
        guessing = max(1 / len(self.names), counts.max() / len(self.labels))
        return _accuracy(self.right) | {"guessing": float(guessing)}

    def run(self, name, content):
        """Run one file: what was measured, and "failures", a list of sentences.

        Args:
            name: a key of `tflite.FORMATS`, or "mixed".
            content: the bytes of the file.
        """
        kind = tflite.FORMATS.get(name)
        if kind and kind.suffix == ".onnx":
            return self._run_onnx(content)
        parts = graph.read(content)
        fast = models.TFLiteModel(content)
        answers = fast.predict(self.pixels)
        plain, some = self._on_reference_kernels(content, parts.macs)
        found = {
            **self._compared(answers),
            "reference_kernels": _beside(plain, self.expected[some]),
            **latency(fast.interpreter.invoke),
            "finite": bool(np.isfinite(answers).all() and np.isfinite(plain).all()),
            "ops": parts.ops,
            "signature": fast.signature(),
            **fast.numbers(),
        }
        found["failures"] = [
            *self._missed(name, found),
            *_unfit(parts, kind.in_float if kind else None, self.limits.allow_float),
            *self._mislabelled(content),
        ]
        return found

    def _run_onnx(self, content):
        from export.to_onnx import OnnxModel

        model = OnnxModel(content)
        answers = model.predict(self.pixels)
        found = {
            **self._compared(answers),
            **latency(lambda: model.predict(self.pixels[:1])),
            "finite": bool(np.isfinite(answers).all()),
            "ops": model.ops(),
            "signature": model.signature(),
            **model.numbers(),
        }
        return found | {"failures": list(self._missed("onnx", found))}

    def _on_reference_kernels(self, content, macs):
        """Probabilities by the kernels that define each operation, and which images they saw."""
        affordable = max(FEWEST_REFERENCE, int(REFERENCE_MACS / max(macs, 1)))
        count = min(self.limits.reference_images, affordable, len(self.pixels))
        some = np.linspace(0, len(self.pixels) - 1, count).astype(int)
        plain = models.TFLiteModel(content, reference_kernels=True)
        some = some[plain.survives(self.pixels[some])]
        return plain.predict(self.pixels[some]), some

    def _compared(self, answers):
        right, agrees = (answers.argmax(1) == t for t in (self.labels, self.expected.argmax(1)))
        return {
            **_accuracy(right),
            "drop": 100 * float(self.right.mean() - right.mean()),
            "agreement": float(agrees.mean()),
            "agreement_95": list(wilson(int(agrees.sum()), len(agrees))),
            "max_difference": float(np.abs(answers - self.expected).max()),
            "worst_classes": self._worst_classes(right),
        }

    def _worst_classes(self, right, count=3):
        """The classes that lose most, as [{"class", "images", "keras", "file"}]: recalls 0..1."""
        rows = []
        for label in np.unique(self.labels):
            own = self.labels == label
            keras, file = float(self.right[own].mean()), float(right[own].mean())
            rows.append(
                {
                    "class": self.names[label],
                    "images": int(own.sum()),
                    "keras": keras,
                    "file": file,
                }
            )
        rows.sort(key=lambda row: (row["file"] - row["keras"], row["file"]))
        return rows[:count]

    def _missed(self, name, found):
        """Sentences on what a file's answers and its interface miss."""
        limits, height_width = self.limits, list(self.pixels.shape[1:3])
        # Floating subtraction must not turn a drop of just the limit into a failure.
        if found["drop"] > limits.max_drop + 1e-9:
            yield f"accuracy drops {found['drop']:.2f} points, over {limits.max_drop:g}"
        if found["agreement"] < limits.min_agreement:
            yield f"agreement {found['agreement']:.4f} is under {limits.min_agreement:g}"
        plain = found.get("reference_kernels", {"images": 1, "max_difference": 0.0})
        worst = max(found["max_difference"], plain["max_difference"] or 0.0)
        if not plain["images"]:
            yield "all classes are about equally likely to it, whatever the image"
        if name in ("float32", "onnx") and not worst < FLOAT_TOLERANCE:
            yield f"differs from Keras by {worst:.1e}, over {FLOAT_TOLERANCE:.0e}"
        if not found["finite"]:
            yield "answers with numbers that are not finite"
        if found["signature"] != {SIGNATURE: ([INPUT], [OUTPUT])}:
            yield f"its signature is {found['signature']}"
        shape = found["input"]["shape"]
        if shape[:3] != [1, *height_width] or shape[3] not in (self.pixels.shape[3], 3):
            yield f"its input is {shape}, and the images are {list(self.pixels.shape[1:])}"
        if found["output"]["shape"][-1] != len(self.names):
            yield f"it has {found['output']['shape'][-1]} outputs for {len(self.names)} labels"

    def _mislabelled(self, content):
        description, labels = metadata.read(content)
        if description is None:
            yield "holds no metadata"
        if tuple(labels or ()) != tuple(self.names):
            yield f"holds {len(labels or ())} labels, which are not the bundle's {len(self.names)}"


def _unfit(parts, may_be_float, allowed):
    """Sentences on operations that a file should not have."""
    if parts.foreign:
        yield f"needs operations that stock runtimes lack: {', '.join(parts.foreign)}"
    if may_be_float is not None:
        yield from _float_islands(parts, may_be_float, allowed)


def _float_islands(parts, may_be_float, allowed):
    allowed = {name.strip().upper() for name in allowed.split(",")}
    islands = set(parts.in_float) - allowed - may_be_float
    if islands <= graph.CONVERSIONS and set(parts.in_float) & allowed:
        return []  # the conversions around an operation that is allowed
    return [f"computes in float: {', '.join(sorted(islands))}"] if islands else []


def _beside(answers, expected):
    """How near the answers to some images are; None for what no image tells."""
    known = len(answers) > 0
    return {
        "images": len(answers),
        "agreement": float((answers.argmax(1) == expected.argmax(1)).mean()) if known else None,
        "max_difference": float(np.abs(answers - expected).max()) if known else None,
    }


def _accuracy(right):
    return {
        "accuracy": float(right.mean()),
        "accuracy_95": list(wilson(int(right.sum()), len(right))),
    }


def latency(run, runs=50):
    """Median milliseconds of one image on one thread, on this machine, and its 95% interval."""
    run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    low, high = of_median(times)
    rounded = [round(float(number), 4) for number in (np.median(times), low, high)]
    return {"latency_ms": rounded[0], "latency_ms_95": rounded[1:]}


def verify(folder, card, trial):
    """Verify the files of a bundle.

    Args:
        folder: the bundle.
        card: what its model.json holds or will hold.
        trial: a Trial of its model.keras.

    Returns:
        The contents of verify.json: "passed", "keras", and for each format what was measured and
        "failures", a list of sentences.
    """
    folder = Path(folder)
    report = {
        "passed": False,
        "images": len(trial.pixels),
        "limits": vars(trial.limits),
        "keras": {"bytes": card["keras"]["bytes"], **trial.keras()},
        "formats": {},
    }
    for name, entry in card["formats"].items():
        cli.status(f"running {name} on {len(trial.pixels):,} images")
        content = (folder / entry["file"]).read_bytes()
        found = trial.run(name, content)
        report["formats"][name] = {"file": entry["file"], "bytes": len(content)} | found
    cli.status("")
    for name, failures in samples.check(folder, card).items():
        report["formats"][name]["failures"] += failures
    report["passed"] = not any(f["failures"] for f in report["formats"].values())
    return report


def show(report):
    """Print the table of a report, and its failures."""
    keras = report["keras"]
    rows = [["keras", _size(keras["bytes"]), f"{100 * keras['accuracy']:.2f}%", *[""] * 5]]
    for name, found in report["formats"].items():
        low, high = found["agreement_95"]
        worst = found["worst_classes"][0]
        lost = 100 * (worst["keras"] - worst["file"])
        rows.append(
            [
                name,
                _size(found["bytes"]),
                f"{100 * found['accuracy']:.2f}%",
                f"{0 - found['drop']:+.2f}",
                f"{100 * found['agreement']:.2f}% ({100 * low:.1f} to {100 * high:.1f})",
                f"{found['max_difference']:.1e}",
                f"{worst['class']} {-lost:+.1f}" if lost > 0 else "none loses",
                f"{found['latency_ms']:.3f} ms",
            ]
        )
    low, high = keras["accuracy_95"]
    print(
        f"{report['images']:,} held-out images; accuracy of Keras {100 * low:.1f}% to "
        f"{100 * high:.1f}% (95%); latency: median, 1 thread, this machine"
    )
    header = "format,size,accuracy,change,agreement (95%),max diff,worst class,latency"
    cli.table(header.split(","), rows)
    if low <= keras["guessing"]:
        print(
            f"WARNING: {100 * keras['accuracy']:.1f}% right may be no better than always giving "
            f"one answer ({100 * keras['guessing']:.1f}%): the files are faithful to a model that "
            "has learnt nothing; train it further before it is shipped"
        )
    for name, found in report["formats"].items():
        for failure in found["failures"]:
            print(f"FAILED {name}: {failure}")


def _size(count):
    return f"{count / 1024:,.1f} KiB"
