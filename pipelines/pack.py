"""A source as a sharded TFDS data set: one standard builder, for training on several machines.

Shards are TFRecord files of `tf.train.Example`s, in the order of the source, so that tf.data can
share them out by file and any machine can open them with tensorflow_datasets alone.
"""

import hashlib
import json
import math
import os
import re
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines import cli
from pipelines.check.children import processors
from pipelines.errors import UserError
from pipelines.files import claim, scratch, whole_file, write_json
from pipelines.quiet import quiet
from pipelines.sources.recorded import record
from pipelines.sources.tfds import DIGEST, INFO

MARKER = "pack.json"  # what is packed here; there from the first moment on
# INFO is written last: without it TFDS opens nothing.
OWNED = (MARKER, INFO, "features.json", "label.labels.txt", "*.tfrecord-*", ".*")


def check(out):
    """Refuse a folder that cannot be packed into; see `files.claim`."""
    claim(out, marker=MARKER, owned=OWNED)


def pack(source, out, shards=None):
    """Write a source as a TFDS builder; what an earlier call finished is kept.

    Args:
        source: a `sources.Source`.
        out: the builder's folder.
        shards: files of the train split, at most one for each image; the other splits get a share
            by their size. Default, 4 for each processor.

    Returns:
        {split: shards} and how many shards were found finished.

    Raises:
        UserError: `out` holds other things, or the pack of another source or other shards.
    """
    out = Path(out)
    check(out)
    train = len(source.splits["train"])
    shards = min(shards or 4 * processors(), train)
    lengths = {
        name: _lengths(len(split), max(1, math.ceil(shards * len(split) / train)))
        for name, split in source.splits.items()
    }
    lengths["train"] = _lengths(train, shards)
    plan = {"packed": record(source), "shards": {n: len(sizes) for n, sizes in lengths.items()}}
    if _is_there(out, plan):
        return plan["shards"], sum(plan["shards"].values())
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / MARKER, plan)
    kept = _write_shards(source, out, lengths)
    _write_info(source, out, lengths)
    return plan["shards"], kept


def _lengths(images, shards):
    """Images of each shard, as even as can be."""
    ends = np.linspace(0, images, min(shards, images) + 1).round().astype(int)
    return np.diff(ends).tolist()


def _is_there(out, plan):
    """Whether this very pack is complete; a part of another one is refused."""
    try:
        found = json.loads((out / MARKER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except ValueError:
        found = None
    mine = [(p["packed"]["fingerprint"], p["shards"]) for p in (found, plan) if p]
    if len(mine) < 2 or mine[0] != mine[1]:
        raise UserError(f"{out} holds the pack of other images or shards; name another --out")
    return (out / INFO).exists()


def _file(out, split, shard, count):
    return out / f"{_name(out)}-{split}.tfrecord-{shard:05d}-of-{count:05d}"


def _name(out):
    """The folder's name as TFDS has names."""
    return re.sub(r"\W+", "_", out.absolute().name.lower(), flags=re.A).strip("_") or "images"


def _write_shards(source, out, lengths):
    """Write the shards that are not there yet; return how many were."""
    with quiet():
        import tensorflow as tf

    jobs, kept = [], 0
    for name, sizes in lengths.items():
        start = 0
        for shard, size in enumerate(sizes):
            file = _file(out, name, shard, len(sizes))
            if file.exists():
                kept += 1
            else:
                jobs.append((source.splits[name], range(start, start + size), file))
            start += size
    total = sum(len(rows) for _, rows, _ in jobs)
    progress = iter(cli.progress(range(total), total, "packing images"))
    for split, indices, file in jobs:
        with whole_file(file) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
            for i in indices:
                writer.write(_example(tf, split, i))
                next(progress)
    for _ in progress:
        pass  # its last line
    return kept


def _example(tf, split, i):
    """One record: bytes that any decoder takes, and whose they are where they were made anew."""
    from pipelines import decode
    from pipelines.check.convert import to_png
    from pipelines.check.signatures import image_format

    row = [item[i] for item in split.items]
    data, orientation, alpha = split.encoded(*row) if split.encoded else (b"", 1, False)
    # Who opens the set by TFDS alone, which turns nothing and takes every WebP for an animation,
    # is to see what we see.
    if orientation != 1 or alpha or image_format(data) not in ("JPEG", "PNG"):
        pixels = (
            split.read(*row) if not data else decode.decode(tf.constant(data), orientation, alpha)
        )
        pixels = np.asarray(pixels)
        data = to_png(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))
    own = _hash(data) == split.digests[i]
    feature = {
        "image": _bytes(tf, data),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(split.labels[i])])),
        DIGEST: _bytes(tf, b"" if own else split.digests[i].encode()),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def _hash(data):
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _bytes(tf, value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _write_info(source, out, lengths):
    """Write what makes the shards a TFDS builder."""
    with quiet():
        import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, source.channels)),
            "label": tfds.features.ClassLabel(names=list(source.classes)),
            DIGEST: tfds.features.Text(),
        }
    )
    name = _name(out)
    template = tfds.core.ShardedFileTemplate(
        data_dir=out, dataset_name=name, filetype_suffix="tfrecord"
    )
    splits = [
        tfds.core.SplitInfo(
            name=split,
            shard_lengths=sizes,
            num_bytes=sum(
                os.path.getsize(_file(out, split, k, len(sizes))) for k in range(len(sizes))
            ),
            filename_template=template.replace(split=split),
        )
        for split, sizes in lengths.items()
    ]
    identity = tfds.core.dataset_info.DatasetIdentity(
        name=name, version=tfds.core.Version("1.0.0"), data_dir=str(out), module_name=""
    )
    described = f"packed by keras-cnns; fingerprint {source.fingerprint}"
    info = tfds.core.DatasetInfo(builder=identity, description=described, features=features)
    info.set_file_format("tfrecord")
    info.set_splits(tfds.core.splits.SplitDict(splits))
    with quiet(), scratch(out) as temporary:
        info.write_to_directory(temporary)
        for made in sorted(os.listdir(temporary), key=lambda name: name == INFO):
            os.replace(os.path.join(temporary, made), out / made)  # INFO last: it opens the set
