"""The interface of a source, and the split of one that comes without."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

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

    def __len__(self):
        return len(self.labels)


@dataclass(frozen=True)
class Source:
    """A set of labelled images in three splits."""

    spec: str
    classes: tuple[str, ...]
    channels: int  # 1 if every image is grey, else 3
    splits: dict[str, Split]
    fingerprint: str  # of class names, and of which image is in which split under which label
    ignored: dict[str, int] = field(default_factory=dict)  # {what was left out: how many}

    def counts(self):
        """{split: images of each class}, in the order of `classes`."""
        return {
            name: np.bincount(split.labels, minlength=len(self.classes)).tolist()
            for name, split in self.splits.items()
        }


def assign(labels, digests, parts, classes):
    """Deal images to splits by their digests: the same images always fall the same way.

    Neither names nor order matter, equal bytes stay together, and every class is shared out
    in the same proportion, at least one image to each split.

    Args:
        labels: int, (n,).
        digests: text that identifies an image's content, (n,).
        parts: {split: share of each class}, the first taking what is left.

    Returns:
        {split: sorted indices}.

    Raises:
        UserError: a class has fewer different images than there are splits.
    """
    first, *others = parts
    dealt = {name: [] for name in parts}
    labels, digests = np.asarray(labels), np.asarray(digests)
    for label, name in enumerate(classes):
        members = np.flatnonzero(labels == label)
        unique = np.unique(digests[members])  # sorted
        if len(unique) < len(parts):
            raise UserError(
                f"class {name!r} has {len(unique)} different image(s), too few to share among "
                f"{', '.join(parts)}; add images or make these folders yourself"
            )
        shares, start = {}, 0
        for part in others:
            end = start + max(1, round(parts[part] * len(unique)))
            shares[part] = unique[start:end]
            start = end
        shares[first] = unique[start:]
        for part, chosen in shares.items():
            dealt[part].extend(members[np.isin(digests[members], chosen)])
    return {name: np.sort(np.asarray(indices, int)) for name, indices in dealt.items()}


def digest(text):
    """A digest of text, for images that have an index but no file."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def fingerprint(classes, digests_by_split):
    """Identify a data set: its class names, and the (digest, label) pairs of each split."""
    total = hashlib.blake2b("\0".join(classes).encode("utf-8", "surrogateescape"), digest_size=16)
    for name in sorted(digests_by_split):
        pairs = sorted(f"{d} {label}" for d, label in zip(*digests_by_split[name], strict=True))
        total.update(f"\0{name}\0{' '.join(pairs)}".encode())
    return total.hexdigest()
