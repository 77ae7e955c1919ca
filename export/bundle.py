"""One folder with everything that an app needs, verified before it is put in its place.

A bundle is made of parts: functions that take a `Making` and write files into its folder, in the
order of PARTS. Adding one: a function and a line of PARTS, whose key is the pattern of the names
that it writes. Parts below "verify.json" may quote its report, and are not run when it fails.
"""

import contextlib
import errno
import os
import shutil
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from export import (
    c_array,
    calibration,
    choose,
    model_card,
    models,
    page,
    samples,
    snippets,
    tflite,
    verify,
)
from export import card as cards
from export.card import MARKER, REPORT
from export.freeze import INPUT, OUTPUT
from export.limits import Options
from export.making import Making, entry, held_out
from export.trained import check_labels
from pipelines import cli, dataset, decode, files
from pipelines.errors import (
    CheckFailed,
    DamagedFile,
    EnvironmentFault,
    UserError,
    did_you_mean,
)
from pipelines.files import whole_folder, write_json, write_text
from pipelines.sources.recorded import record


class Missed(CheckFailed):
    """A file cannot be made, or misses a limit: `report` is what verify.json would hold of it."""

    def __init__(self, sentence, report):
        super().__init__(sentence)
        self.report = report


SMALLEST = 2**14  # bytes; a disk with less is full


def formats(text):
    """The formats named in a text with commas; the usual ones for None, all there are for "all".

    Raises:
        UserError: an unknown format, or one whose packages are not installed.
    """
    if text is None:
        return [name for name, kind in tflite.FORMATS.items() if kind.usual]
    if text == "all":
        return [name for name in tflite.FORMATS if not tflite.missing(name)]
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in tflite.FORMATS:
            raise UserError(f"no format is named {name!r}; {did_you_mean(name, tflite.FORMATS)}")
        if missing := tflite.missing(name):
            raise UserError(f"{name} needs packages: pip install {' '.join(missing)}")
    if not names:
        raise UserError(f"name at least one format; there are: {', '.join(tflite.FORMATS)}")
    return names


def bundle(model_file, labels, source, out, names, limits, options=None, prefer=None):
    """Export a model to all named formats, verify them, and put the bundle in its place.

    Args:
        model_file: a .keras file.
        labels: class names in the order of its outputs; None, those of the source.
        source: `pipelines.sources.Source`; its train split calibrates, its test split verifies.
        out: the bundle's folder; an older bundle there is replaced when this one has passed.
        names: keys of FORMATS.
        limits: a `limits.Limits`.
        options: a `limits.Options`.
        prefer: "size" or "latency": leave out what misses a limit, mend the integer file, and
            name the best; None, every file must pass.

    Returns:
        The contents of verify.json.

    Raises:
        Missed: a format cannot be made; or a file misses a limit, and what was made lies in
            `out`.failed.
        UserError: the labels are not those of the source.
    """
    failed = claim(out)
    model = models.in_float32(models.load_keras(model_file))
    labels = check_labels(labels, source, model.output_shape[-1])
    with whole_folder(out) as folder, tempfile.TemporaryDirectory() as temporary:
        options = options or Options()
        making = Making(
            folder, Path(temporary), model, labels, source, names, limits, options, prefer,
            model_file=Path(model_file),
        )  # fmt: skip
        with _said_if_full(out, folder):
            passed = make(making, PARTS)
        if not passed:
            with whole_folder(failed) as kept:
                shutil.copytree(folder, kept, dirs_exist_ok=True)
            missed = f"the bundle misses a limit and is not ready; see {failed}"
            raise Missed(missed, making.report)
    shutil.rmtree(failed, ignore_errors=True)
    return making.report


def claim(out):
    """Refuse a folder that no bundle can be put in, before the work; see `files.claim`.

    Returns:
        Where a bundle that misses a limit goes: beside it, and ours to replace as well.
    """
    failed = Path(os.path.realpath(out))
    failed = failed.with_name(f"{failed.name}.failed")
    for folder in (out, failed):
        files.claim(folder, marker=MARKER, owned=OWNED, as_whole=True)
    return failed


@contextlib.contextmanager
def _said_if_full(out, folder):
    """TensorFlow, HDF5 and Python each fail in a way of their own when a disk is full."""
    try:
        yield
    except Exception as error:
        full = getattr(error, "errno", None) == errno.ENOSPC
        if full or shutil.disk_usage(folder).free < SMALLEST:
            raise EnvironmentFault(
                f"the disk is full, {out} was not made; what was there before still is"
            ) from error
        raise


def make(making, parts):
    """Run every part and seal the folder; return whether the files passed."""
    passed = True
    for write in parts.values():
        write(making)
        passed = making.report is None or making.report["passed"]
        if not passed:
            break
    making.card["files"] = {
        file.relative_to(making.folder).as_posix(): entry(file)
        for file in sorted(making.folder.rglob("*"))
        if file.is_file()
    }
    cards.write_card(making.folder, making.card)
    return passed


def _card(making):
    known = record(making.source)
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
        "data": {"source": known.pop("data"), **known, "split": "test"},
        "limits": asdict(making.limits),
        "about": asdict(making.options) | {"calibration_images": making.calibration_images},
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
    if any(tflite.FORMATS[name].calibrates for name in making.names):
        calibration.check(making.source, making.calibration_images)
    for name in making.names:
        cli.status(f"making {name}")
        try:
            _format(making, name)
        except (UserError, OSError):
            raise
        except Exception as error:
            lines = dict.fromkeys(line.strip() for line in str(error).splitlines())
            reason = " ".join(filter(None, lines))[:200]
            making.unmade[name] = f"cannot be made: {reason}"
    cli.status("")
    if making.unmade and (not making.prefer or not making.card["formats"]):
        name, reason = next(iter(making.unmade.items()))
        none_of_it = {"passed": False, "formats": {}, "unmade": making.unmade}
        raise Missed(f"{name} {reason}; name the others by --formats, or use --auto", none_of_it)


def _format(making, name):
    kind = tflite.FORMATS[name]
    channels = making.image_shape[-1] if kind.grey else 3
    content = tflite.convert(making.conversion(channels), name)
    file = making.folder / f"model_{name}{kind.suffix}"
    try:
        making.add(name, file, making.dressed(content) if kind.suffix == ".tflite" else content)
    except DamagedFile as error:  # the converter can write what no runtime takes
        making.unmade[name] = f"cannot be run: {making.why(error, content)}"
        file.unlink(missing_ok=True)


def _verified(making):
    making.report = verify.verify(making.folder, making.card, making.trial)
    making.report["unmade"] = making.unmade
    if making.prefer:
        choose.settle(making)
        if "doctor" in making.report:
            choose.plot(making.report, making.folder / "doctor.png")
    write_json(making.folder / REPORT, files.finite(making.report))


PARTS = {
    "labels.txt": _card,
    "saved_model": _saved_model,
    "model.keras": _keras,
    "model_*": _formats,
    "verify.json": _verified,
    "samples": samples.write,
    "model_int8*": c_array.write,
    "android": snippets.write,
    "MODEL_CARD.md": model_card.write,
    "index.html": page.write,
}
OWNED = (*PARTS, "ios", "web", "doctor.png", MARKER)


def try_formats(model_file, labels, source, names, limits, options, prefer, picture=None):
    """Make and measure the named formats, and say which is best; nothing is kept.

    Takes what `bundle` takes.

    Args:
        picture: where to draw the trade, a .png; None, nowhere.

    Returns:
        What verify.json would hold.
    """
    model = models.in_float32(models.load_keras(model_file))
    labels = check_labels(labels, source, model.output_shape[-1])
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as temporary:
        folder, temporary = Path(folder), Path(temporary)
        making = Making(folder, temporary, model, labels, source, names, limits, options, prefer)
        make(making, {key: PARTS[key] for key in ("model.keras", "model_*", "verify.json")})
    if picture:
        choose.plot(making.report, picture)
    return making.report


def check(folder, source, limits):
    """Verify a bundle on the test split of a source.

    Returns:
        The contents of verify.json: what was measured now, and what else it held.

    Raises:
        DamagedFile: a file of it was changed since it was made.
        UserError: the source has other classes.
    """
    folder = Path(folder)
    card = cards.read_card(folder)
    cards.check_hashes(folder, card)
    names = check_labels(card["labels"], source, len(card["labels"]))
    model = models.load(folder / card["keras"]["file"])
    chosen = held_out(source, limits)
    pixels = dataset.pixels(chosen, model.input_shape)
    report = verify.verify(folder, card, verify.Trial(model, pixels, chosen.labels, names, limits))
    return cards.read_report(folder) | report


def keep(folder, report):
    """Write a report of `check` into its bundle."""
    folder = Path(folder)
    card = cards.read_card(folder)
    write_json(folder / REPORT, files.finite(report))
    card["files"][REPORT] = entry(folder / REPORT)
    cards.write_card(folder, card)
