"""One folder with everything that an app needs, verified before it is put in its place.

A bundle is made of parts: functions that take a `Making` and write files into its folder, in the
order of PARTS. Adding one: a function and a line of PARTS, whose key is the pattern of the names
that it writes. Parts below "verify.json" may quote its report, and are not run when it fails.
"""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from export import card as cards
from export import models, page, samples, tflite, verify
from export.card import MARKER
from export.freeze import INPUT, OUTPUT, Frozen
from pipelines import dataset, decode
from pipelines.errors import CheckFailed, UserError, did_you_mean
from pipelines.files import claim, whole_folder, write_json, write_text
from pipelines.sources import absolute

CALIBRATION = 200  # images; on LeNet 10 and 1,000 gave the same accuracy


@dataclass
class Making:
    """A bundle in the making: what its parts read, and the card that they fill."""

    folder: Path  # where the parts write
    model: object  # keras.Model, from pixels to logits or probabilities
    labels: tuple[str, ...]
    source: object  # pipelines.sources.Source
    names: list[str]  # formats to make, keys of tflite.FORMATS
    limits: object  # limits.Limits
    card: dict = field(default_factory=dict)  # what model.json will hold; parts add to it
    report: dict | None = None  # what verify.json holds, once it is there

    @property
    def image_shape(self):
        """(height, width, channels) of the Keras model."""
        return tuple(self.model.input_shape[1:])

    @cached_property
    def frozen(self):
        """The model as one graph of constants."""
        return Frozen(self.model)

    @cached_property
    def calibration(self):
        """Training images of every class, uint8 (n, height, width, channels)."""
        split = self.source.splits["train"]
        chosen = dataset.subset(split, dataset.stratified(split, CALIBRATION))
        return dataset.pixels(chosen, self.image_shape)

    @cached_property
    def held_out(self):
        """Images that training never saw, a `pipelines.sources.Split`."""
        split = self.source.splits["test"]
        return dataset.subset(split, dataset.stratified(split, self.limits.images))

    @cached_property
    def held_out_images(self):
        """Pixels of `held_out`, uint8 (n, height, width, channels)."""
        return dataset.pixels(self.held_out, self.image_shape)


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
        making = Making(folder, model, labels, source, names, limits)
        if not make(making):
            shutil.rmtree(failed, ignore_errors=True)
            shutil.copytree(folder, failed)
            verify.show(making.report)
            raise CheckFailed(f"the bundle misses a limit and is not ready; see {failed}")
    shutil.rmtree(failed, ignore_errors=True)
    return making.report


def make(making):
    """Run every part and seal the folder; return whether the files passed."""
    passed = True
    for write in PARTS.values():
        write(making)
        passed = making.report is None or making.report["passed"]
        if not passed:
            break
    making.card["files"] = {
        file.relative_to(making.folder).as_posix(): entry(file)
        for file in sorted(making.folder.rglob("*"))
        if file.is_file()
    }
    write_json(making.folder / MARKER, making.card)
    return passed


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


def _card(making):
    making.card |= {
        "name": making.model.name,
        "labels": making.labels,
        "input": {
            "name": INPUT,
            "shape": making.image_shape,
            "values": "0..255, RGB or grey, rows first",
        },
        "output": {"name": OUTPUT, "shape": [len(making.labels)]},
        "preprocessing": " ".join(decode.__doc__.split("\n\n", 1)[1].split()),
        "data": {
            "source": absolute(making.source.spec),
            "fingerprint": making.source.fingerprint,
            "split": "test",
        },
        "calibration_images": len(making.calibration),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "ai-edge-litert")},
    }
    write_text(making.folder / "labels.txt", "\n".join(making.labels) + "\n")


def _saved_model(making):
    making.frozen.save(making.folder / "saved_model")


def _keras(making):
    file = making.folder / "model.keras"
    making.model.save(file)
    making.card["keras"] = {"file": file.name} | entry(file)


def _formats(making):
    making.card["formats"] = {}
    with tempfile.TemporaryDirectory() as temporary:
        making.frozen.save(temporary, batch=1)
        for name in making.names:
            file = making.folder / f"model_{name}.tflite"
            file.write_bytes(tflite.convert(temporary, name, making.calibration))
            making.card["formats"][name] = {"file": file.name} | entry(file) | numbers(file)


def _verified(making):
    making.report = verify.verify(
        making.folder, making.card, making.held_out_images, making.held_out.labels, making.limits
    )
    write_json(making.folder / "verify.json", making.report)


PARTS = {
    "labels.txt": _card,
    "saved_model": _saved_model,
    "model.keras": _keras,
    "model_*.tflite": _formats,
    "samples": samples.write,
    "verify.json": _verified,
    "index.html": page.write,
}
OWNED = (*PARTS, "web", MARKER)


def entry(file):
    """Size and sha256 of a file."""
    content = file.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def numbers(file):
    """How a .tflite file writes numbers: real = scale * (stored - zero_point)."""
    model = models.load(file)
    return {side: _numbers(getattr(model, side)) for side in ("input", "output")}


def _numbers(details):
    scale, zero_point = details["quantization"]
    kind = details["dtype"].__name__
    shape = [int(side) for side in details["shape"]]
    return {"dtype": kind, "shape": shape} | (
        {"scale": scale, "zero_point": zero_point} if scale else {}
    )


def check(folder, source, limits):
    """Verify a bundle on the test split of a source, and write verify.json into it."""
    folder = Path(folder)
    card = cards.read_card(folder)
    if tuple(card["labels"]) != source.classes:
        check_labels(card["labels"], source, len(card["labels"]))
    split = source.splits["test"]
    chosen = dataset.subset(split, dataset.stratified(split, limits.images))
    images = dataset.pixels(chosen, card["input"]["shape"])
    report = verify.verify(folder, card, images, chosen.labels, limits)
    write_json(folder / "verify.json", report)
    card["files"]["verify.json"] = entry(folder / "verify.json")
    write_json(folder / MARKER, card)
    return report
