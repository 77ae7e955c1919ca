"""One folder with everything that an app needs, verified before it is put in its place."""

import hashlib
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from export import models, tflite, verify
from export.freeze import INPUT, OUTPUT, Frozen
from pipelines import dataset, decode
from pipelines.errors import CheckFailed, UserError, did_you_mean
from pipelines.files import claim, whole_folder, write_json, write_text
from pipelines.sources import absolute

MARKER = "model.json"
OWNED = ("model*.tflite", "model.keras", "saved_model", "labels.txt", MARKER, "verify.json")
CALIBRATION = 200  # images; on LeNet 10 and 1,000 gave the same accuracy


def formats(text):
    """The formats named in a text with commas; all of them for None.

    Raises:
        UserError: an unknown format.
    """
    if text is None:
        return list(tflite.FORMATS)
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in tflite.FORMATS:
            raise UserError(f"no format is named {name!r}; {did_you_mean(name, tflite.FORMATS)}")
    if not names:
        raise UserError(f"name at least one format; there are: {', '.join(tflite.FORMATS)}")
    return names


def bundle(model_file, labels, source, out, names, limits):
    """Export a model to all named formats, verify them, and put the bundle in its place.

    Args:
        model_file: a .keras file.
        labels: class names in the order of its outputs; None, those of the source.
        source: `pipelines.sources.Source`; its train split calibrates, its test split verifies.
        out: the bundle's folder; an older bundle there is replaced when this one has passed.
        names: keys of FORMATS.
        limits: a `limits.Limits`.

    Returns:
        The contents of verify.json.

    Raises:
        CheckFailed: a file misses a limit; what was made lies in `out`.failed.
        UserError: the labels are not those of the source.
    """
    out = Path(out)
    claim(out, marker=MARKER, owned=OWNED)
    model = models.load_keras(model_file)
    labels = check_labels(labels, source, model.output_shape[-1])
    failed = out.with_name(f"{out.name}.failed")
    with whole_folder(out) as folder:
        write(model, model_file, labels, source, folder, names)
        report = check(folder, source, limits)
        if not report["passed"]:
            shutil.rmtree(failed, ignore_errors=True)
            shutil.copytree(folder, failed)
            verify.show(report)
            raise CheckFailed(f"the bundle misses a limit and is not ready; see {failed}")
    shutil.rmtree(failed, ignore_errors=True)
    return report


def check_labels(labels, source, outputs):
    """Return the class names, after checking them against the source and the outputs."""
    labels = tuple(labels or source.classes)
    if labels != source.classes:
        raise UserError(
            f"the model was trained on {_few(labels)}, and {source.spec} holds "
            f"{_few(source.classes)}"
        )
    if len(labels) != outputs:
        raise UserError(f"the model has {outputs} outputs, and there are {len(labels)} classes")
    return labels


def _few(names):
    return f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''} ({len(names)} classes)"


def write(model, model_file, labels, source, folder, names):
    """Write every file of a bundle but verify.json."""
    shape = tuple(model.input_shape[1:])
    split = source.splits["train"]
    chosen = dataset.subset(split, dataset.stratified(split, CALIBRATION))
    images = dataset.pixels(chosen, shape)
    frozen = Frozen(model)
    frozen.save(folder / "saved_model")
    entries = {}
    with tempfile.TemporaryDirectory() as temporary:
        frozen.save(temporary, batch=1)
        for name in names:
            file = folder / f"model_{name}.tflite"
            file.write_bytes(tflite.convert(temporary, name, images))
            entries[name] = entry(file) | numbers(file)
    model.save(folder / "model.keras")
    write_text(folder / "labels.txt", "\n".join(labels) + "\n")
    card = {
        "name": model.name,
        "labels": labels,
        "input": {"name": INPUT, "shape": shape, "values": "0..255, RGB or grey, rows first"},
        "output": {"name": OUTPUT, "shape": [len(labels)]},
        "preprocessing": " ".join(decode.__doc__.split("\n\n", 1)[1].split()),
        "keras": entry(folder / "model.keras"),
        "formats": entries,
        "data": {
            "source": absolute(source.spec),
            "fingerprint": source.fingerprint,
            "split": "test",
        },
        "calibration_images": len(images),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "ai-edge-litert")},
    }
    write_json(folder / MARKER, card)


def entry(file):
    """Name, size and sha256 of a file."""
    content = file.read_bytes()
    return {
        "file": file.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def numbers(file):
    """How a .tflite file writes numbers: real = scale * (stored - zero_point)."""
    model = models.load(file)
    return {side: _numbers(getattr(model, side)) for side in ("input", "output")}


def _numbers(details):
    scale, zero_point = details["quantization"]
    kind = details["dtype"].__name__
    return {"dtype": kind} | ({"scale": scale, "zero_point": zero_point} if scale else {})


def check(folder, source, limits):
    """Verify a bundle on the test split of a source, and write verify.json into it."""
    card = verify.read_card(folder)
    if tuple(card["labels"]) != source.classes:
        check_labels(card["labels"], source, len(card["labels"]))
    split = source.splits["test"]
    chosen = dataset.subset(split, dataset.stratified(split, limits.images))
    images = dataset.pixels(chosen, card["input"]["shape"])
    report = verify.verify(folder, images, chosen.labels, limits)
    write_json(Path(folder) / "verify.json", report)
    return report
