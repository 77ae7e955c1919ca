"""How a network is trained: one frozen dataclass of knobs, and named settings of it.

Adding a recipe: one line in RECIPES, each number with its source.
"""

from dataclasses import dataclass

from pipelines.errors import UserError, did_you_mean
from pipelines.settings import knob


@dataclass(frozen=True)
class Training:
    """Each field is a flag of `train`, a key=value, and a line of config.yaml."""

    epochs: int = knob(12, "passes over the training images", low=1)
    batch_size: int = knob(64, "images in a step", low=1)
    learning_rate: float = knob(1e-3, "step size at first; half a cosine takes it to 0", low=1e-9)
    optimizer: str = knob("adam", "adam or sgd (with momentum)", choices=("adam", "sgd"))
    momentum: float = knob(0.9, "of sgd", low=0, high=1)
    weight_decay: float = knob(0.0, "decoupled decay of the weights a step", low=0)
    augment: str = knob("none", "a recipe of `python -m pipelines preview`")
    image_size: int | None = knob(None, "height and width; by default the network's own", low=1)
    seed: int = knob(0, "of weights, order and augmentation", low=0, high=2**31 - 1)


RECIPES = {
    "plain": Training(),
    # 1,259 small images: augmentation stands in for the missing ones. Found by the seeds in
    # README.md, not by the test images.
    "digits": Training(epochs=40, batch_size=32, learning_rate=2e-3, augment="digits"),
    "photos": Training(epochs=20, batch_size=32, augment="photos"),
}


def find(name):
    """Return the recipe of that name.

    Raises:
        UserError: there is none.
    """
    if name not in RECIPES:
        raise UserError(f"no recipe is named {name!r}; {did_you_mean(name, RECIPES)}")
    return RECIPES[name]
