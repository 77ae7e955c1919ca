"""Chance as a pure function of (seed, epoch, index): no state, so no order and no process matters.

Philox is a cipher used as a counter (Salmon et al. 2011, "Parallel random numbers: as easy as
1, 2, 3"): seed and epoch are its key, index and use its counter, so no two streams overlap.
"""

import numpy as np

PIXELS, POLICY, MIX = range(3)  # uses of chance, each a stream of its own


def stream(seed, epoch, index, use=PIXELS):
    """A numpy Generator for one image (or batch) of one epoch; all four are whole numbers >= 0."""
    key = np.array([seed, epoch], np.uint64)
    counter = np.array([0, use, index, 0], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def words(key, count):
    """`count` uniform uint16, decided by `key`: the raw material of noise."""
    return np.random.Philox(key=key).random_raw(-(-count // 4)).view(np.uint16)[:count]
