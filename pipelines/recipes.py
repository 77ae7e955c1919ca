"""Named augmentations of the training images, each number a range in plain units.

Adding a recipe: one line in RECIPES. What each range means: `pipelines.augment`.
"""

from dataclasses import dataclass, fields

from pipelines.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Augmentation:
    """Ranges from which each image draws uniformly; (0, 0) or (1, 1) leaves it as it is."""

    shift: tuple[float, float] = (0, 0)  # share of the side, along each axis on its own
    rotate: tuple[float, float] = (0, 0)  # degrees, positive turns clockwise
    scale: tuple[float, float] = (1, 1)  # factor of size, above 1 enlarges
    contrast: tuple[float, float] = (1, 1)  # factor of the distance from the image's mean
    fill: str = "constant"  # beyond the border: constant (black) or reflect

    def active(self):
        """Names of the ranges that do something."""
        idle = Augmentation()
        ranges = [f.name for f in fields(self) if f.name != "fill"]
        return [name for name in ranges if getattr(self, name) != getattr(idle, name)]


RECIPES = {
    "none": Augmentation(),
    # Writers differ by about this much; more turns a 6 towards a 9 and a 1 towards a 7.
    "digits": Augmentation(
        shift=(-0.1, 0.1), rotate=(-12, 12), scale=(0.85, 1.15), contrast=(0.7, 1.3)
    ),
    "photos": Augmentation(
        shift=(-0.1, 0.1), rotate=(-15, 15), scale=(0.9, 1.3), contrast=(0.7, 1.3), fill="reflect"
    ),
}


def find(name):
    """Return the recipe of that name.

    Raises:
        UserError: there is none.
    """
    if name not in RECIPES:
        raise UserError(f"no augmentation is named {name!r}; {did_you_mean(name, RECIPES)}")
    return RECIPES[name]
