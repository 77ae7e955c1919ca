"""1,797 handwritten digits, 8x8, embedded in scikit-learn: real data without a download.

The test half of "Optical Recognition of Handwritten Digits", Alpaydin and Kaynak 1998, UCI
Machine Learning Repository, doi:10.24432/C50P49; 43 people wrote them.
"""

import numpy as np

from pipelines.check import Findings
from pipelines.sources.base import TEST, VAL, Source, Split, assign, digest, fingerprint

CLASSES = tuple("0123456789")


def open_source(spec, _, options):
    """Open the digits: grey levels 0..16 as uint8 0..255, a fifth of each class held out."""
    from sklearn.datasets import load_digits

    levels, labels = load_digits(return_X_y=True)
    images = np.round(levels * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    labels = labels.astype(np.int32)
    digests = np.array([digest(f"digits {image.tobytes().hex()}") for image in images])
    shares = {"train": 1, "val": VAL, "test": TEST}
    dealt = assign(labels, digests, shares, CLASSES, Findings())  # there are enough of each
    splits = {
        name: Split(labels[i], (images[i],), _read, [f"digit {k}" for k in i], digests=digests[i])
        for name, i in dealt.items()
    }
    found = {name: (digests[i], labels[i]) for name, i in dealt.items()}
    return Source(spec, CLASSES, 1, splits, fingerprint(CLASSES, found), checks=options.checks)


def _read(image):
    return image
