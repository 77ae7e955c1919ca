"""How sure a share of images is, and the difference of two shares of the same images."""

import math

import numpy as np

from export.verify import wilson

__all__ = ["paired_difference", "wilson"]


def paired_difference(ours, theirs):
    """How much more often one model is right than another, on the same images.

    Args:
        ours: bool (n,), where the one is right.
        theirs: bool (n,), where the other is right.

    Returns:
        (difference, (low, high)), shares -1..1: the difference of the accuracies, and its 95%
        interval after Agresti and Min 2005 (Wald's, with half an image added to each of the four
        cells right/right, right/wrong, wrong/right, wrong/wrong). Far narrower than what two
        intervals side by side suggest, since the images on which both agree cancel.
    """
    ours, theirs = np.asarray(ours, bool), np.asarray(theirs, bool)
    gained, lost, n = int((ours & ~theirs).sum()), int((~ours & theirs).sum()), len(ours)
    centre = (gained - lost) / (n + 2)
    spread = gained + lost + 1 - (gained - lost) ** 2 / (n + 2)
    reach = 1.959964 * math.sqrt(spread) / (n + 2)
    return (gained - lost) / n, (max(-1.0, centre - reach), min(1.0, centre + reach))
