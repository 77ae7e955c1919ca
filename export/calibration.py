"""Which images integer files are calibrated with, and what keeps their input at scale 1."""

import numpy as np

from pipelines import dataset
from pipelines.check import display
from pipelines.errors import UserError

FEWEST = 10  # images; on a LeNet 10 and 1,000 gave the same accuracy
USUAL = 200


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


def usual(classes, least=USUAL):
    """How many images to calibrate with, for so many classes: one a class, and no fewer than."""
    return max(least, classes)


def check(source, count):
    """Refuse a source that integer files cannot be calibrated on with so many images.

    Raises:
        UserError: too few of them for every class to be seen.
    """
    there, fewest = len(source.splits["train"]), max(FEWEST, len(source.classes))
    if min(count, there) < fewest:
        what = f"--calibration-images {count}" if count < fewest else display(source.spec)
        raise UserError(
            f"{what}: {min(count, there)} images are too few to calibrate an integer file "
            f"for {len(source.classes)} classes, it takes {fewest}"
        )


def images(source, shape, count):
    """Images of the training split of a source, uint8 (n, height, width, channels).

    Raises:
        UserError: see `check`.
    """
    check(source, count)
    split = source.splits["train"]
    return dataset.pixels(dataset.subset(split, choose(split.labels, count)), shape)


def pinned(pixels):
    """Yield the images as float32, their range pinned to 0..255.

    Two corner pixels of the first image are set to black and white: the input's scale is then
    exactly 1 and its zero point 0, so that a phone feeds its bytes as they are.
    """
    for i, image in enumerate(pixels):
        image = np.array(image, np.float32)
        if i == 0:
            image[0, 0], image[-1, -1] = 0, 255
        yield image
