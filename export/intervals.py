"""How sure a measured number is: shares of images, their differences, and medians of times."""

import math

import numpy as np


def wilson(right, n):
    """95% interval of a share (Wilson 1927), as two numbers 0..1."""
    z = 1.959964
    middle, share = 1 + z * z / n, right / n
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    centre = share + z * z / (2 * n)
    return max(0.0, (centre - spread) / middle), min(1.0, (centre + spread) / middle)


def of_median(values):
    """95% interval of a median, between two of the sorted values (Thompson 1936).

    It holds whatever the values' distribution, for each lies below the median with a chance of
    one half: the k-th from below and the k-th from above miss it with twice the binomial chance
    of fewer than k of n. The largest k that misses it in at most 5% is taken.

    Args:
        values: (n,), such as the times of n rounds.

    Returns:
        (low, high), or None of fewer than 6 values, of which none is sure enough.
    """
    ordered = sorted(map(float, values))
    n = len(ordered)
    k, missed = 0, 1  # missed: cases out of 2 ** n in which fewer than k + 1 lie below
    while 40 * missed <= 2**n:
        k += 1
        missed += math.comb(n, k)
    return (ordered[k - 1], ordered[n - k]) if k else None


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
