"""Image classification sets of TensorFlow Datasets, already prepared on this machine.

They are opened from their folder, which needs neither a network nor the code that made them.
"""

import os
import re
from pathlib import Path

import numpy as np

from pipelines.errors import UserError, did_you_mean
from pipelines.quiet import quiet
from pipelines.sources.base import SPLITS, TEST, VAL, Source, Split, assign, digest, fingerprint

GIBIBYTES = 8  # encoded images are kept in memory, so that order is free; larger sets are refused


def open_source(spec, name, data_dir):
    """Open a prepared set; splits that it lacks are dealt out of its train split.

    Args:
        name: such as "mnist", "mnist:3.0.1" or "set/config:1.0.0".
        data_dir: default, $TFDS_DATA_DIR or ~/tensorflow_datasets.
    """
    builder = _builder(name, _data_dir(data_dir))
    image, label = _features(spec, builder.info)
    size = sum(split.num_bytes for split in builder.info.splits.values())
    if size > GIBIBYTES * 2**30:
        raise UserError(
            f"{spec} holds {size / 2**30:.0f} GiB of images; up to {GIBIBYTES} GiB can be "
            "opened, so write it out as class folders and use folder:PATH"
        )
    classes = tuple(builder.info.features[label].names)
    names = {s: s for s in SPLITS if s in builder.info.splits}
    if "validation" in builder.info.splits:
        names["val"] = "validation"
    if "train" not in names:
        raise UserError(f"{spec} has no train split, only {sorted(builder.info.splits)}")
    given = {split: _load(builder, theirs, image, label) for split, theirs in names.items()}
    return _source(spec, classes, given, builder.info.features[image].shape[-1] or 3)


def _data_dir(data_dir):
    found = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    path = Path(found).expanduser()
    if not path.is_dir():
        raise UserError(f"no folder {path} of prepared TFDS sets; name one with --data-dir")
    return path


def _builder(name, data_dir):
    with quiet():
        import tensorflow_datasets as tfds

    base, _, version = name.partition(":")
    if not re.fullmatch(r"[\w/.+-]+", base) or ".." in base:
        raise UserError(f"{name!r} is no name of a TFDS set; write tfds:NAME, such as tfds:mnist")
    folders = [p.parent for p in (data_dir / base).rglob("dataset_info.json")]
    if version:
        folders = [p for p in folders if p.name == version]
    if not folders:
        prepared = {p.name for p in data_dir.iterdir() if any(p.rglob("dataset_info.json"))}
        raise UserError(
            f"tfds:{name} is not prepared in {data_dir} ({did_you_mean(base, prepared)}); with a "
            f'network, prepare it once: python -c "import tensorflow_datasets as tfds; '
            f"tfds.builder('{name}', data_dir='{data_dir}').download_and_prepare()\""
        )
    newest = max(folders, key=lambda p: [int(n) for n in re.findall(r"\d+", p.name)])
    return tfds.builder_from_directory(newest)


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
    return found


def _load(builder, split, image, label):
    """Encoded images and labels of one split, in its own order."""
    import tensorflow_datasets as tfds

    read = tfds.ReadConfig(interleave_cycle_length=1)
    decoders = {image: tfds.decode.SkipDecoding()}
    rows = builder.as_dataset(split=split, decoders=decoders, read_config=read, shuffle_files=False)
    with quiet():
        import tensorflow  # noqa: F401  (its start-up lines are held back)
    batches = [(b[image], b[label]) for b in rows.batch(1024).as_numpy_iterator()]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return images, labels.astype(np.int32)


def _source(spec, classes, given, channels):
    digests = {
        split: np.array([digest(f"{split} {i}") for i in range(len(labels))])
        for split, (_, labels) in given.items()
    }
    parts = {name: share for name, share in (("val", VAL), ("test", TEST)) if name not in given}
    rows = {split: (split, np.arange(len(labels))) for split, (_, labels) in given.items()}
    if parts:
        dealt = assign(given["train"][1], digests["train"], {"train": 1} | parts, classes)
        rows |= {name: ("train", i) for name, i in dealt.items()}
    splits, found = {}, {}
    for name in SPLITS:
        origin, i = rows[name]
        images, labels = given[origin]
        shown = [f"{origin} {k}" for k in i]
        splits[name] = Split(labels[i], (images[i],), _read, shown, _encoded)
        found[name] = (digests[origin][i], labels[i])
    return Source(spec, classes, channels, splits, fingerprint(classes, found))


def _encoded(data):
    return data, 1, False


def _read(data):
    from pipelines.decode import decode

    return decode(data)
