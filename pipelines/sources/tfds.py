"""Image classification sets of TensorFlow Datasets, already prepared on this machine.

They are opened from their folder, which needs neither a network nor the code that made them.
"""

import os
import re
from pathlib import Path

import numpy as np

from pipelines import cli
from pipelines.check import Findings, Place, display, shell
from pipelines.check.cache import Cache, stamp
from pipelines.errors import UserError, did_you_mean
from pipelines.files import expanded
from pipelines.quiet import quiet
from pipelines.sources import records
from pipelines.sources.names import split_of
from pipelines.sources.stored import Part, assemble

INFO = "dataset_info.json"  # by which a prepared set is known
DIGEST = "source_digest"  # feature in which `pack` notes an image that it had to write anew


def open_source(spec, name, options):
    """Open a prepared set; splits that it lacks are dealt out of its train split.

    Args:
        name: such as "mnist", "mnist:3.0.1" or "set/config:1.0.0".
        options: `data_dir`: default, $TFDS_DATA_DIR or ~/tensorflow_datasets.
    """
    base, _, version = name.partition(":")
    if os.path.isabs(base) or ".." in Path(base).parts:
        raise UserError(f"{name!r} is no name of a TFDS set; {_named(base)}")
    builder = _builder(base, version, _data_dir(options.data_dir))
    image, label = _features(spec, builder.info)
    classes = tuple(builder.info.features[label].names)
    if len(classes) < 2:
        raise UserError(f"{spec} has one class; a classifier needs at least two")
    findings, given = Findings(), {}
    cache = Cache(f"records {builder.data_path}\0{image}\0{label}")
    for theirs, info in sorted(builder.info.splits.items()):
        split = split_of(theirs)
        if split is None or split in given:
            findings.ignored[f"image of the split {theirs!r}"] += info.num_examples
            continue
        part = _part(spec, theirs, info, (image, label, DIGEST), cache)
        if (part.labels < 0).all() and split != "train":
            findings.ignored[f"image of the split {theirs!r}, which has no labels"] += len(
                part.labels
            )
        else:
            given[split] = part
    cache.save(path for info in builder.info.splits.values() for path in map(str, info.filepaths))
    if "train" not in given:
        raise UserError(f"{spec} has no train split, only {sorted(builder.info.splits)}")
    _check_labels(spec, given, classes)
    name = f"tfds {builder.data_path}"
    return assemble(spec, classes, given, findings, options.checks, cache_name=name)


def _data_dir(data_dir):
    found = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    path = expanded(found)
    if not path.is_dir():
        raise UserError(f"no folder {path} of prepared TFDS sets; name one with --data-dir")
    return path


def _builder(base, version, data_dir):
    with quiet():
        import tensorflow_datasets as tfds

    name = f"{base}:{version}" if version else base
    folders = [p.parent for p in (data_dir / base).rglob(INFO)]
    if version:
        folders = [p for p in folders if p.name == version]
    if not folders:
        prepared = {p.name for p in data_dir.iterdir() if any(p.rglob(INFO))}
        builder = f"tfds.builder({name!r}, data_dir={str(data_dir)!r})"
        program = f"import tensorflow_datasets as tfds; {builder}.download_and_prepare()"
        raise UserError(
            f"tfds:{name} is not prepared in {data_dir} ({did_you_mean(base, prepared)}); with a "
            f"network, prepare it once: python -c {shell(program)}"
        )
    if len(sets := {str(p.parent.relative_to(data_dir)) for p in folders}) > 1:
        first = sorted(sets)
        raise UserError(f"tfds:{name} is several sets ({', '.join(first[:5])}); name one of them")
    newest = max(folders, key=lambda p: [int(n) for n in re.findall(r"\d+", p.name)])
    try:
        return tfds.builder_from_directory(newest)
    except Exception as error:  # of each part of it another
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{display(newest)} is damaged ({why}); prepare the set again") from None


def _named(path):
    """What to write in place of the path of a set."""
    path, version = Path(path), ""
    if not any(path.glob(f"*/{INFO}")) and not (path / INFO).is_file():
        return "write tfds:NAME, such as tfds:mnist, and its place by --data-dir"
    if re.fullmatch(r"\d+\.\d+\.\d+", path.name):
        path, version = path.parent, f":{path.name}"
    return f"write {shell(f'tfds:{path.name}{version}')} --data-dir {shell(str(path.parent))}"


def _features(spec, info):
    """The names of the image and of the label among the features."""
    import tensorflow_datasets as tfds

    kinds = {"image": tfds.features.Image, "label": tfds.features.ClassLabel}
    found = []
    for wanted, kind in kinds.items():
        of_kind = [name for name, feature in info.features.items() if isinstance(feature, kind)]
        if not of_kind:
            raise UserError(f"{spec} has no {wanted}, so it is no image classification set")
        found.append(wanted if wanted in of_kind else of_kind[0])
    if info.features[found[0]].np_dtype != np.uint8:
        raise UserError(f"{spec} has images of {info.features[found[0]].np_dtype}, not of uint8")
    return found


def _part(spec, name, info, features, cache):
    """The images of a split, in the set's own order."""
    if info.filename_template is None or "tfrecord" not in info.filename_template.filetype_suffix:
        raise UserError(
            f"{spec} is not stored as TFRecord files; `tfds convert_format` writes it anew as such"
        )
    places, labels, digests = [], [], []
    paths = list(map(str, info.filepaths))
    for path in cli.progress(paths, len(paths), f"indexing {name}"):
        for offset, length, label, digest in _index(path, features, cache):
            places.append(Place(path, offset, length))
            labels.append(label)
            digests.append(digest)
    if len(places) != info.num_examples:
        raise UserError(
            f"{spec}: its split {name} should hold {info.num_examples:,} images and holds "
            f"{len(places):,}; prepare it again"
        )
    names = [f"{name} {i}" for i in range(len(places))]
    return Part(places, np.array(labels, np.int32), names, digests if any(digests) else None)


def _index(path, features, cache):
    try:
        now = stamp(path)
        known = cache.get(path, now)
        if known is None:
            known = records.index(path, *features)
            cache.put(path, now, known)
        return known
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; prepare the set again") from None
    except records.Unreadable as error:
        raise UserError(f"{path} {error}; prepare the set again") from None


def _check_labels(spec, given, classes):
    for split, part in given.items():
        wrong = (part.labels < 0) | (part.labels >= len(classes))
        if wrong.any():
            raise UserError(
                f"{spec}: {int(wrong.sum()):,} images of {split} have a label that is no class, "
                f"such as {part.names[int(wrong.argmax())]}"
            )
