"""Policies: which augmentations an image gets is itself drawn, out of those with a full strength.

These are the 13 of RandAugment's list; "nothing" is the 14th. Both papers act one after the
other in the order drawn; here they act in the order of the table, and no one twice, so that all
geometry stays one warp and all colour one pass.
"""

from dataclasses import dataclass

from pipelines.chance import POLICY, stream
from pipelines.operations import OPERATIONS

CHOICES = [name for name, operation in OPERATIONS.items() if operation.full]


@dataclass(frozen=True)
class RandAugment:
    """`count` augmentations, each at the same strength (Cubuk et al. 2020, section 3)."""

    count: int = 2
    magnitude: float = 0.5  # share of the full strength; the paper's M of 10 or 30, divided by it

    def ranges(self, seed, epoch, index):
        """{name: range} of the augmentations of one image, each range a single number."""
        return _drawn(stream(seed, epoch, index, POLICY), self.count, self.magnitude)


@dataclass(frozen=True)
class TrivialAugment:
    """One augmentation, its strength uniform in 0 to 1 (Mueller and Hutter 2021, algorithm 1)."""

    def ranges(self, seed, epoch, index):
        """{name: range} of the augmentation of one image."""
        chance = stream(seed, epoch, index, POLICY)
        return _drawn(chance, 1, chance.random())


def _drawn(chance, count, magnitude):
    picked = chance.permutation(len(CHOICES) + 1)[:count]
    high = chance.random(count) < 0.5  # which end of its range, where it has two
    names = [(CHOICES[i], up) for i, up in zip(picked, high, strict=True) if i < len(CHOICES)]
    return {name: _end(OPERATIONS[name], magnitude, up) for name, up in names}


def _end(operation, magnitude, up):
    (idle, _), (low, high) = operation.idle, operation.full
    if low == high:  # on or off, as autocontrast and equalize are in the papers
        return operation.full
    end = high if up or low == idle else low
    return (idle + magnitude * (end - idle),) * 2
