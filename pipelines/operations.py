"""The table of all augmentations: what each draws, what it does, and in which units.

Adding one: a draw and an apply function, and a line in OPERATIONS. Lines of a stage stand in the
order in which they act; a new line changes what the lines below it draw, so the last is best.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from pipelines import colour, geometry, texture

UNIFORMS = 6  # how many uniform numbers a draw function may use


@dataclass(frozen=True)
class Operation:
    """One augmentation.

    `draw(u, *range)` turns UNIFORMS numbers in [0, 1) into a value, the first deciding how much.
    `apply` does what the value says; what else it takes depends on the stage: see the modules
    geometry ("frame" and "geometry"), colour and texture.
    """

    stage: str
    unit: str
    draw: Callable
    apply: Callable
    idle: tuple[float, ...]  # the range that leaves an image as it is
    limits: tuple[float, float]  # what a range may hold
    full: tuple[float, float] | None = None  # the range at full strength in RandAugment


def uniform(u, low, high):
    """A number between low and high."""
    return low + (high - low) * u[0]


def flip(u, low, high):
    """1 with probability `high`, else 0."""
    return float(u[0] >= 1 - high)


def whole(u, low, high):
    """A whole number from low to high, both included, each as likely."""
    return math.floor(low + (high - low + 1) * u[0])


def keyed(u, low, high):
    """(A number between low and high, a key of noise)."""
    return uniform(u, low, high), _key(u)


def crop(u, low, high, narrow, wide):
    """(Share of the area, aspect drawn evenly in its logarithm, place x, place y)."""
    return uniform(u, low, high), narrow * (wide / narrow) ** u[1], u[2], u[3]


def window(u, low, high):
    """(Share of the shorter side, place x, place y)."""
    return uniform(u, low, high), u[1], u[2]


def pca(u, low, high):
    """Three normal weights, their deviation drawn between low and high."""
    inverse = NormalDist().inv_cdf
    return uniform(u, low, high) * np.array([inverse(max(x, 1e-9)) for x in u[1:4]])


def erase(u, low, high):
    """(Share of the area, aspect 0.3 to 1 / 0.3 as in the paper, place x, place y, key)."""
    return uniform(u, low, high), 0.3 ** (1 - 2 * u[1]), u[2], u[3], _key(u)


def _key(u):
    return int(u[5] * 2**53)


_FACTOR, _LEVELS, _TURN = "factor", "levels of 255", "degrees, positive clockwise"
_SIDE, _AREA, _CHANCE, _BLEND = "share of the side", "share of the area", "probability", "share"
_TABLE = {  # name: (stage, unit, draw, apply, idle, limits, full strength)
    "crop": ("frame", _AREA + ", then width / height", crop, geometry.crop, (1,) * 4, (0.01, 10)),
    "window": ("frame", "share of the shorter side", window, geometry.window, (0, 0), (0.01, 1)),
    "flip_x": ("geometry", _CHANCE, flip, geometry.flip_x, (0, 0), (0, 1)),
    "flip_y": ("geometry", _CHANCE, flip, geometry.flip_y, (0, 0), (0, 1)),
    "scale": ("geometry", _FACTOR, uniform, geometry.scale, (1, 1), (0.1, 10)),
    "rotate": ("geometry", _TURN, uniform, geometry.rotate, (0, 0), (-360, 360), (-30, 30)),
    "shear_x": ("geometry", "degrees", uniform, geometry.shear_x, (0, 0), (-60, 60), (-17, 17)),
    "shear_y": ("geometry", "degrees", uniform, geometry.shear_y, (0, 0), (-60, 60), (-17, 17)),
    "perspective_x": ("geometry", _FACTOR, uniform, geometry.perspective_x, (0, 0), (-0.45, 0.45)),
    "perspective_y": ("geometry", _FACTOR, uniform, geometry.perspective_y, (0, 0), (-0.45, 0.45)),
    "pad_x": ("geometry", _SIDE, uniform, geometry.pad_x, (0, 0), (-1, 1)),
    "pad_y": ("geometry", _SIDE, uniform, geometry.pad_y, (0, 0), (-1, 1)),
    "shift_x": ("geometry", _SIDE, uniform, geometry.shift_x, (0, 0), (-1, 1), (-0.45, 0.45)),
    "shift_y": ("geometry", _SIDE, uniform, geometry.shift_y, (0, 0), (-1, 1), (-0.45, 0.45)),
    "brightness": ("colour", _FACTOR, uniform, colour.brightness, (1, 1), (0, 10), (0.1, 1.9)),
    "contrast": ("colour", _FACTOR, uniform, colour.contrast, (1, 1), (0, 10), (0.1, 1.9)),
    "saturation": ("colour", _FACTOR, uniform, colour.saturation, (1, 1), (0, 10), (0.1, 1.9)),
    "hue": ("colour", "degrees", uniform, colour.hue, (0, 0), (-180, 180)),
    "pca": ("colour", "deviation of the weights", pca, colour.pca, (0, 0), (0, 10)),
    "autocontrast": ("texture", _BLEND, uniform, texture.autocontrast, (0, 0), (0, 1), (1, 1)),
    "equalize": ("texture", _BLEND, uniform, texture.equalize, (0, 0), (0, 1), (1, 1)),
    "solarize": ("texture", _BLEND, uniform, texture.solarize, (0, 0), (0, 1), (0, 1)),
    "posterize": ("texture", "bits dropped", whole, texture.posterize, (0, 0), (0, 7), (0, 4)),
    "sharpness": ("texture", _FACTOR, uniform, texture.sharpness, (1, 1), (0, 10), (0.1, 1.9)),
    "blur": ("texture", "pixels", uniform, texture.blur, (0, 0), (0, 20)),
    "noise": ("texture", _LEVELS, keyed, texture.noise, (0, 0), (0, 128)),
    "impulse": ("texture", "share of the pixels", keyed, texture.impulse, (0, 0), (0, 1)),
    "erase": ("texture", _AREA, erase, texture.erase, (0, 0), (0, 1)),
}
OPERATIONS = {name: Operation(*line) for name, line in _TABLE.items()}
