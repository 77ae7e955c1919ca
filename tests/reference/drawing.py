"""The rule by which the weights of a reference are drawn."""

import zlib

import numpy as np


def drawn(name, shape, gain):
    """One weight."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        values = rng.uniform(0.5, 1.5, shape)
    elif name.endswith("running_mean"):
        values = 0.1 * rng.standard_normal(shape)
    elif len(shape) == 1 and name.endswith("weight"):
        values = gain * rng.uniform(0.5, 1.5, shape)
    elif len(shape) <= 1:
        values = 0.1 * rng.standard_normal(shape)
    else:
        values = rng.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
    return values.astype(np.float32)
