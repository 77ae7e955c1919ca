"""The interface of a source, and the split of one that comes without."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from pipelines.check import Checks
from pipelines.check.rules import VERSION
from pipelines.errors import UserError

SPLITS = ("train", "val", "test")
VAL, TEST = 0.1, 0.2  # shares of each class, where the source does not say


@dataclass(frozen=True)
class Split:
    """Images with labels, each reachable by its index."""

    labels: np.ndarray  # int32, (n,)
    items: tuple[np.ndarray, ...]  # arrays of n rows: what `read` takes for one image
    read: Callable  # graph code: (a row of each item) -> uint8 image (height, width, channels)
    names: list[str]  # one for each image, to show to a person
    # Plain Python: (a row of each item) -> (bytes of the file, EXIF orientation, alpha), what
    # `decode.decode` takes, for a decoder that wants a part of it; None where there is no file.
    encoded: Callable | None = None
    digests: np.ndarray | None = None  # text that identifies the content of each image, (n,)

    def __len__(self):
        return len(self.labels)

    def take(self, indices):
        """The images at `indices`, as a split of its own."""
        return replace(
            self,
            labels=self.labels[indices],
            items=tuple(item[indices] for item in self.items),
            names=[self.names[i] for i in indices],
            digests=None if self.digests is None else self.digests[indices],
        )

    def __add__(self, other):
        """The images of both, these first, as a split of its own."""
        known = self.digests is not None and other.digests is not None
        return replace(
            self,
            labels=np.concatenate([self.labels, other.labels]),
            items=tuple(np.concatenate(pair) for pair in zip(self.items, other.items, strict=True)),
            names=[*self.names, *other.names],
            digests=np.concatenate([self.digests, other.digests]) if known else None,
        )


@dataclass(frozen=True)
class Source:
    """A set of labelled images in three splits."""

    spec: str
    classes: tuple[str, ...]
    channels: int  # 1 if every image is grey, else 3
    splits: dict[str, Split]
    fingerprint: str  # of class names, and of which image is in which split under which label
    ignored: dict[str, int] = field(default_factory=dict)  # {what was left out: how many}
    warnings: tuple = ()  # `check.findings.Finding`s that a person should look at
    skipped: tuple = ()  # the bad images that were left out, as `Finding`s
    data_dir: str | None = None  # where its prepared TFDS sets lie, as the user said it
    checks: Checks = Checks()  # how its images were checked: the same gives the same splits

    def counts(self):
        """{split: images of each class}, in the order of `classes`."""
        return {
            name: np.bincount(split.labels, minlength=len(self.classes)).tolist()
            for name, split in self.splits.items()
        }

    def class_weights(self):
        """Weights of the classes, (classes,), under which each counts the same in training.

        n / (classes * n of the class), as scikit-learn's "balanced": their mean over the images
        of the train split is 1.
        """
        counts = np.array(self.counts()["train"])
        return (counts.sum() / (len(counts) * counts)).tolist()


def assign(labels, digests, parts, classes, findings):
    """Deal images to splits by their digests: the same images always fall the same way.

    Neither names nor order matter, equal bytes stay together, also over classes, and every class
    is shared out in the same proportion, at least one image to each split.

    Args:
        labels: int, (n,).
        digests: text that identifies an image's content, (n,).
        parts: {split: share of each class}, the first taking what is left.
        classes: names, for the faults.
        findings: takes a fault for each class of fewer different images than there are splits.

    Returns:
        {split: sorted indices}.
    """
    labels, digests = np.asarray(labels), np.asarray(digests)
    unique = [np.unique(digests[labels == label]).tolist() for label in range(len(classes))]
    times = Counter(digest for of_class in unique for digest in of_class)
    shared = sorted(digest for digest, n in times.items() if n > 1)
    first, *others = parts
    placed = {}
    wanted = {part: max(1, round(parts[part] * len(shared))) for part in others}
    _deal(shared, wanted, first, placed)
    for name, of_class in zip(classes, unique, strict=True):
        have = Counter(placed[digest] for digest in of_class if digest in placed)
        wanted = {part: max(1, round(parts[part] * len(of_class))) - have[part] for part in others}
        free = [digest for digest in of_class if digest not in placed]
        _deal(free, wanted, first, placed)
        have = {placed[digest] for digest in of_class}
        if of_class and len(have) < len(parts):
            findings.fault(
                "too_few",
                f"class {name!r} has {len(of_class)} different image(s), too few to share among "
                f"{', '.join(parts)}; add images or make these folders yourself",
            )
    where = np.array([placed[digest] for digest in digests.tolist()], object)
    return {part: np.flatnonzero(where == part) for part in parts}


def _deal(digests, wanted, rest, placed):
    """Note the part of each digest: so many to each, in turn, and what is left to `rest`."""
    digests = iter(digests)
    for part, count in wanted.items():
        for digest in itertools.islice(digests, max(0, count)):
            placed[digest] = part
    placed.update(dict.fromkeys(digests, rest))


def limited(source, count):
    """The source with about `count` training images; its test images stay all.

    Every class gives the same share, at least one image, and val the share that train gives.
    Which images depends on their contents alone.

    Raises:
        UserError: `count` is less than an image of each class.
    """
    train = source.splits["train"]
    if count < len(source.classes):
        raise UserError(
            f"limit_images is at least an image of each class ({len(source.classes)}), not {count}"
        )
    if count >= len(train):
        return source
    fewer = {name: _share(source.splits[name], count / len(train)) for name in ("train", "val")}
    splits = source.splits | fewer
    found = {name: (split.digests, split.labels) for name, split in splits.items()}
    return replace(source, splits=splits, fingerprint=fingerprint(source.classes, found))


def _share(split, share):
    order = np.lexsort((split.digests.astype(str), split.labels))
    labels = split.labels[order]
    of_class = [order[labels == label] for label in np.unique(labels)]
    return split.take(
        np.sort(np.concatenate([i[: max(1, round(share * len(i)))] for i in of_class]))
    )


def digest(text):
    """A digest of text, for images that have an index but no file."""
    return _hash(text, 16)


def _hash(text, size):
    data = text.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(data, digest_size=size).hexdigest()


def fingerprint(classes, found):
    """Identify a data set: class names, counts, the images and labels of each split, the rules.

    Args:
        classes: names.
        found: {split: (digests, labels)}.

    Returns:
        "classes.hash-images.hash-hash-rN"; `change` reads out of it what changed.
    """
    content = hashlib.blake2b(digest_size=16)
    counts, total = [], 0
    for name in sorted(found):
        digests, labels = found[name]
        pairs = sorted(f"{d} {label}" for d, label in zip(digests, labels, strict=True))
        content.update(f"\0{name}\0{' '.join(pairs)}".encode())
        counts.append(f"{name} {np.bincount(labels, minlength=len(classes)).tolist()}")
        total += len(pairs)
    names = f"{len(classes)}.{_hash(chr(0).join(classes), 4)}"
    numbers = f"{total}.{_hash(' '.join(counts), 4)}"
    return f"{names}-{numbers}-{content.hexdigest()}-r{VERSION}"


def change(before, now):
    """What differs between two fingerprints, as a sentence; None where they are equal."""
    if before == now:
        return None
    old, new = str(before).split("-"), str(now).split("-")
    if len(old) != len(new):
        return "its fingerprint is of another kind"
    if old[0] != new[0]:
        then, today = (part[0].split(".")[0] for part in (old, new))
        return f"its classes changed ({then} then, {today} now, or other names)"
    if old[1] != new[1]:
        then, today = (part[1].split(".")[0] for part in (old, new))
        if then == today:
            return f"its counts changed: {int(today):,} images still, in other classes or splits"
        return f"its counts changed: {int(then):,} images then, {int(today):,} now"
    if old[2] != new[2]:
        return "its images changed: as many as before, of other content or in other places"
    return f"the rules by which images are read changed, from {old[3]} to {new[3]}"
