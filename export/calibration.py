"""Which images integer files are calibrated with, and what keeps their input at scale 1."""

import numpy as np

from pipelines import dataset
from pipelines.errors import UserError

FEWEST = 10  # images; on a LeNet 10 and 1,000 gave the same accuracy


def choose(labels, count):
    """Indices of so many images, as evenly from every class as there are images.

    Args:
        labels: int (n,).
        count: how many; all where there are fewer.

    Returns:
        Sorted indices, int (min(count, n),).
    """
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    members.sort(key=len)  # small classes first: what they lack falls to the large ones
    chosen, left = [], min(count, len(labels))
    for i, own in enumerate(members):
        share = min(len(own), left // (len(members) - i))
        chosen.append(own[np.linspace(0, len(own) - 1, share).round().astype(int)])
        left -= share
    return np.sort(np.concatenate(chosen))


def images(source, shape, count):
    """Images of the training split of a source, uint8 (n, height, width, channels).

    Raises:
        UserError: too few of them for every class to be seen.
    """
    split, fewest = source.splits["train"], max(FEWEST, len(source.classes))
    if min(count, len(split)) < fewest:
        what = f"--calibration-images {count}" if count < fewest else f"{source.spec}"
        raise UserError(
            f"{what}: {min(count, len(split))} images are too few to calibrate an integer file "
            f"for {len(source.classes)} classes, it takes {fewest}"
        )
    return dataset.pixels(dataset.subset(split, choose(split.labels, count)), shape)


def pinned(pixels):
    """The images as float32, their range pinned to 0..255.

    Two corner pixels of the first image are set to black and white: the input's scale is then
    exactly 1 and its zero point 0, so that a phone feeds its bytes as they are.
    """
    pixels = np.array(pixels, np.float32)
    pixels[0, 0, 0], pixels[0, -1, -1] = 0, 255
    return pixels
