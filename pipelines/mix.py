"""mixup and cutmix: each image of a batch is mixed with its neighbour, and so are their labels.

mixup: x' = l x + (1 - l) x2 (Zhang et al. 2018, "mixup", equation 1). cutmix: a rectangle with
a share 1 - l of the area comes from x2 (Yun et al. 2019, "CutMix", equations 1 and 2), l being
set to the share that is left once the rectangle is cut off at the border. In both,
y' = l y + (1 - l) y2 and l ~ Beta(alpha, alpha), one number for the whole batch; x2 is the next
image of the batch, and the first one's for the last.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from pipelines.chance import MIX, stream


@dataclass(frozen=True)
class Mix:
    """Which mixing a batch gets; with both, one of them by a fair coin."""

    mixup: float = 0.0  # alpha of the Beta distribution; 0 is none, 0.2 usual on ImageNet
    cutmix: float = 0.0  # alpha; 1 is the paper's

    def active(self):
        """Whether it does anything, so that labels are shares of classes and no numbers."""
        return self.mixup > 0 or self.cutmix > 0


def draw(mix, seed, epoch, step):
    """Draw for one batch.

    Args:
        mix: an active `Mix`.
        step: of the epoch.

    Returns:
        ("mixup", l) or ("cutmix", l, x, y), x and y being shares of the sides, the middle of the
        rectangle.
    """
    chance = stream(seed, epoch, step, MIX)
    cut = chance.random() < 0.5 if mix.mixup and mix.cutmix else bool(mix.cutmix)
    alpha = mix.cutmix if cut else mix.mixup
    share = float(chance.beta(alpha, alpha))
    return ("cutmix", share, *chance.random(2).tolist()) if cut else ("mixup", share)


def apply(images, labels, drawn):
    """Mix each image but the last with the next one.

    Args:
        images: uint8 (n + 1, height, width, channels).
        labels: float32 (n + 1, classes).
        drawn: of `draw`.

    Returns:
        (uint8 (n, height, width, channels), float32 (n, classes)).
    """
    kind, share, *place = drawn
    if kind == "mixup":
        flat = images.reshape(len(images), -1)
        mixed = cv2.addWeighted(flat[:-1], share, flat[1:], 1 - share, 0)
        mixed = mixed.reshape(images[:-1].shape)
    else:
        left, top, right, bottom = box(share, *place, *images.shape[1:3])
        mixed = images[:-1].copy()
        mixed[:, top:bottom, left:right] = images[1:, top:bottom, left:right]
        share = 1 - (right - left) * (bottom - top) / (images.shape[1] * images.shape[2])
    return mixed, np.float32(share) * labels[:-1] + np.float32(1 - share) * labels[1:]


def box(share, x, y, height, width):
    """The rectangle of cutmix: (left, top, right, bottom), cut off at the border."""
    side = math.sqrt(1 - share)
    left, right = (round(x * width + side * width * half) for half in (-0.5, 0.5))
    top, bottom = (round(y * height + side * height * half) for half in (-0.5, 0.5))
    return max(left, 0), max(top, 0), min(right, width), min(bottom, height)
