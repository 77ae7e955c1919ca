"""Named augmentations of the training images, each number a range in plain units.

Adding a recipe: one entry in RECIPES. What each range means: `pipelines.operations`, and
docs/augmentation.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines import errors
from pipelines.errors import UserError, did_you_mean
from pipelines.operations import OPERATIONS
from pipelines.policy import RandAugment, TrivialAugment

FILLS = ("constant", "reflect")


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a training image; `recipe` makes one of plainer words."""

    ranges: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    fill: str = "constant"  # beyond the border: constant (black) or reflect
    chances: Mapping[str, float] = field(default_factory=dict)  # of being used at all, else 1
    policy: RandAugment | TrivialAugment | None = None  # draws further augmentations by itself

    def active(self):
        """Names of what does something."""
        names = [name for name in OPERATIONS if name in self.ranges]
        return [*names, type(self.policy).__name__] if self.policy else names

    def frames(self):
        """Whether it takes a part of the source, which then is needed at its own size."""
        return any(OPERATIONS[name].stage == "frame" for name in self.ranges)


def recipe(*, fill="constant", policy=None, chances=None, **ranges):
    """Return an Augmentation.

    Args:
        fill: one of FILLS.
        policy: a `RandAugment` or `TrivialAugment`, or None.
        chances: {operation: probability of being used}, where it is not 1.
        ranges: for each operation a range, or one number that stands for a range of itself.
            `shift`, without _x or _y, means both axes, each on its own; so do all of that kind.

    Raises:
        UserError: an unknown name, or a range that is none.
    """
    full = {}
    for name, given in ranges.items():
        values = tuple(given) if isinstance(given, (tuple, list)) else (given, given)
        for key in [name] if f"{name}_x" not in OPERATIONS else [f"{name}_x", f"{name}_y"]:
            full[key] = _checked(key, values)
    full = {name: values for name, values in full.items() if values != OPERATIONS[name].idle}
    chances = dict(chances or {})
    for name, chance in chances.items():
        if name not in full or not 0 <= chance <= 1:
            raise UserError(f"{name} has the chance {chance}, but no range or no probability")
    if "crop" in full and "window" in full:
        raise UserError("crop and window both choose the part that is seen; take one of them")
    if fill not in FILLS:
        raise UserError(f"no fill is named {fill!r}; {did_you_mean(fill, FILLS)}")
    return Augmentation(full, fill, chances, policy)


def _checked(name, values):
    if name not in OPERATIONS:
        raise UserError(f"no augmentation is named {name!r}; {did_you_mean(name, OPERATIONS)}")
    idle, (least, most) = OPERATIONS[name].idle, OPERATIONS[name].limits
    pairs = zip(values[::2], values[1::2], strict=len(values) == len(idle))
    if len(values) != len(idle) or not all(least <= a <= b <= most for a, b in pairs):
        raise UserError(
            f"{name} takes {len(idle)} numbers within {least:g} to {most:g}, each pair from low "
            f"to high ({OPERATIONS[name].unit}), not {values}"
        )
    return values


RECIPES = {
    "none": recipe(),
    # Writers differ by about this much; more turns a 6 towards a 9 and a 1 towards a 7.
    "digits": recipe(shift=(-0.1, 0.1), rotate=(-12, 12), scale=(0.85, 1.15), contrast=(0.7, 1.3)),
    "photos": recipe(
        flip_x=0.5, shift=(-0.1, 0.1), rotate=(-15, 15), scale=(0.9, 1.3),
        brightness=(0.8, 1.2), contrast=(0.7, 1.3), saturation=(0.7, 1.3), fill="reflect",
    ),
    # The lecture's eight: flips, scale, rotation, translation, brightness, contrast, colour, noise.
    "lecture": recipe(
        flip=0.5, scale=(0.8, 1.2), rotate=(-20, 20), shift=(-0.1, 0.1), brightness=(0.7, 1.3),
        contrast=(0.7, 1.3), saturation=(0.5, 1.5), hue=(-18, 18), noise=(0, 12), fill="reflect",
    ),
    # Krizhevsky et al. 2012, section 4.1: 224 pixels out of 256, mirror images, colour by PCA.
    "alexnet": recipe(window=224 / 256, flip_x=0.5, pca=0.1),
    # Szegedy et al. 2014, section 6 (parts of 8% to 100% of the area, aspect 3/4 to 4/3), and
    # the photometric distortions of Howard 2013, section 2, that it cites (factors 0.5 to 1.5).
    "inception": recipe(
        crop=(0.08, 1, 3 / 4, 4 / 3), flip_x=0.5,
        brightness=(0.5, 1.5), contrast=(0.5, 1.5), saturation=(0.5, 1.5),
    ),
    # He et al. 2016, section 4.2, after Lee et al. 2015: 4 pixels of padding about 32.
    "cifar": recipe(pad=(-4 / 32, 4 / 32), flip_x=0.5),
    # For long trainings: as `inception`, with RandAugment (Cubuk et al. 2020) in the place of its
    # colours, and random erasing (Zhong et al. 2017).
    "strong": recipe(
        crop=(0.25, 1, 3 / 4, 4 / 3), flip_x=0.5, policy=RandAugment(count=2, magnitude=0.5),
        erase=(0.02, 0.33), chances={"erase": 0.25}, fill="reflect",
    ),
    # Mueller and Hutter 2021: nothing to tune.
    "trivial": recipe(crop=(0.25, 1, 3 / 4, 4 / 3), flip_x=0.5, policy=TrivialAugment()),
}  # fmt: skip


def find(name):
    """Return the recipe of that name.

    Raises:
        UserError: there is none.
    """
    return errors.find(name, RECIPES, "no augmentation is named")
