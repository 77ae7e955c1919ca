"""A folder of images: one folder a class, with or without train, val and test above them.

The user's folder is read, never written.
"""

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.check import EXTENSIONS, display, inspect_all
from pipelines.errors import UserError, did_you_mean
from pipelines.sources.base import SPLITS, TEST, VAL, Source, Split, assign, fingerprint

ALIASES = {"train": "train", "training": "train", "val": "val", "valid": "val"} | {
    "validation": "val",
    "test": "test",
    "testing": "test",
}
CLUTTER = {"__MACOSX", "Thumbs.db", "desktop.ini"}  # what systems leave behind, with dot-files


@dataclass
class Listing:
    """The image files of one class root, and what lay beside them."""

    files: dict[str, list[str]]  # {class: paths}
    ignored: Counter


def open_source(spec, root, _):
    """Open a folder, every image decoded once; see `pipelines.check` for what is refused."""
    root = Path(root).expanduser()
    if not root.is_dir():
        raise UserError(_missing(root))
    ignored = Counter()
    roots = _split_roots(root)
    if roots != {"train": root}:
        for entry in _entries(root, ignored):
            ignored["file outside the class folders"] += not entry.is_dir()
    listings = {split: _list(folder, ignored) for split, folder in roots.items()}
    classes = _classes(root, listings)
    if "train" not in listings:
        raise UserError(f"{display(root)} has folders {sorted(roots)} but no train folder")
    return _source(spec, classes, listings, ignored)


def _missing(root):
    if root.exists():
        return f"{display(root)} is a file; a source is a folder with one folder for each class"
    parent = root.parent
    if not parent.is_dir():
        return f"no folder {display(root)}: there is no {display(parent)} either"
    near = [str(parent / p.name) for p in parent.iterdir() if p.is_dir()]
    return f"no folder {display(root)}; {did_you_mean(root, near)}"


def _split_roots(root):
    """{split: folder of its classes}; {"train": root} where the user made no splits."""
    found = {}
    for entry in _entries(root, Counter()):
        if not entry.is_dir():
            continue
        split = ALIASES.get(entry.name.lower())
        if split is None or not any(child.is_dir() for child in os.scandir(entry.path)):
            return {"train": root}  # a class may be called "test", if it holds images
        if split in found:
            raise UserError(f"{display(root)} has two folders for {split}: keep one")
        found[split] = Path(entry.path)
    return found or {"train": root}


def _entries(folder, ignored):
    """What lies in a folder, sorted by name, clutter left out and counted."""
    entries = []
    for entry in sorted(os.scandir(folder), key=lambda e: os.fsencode(e.name)):
        if entry.name.startswith(".") or entry.name in CLUTTER:
            ignored["dot-file" if entry.name.startswith(".") else entry.name] += 1
        else:
            entries.append(entry)
    return entries


def _list(root, ignored):
    files = {}
    for entry in _entries(root, ignored):
        if entry.is_dir():
            files[entry.name] = _images(root, entry, ignored)
        else:
            ignored["file outside the class folders"] += 1
    if not files:
        raise UserError(
            f"{display(root)} holds no class folders; put the images of each class into a "
            f"folder of its own, such as {display(root / 'cats')} and {display(root / 'dogs')}"
        )
    return Listing(files, ignored)


def _images(root, entry, ignored):
    images, deeper = [], []
    for child in _entries(entry.path, ignored):
        if child.is_dir():
            deeper.append(child.name)
        elif Path(child.name).suffix.lower() in EXTENSIONS:
            images.append(child.path)
        else:
            ignored[f"{Path(child.name).suffix.lower() or 'no extension'} file"] += 1
    if deeper and not images:
        raise UserError(
            f"{display(entry.path)} holds folders ({display(deeper[0])}, ...) but no images; "
            f"the class folders must lie directly in the source: try folder:{display(entry.path)}"
        )
    if not images:
        raise UserError(f"class folder {display(entry.path)} holds no images; fill or remove it")
    if deeper:
        ignored["folder inside a class folder"] += len(deeper)
    return images


def _classes(root, listings):
    classes = sorted(listings.get("train", next(iter(listings.values()))).files)
    for name in classes:
        if not display(name) == name:
            raise UserError(f"the class folder {display(name)!r} has a name that is no plain text")
    same = {unicodedata.normalize("NFC", name) for name in classes}
    if len(same) < len(classes):
        raise UserError(
            f"{display(root)} has two class folders of the same name, written in two ways of "
            "Unicode; merge them"
        )
    for split, listing in listings.items():
        unknown = sorted(set(listing.files) - set(classes))
        if unknown:
            raise UserError(
                f"{split} has the class {display(unknown[0])!r}, which train lacks; "
                + did_you_mean(unknown[0], classes)
            )
    if len(classes) < 2:
        raise UserError(
            f"{display(root)} holds one class, {display(classes[0])!r}; a classifier needs at "
            "least two class folders"
        )
    return tuple(classes)


def _source(spec, classes, listings, ignored):
    given = {split: _flatten(listing, classes) for split, listing in listings.items()}
    paths = [path for part, _ in given.values() for path in part]
    facts = dict(zip(paths, inspect_all(paths), strict=True))
    parts = {name: share for name, share in (("val", VAL), ("test", TEST)) if name not in given}
    if parts:  # train gives up what the user did not set apart
        files, labels = given["train"]
        digests = [facts[path].digest for path in files]
        dealt = assign(labels, digests, {"train": 1} | parts, classes)
        given |= {n: ([files[k] for k in i], labels[i]) for n, i in dealt.items()}
    splits = {name: _split(*given[name], facts) for name in SPLITS}
    found = {name: ([facts[p].digest for p in given[name][0]], given[name][1]) for name in SPLITS}
    channels = 1 if all(fact.grey for fact in facts.values()) else 3
    mark = fingerprint(classes, found)
    return Source(spec, classes, channels, splits, mark, dict(sorted((+ignored).items())))


def _flatten(listing, classes):
    pairs = [(path, i) for i, name in enumerate(classes) for path in listing.files.get(name, ())]
    return [path for path, _ in pairs], np.array([label for _, label in pairs], np.int32)


def _split(paths, labels, facts):
    items = (
        np.array([os.fsencode(path) for path in paths], object),
        np.array([facts[path].orientation for path in paths], np.int32),
        np.array([facts[path].alpha for path in paths], bool),
    )
    return Split(labels, items, _read, [display(path) for path in paths], _encoded)


def _encoded(path, orientation, alpha):
    return Path(os.fsdecode(path)).read_bytes(), int(orientation), bool(alpha)


def _read(path, orientation, alpha):
    import tensorflow as tf

    from pipelines.decode import decode

    return decode(tf.io.read_file(path), orientation, alpha)
