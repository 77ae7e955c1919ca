"""How sure a share of images is, and the difference of two shares of the same images."""

import math

import numpy as np

from export.verify import wilson

__all__ = ["crossed", "paired_difference", "reached", "wilson"]


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


def crossed(values):
    """A mean over images and over trainings that differ in the seed, with its 95% interval.

    Both are samples. The variance of the mean is taken as that of the images' means over the
    number of images plus that of the seeds' means over the number of seeds, an upper estimate
    (Owen 2007, The pigeonhole bootstrap), and its degrees of freedom after Welch and
    Satterthwaite. Of one seed the images alone are counted.

    Args:
        values: (seeds, images), such as 1 where an answer is right, or differences of two such.

    Returns:
        (mean, (low, high)).
    """
    from scipy.stats import t

    values = np.asarray(values, float)
    parts = []
    for axis in (0, 1):
        means = values.mean(axis=axis)
        if len(means) > 1:
            parts.append((means.var(ddof=1) / len(means), len(means) - 1))
    variance = sum(part for part, _ in parts)
    mean = float(values.mean())
    if not variance:
        return mean, (mean, mean)
    freedom = variance**2 / sum(part**2 / count for part, count in parts)
    reach = float(t.ppf(0.975, freedom)) * math.sqrt(variance)
    return mean, (mean - reach, mean + reach)


def reached(right):
    """The accuracy of several trainings on the same images, with a 95% interval within 0..1.

    That of `crossed`, and nowhere narrower than that of Wilson for as many images.

    Args:
        right: bool (seeds, images).
    """
    mean, (low, high) = crossed(right)
    images = np.shape(right)[1]
    least, most = wilson(mean * images, images)
    return mean, (max(0.0, min(low, least)), min(1.0, max(high, most)))
