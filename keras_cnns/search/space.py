"""What a search may change, as choices of text, and the network that each choice stands for.

Each choice is text: a number would lose its last digits on the way to a worker, whose protocol has
single precision.
"""

import math
from dataclasses import dataclass

from keras_cnns import derived
from pipelines import errors
from pipelines.errors import UserError
from pipelines.settings import full_name, resolve

STEP = 0.125  # between two multipliers of a range: a channel of eight
SUMS = 5  # pairwise combinations in a cell (arXiv:1802.01548, section 3.1)
# The same section's table of operations.
OPERATIONS = (*("none", "sep3x3", "sep5x5", "sep7x7", "avg3x3", "max3x3", "dil_sep3x3", "1x7_7x1"),)
CELLS = ("normal", "reduction")


@dataclass(frozen=True)
class Dimension:
    """One thing that may change."""

    name: str
    values: tuple[str, ...] = ()  # to choose from
    ordered: bool = False  # whether neighbours in `values` are alike
    low: float = 0.0  # of a number without choices, drawn on a logarithmic scale
    high: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """A network with the settings of its training."""

    model: str  # its name, as `derived` spells it
    training: object  # a `recipes.Training`, with its widths


class Space:
    """The choices of one search.

    Args:
        model: a registered network.
        training: the `recipes.Training` of every candidate, but for what is tuned.
        search: a `settings.Search`.
        tune: {a setting of the recipe: choices with commas, or LOW:HIGH}.

    Raises:
        UserError, BuildError: the network has nothing of the kind, or a choice is wrong.
    """

    def __init__(self, model, training, search, tune=None):
        from keras_cnns.registry import check_size, find

        self.variant, self.training = find(model), training
        self.model = model
        if training.widths or training.weights:
            raise UserError(
                "a search finds the widths and trains from scratch: leave out --widths and "
                "--weights, and give the multipliers to choose from with --multipliers"
            )
        self.multipliers = _numbers(search.multipliers, "--multipliers", step=STEP)
        found = [
            Dimension(f"width_{stage}", self.multipliers, True)
            for stage in range(self.variant.stages)
        ]
        found += self._depths(search.depths)
        if search.image_sizes is not None:
            sizes = _numbers(search.image_sizes, "--image-sizes", whole=True, step=1)
            found.append(Dimension("image_size", sizes, True))
        else:
            sizes = [training.image_size or self.variant.input_shape[0]]
        for side in map(int, sizes):
            check_size(self.variant, side, side)
        found += self._flavours(search.flavours)
        found += self._cells(search.cells)
        found += _all_tuned(tune or {}, training)
        self.dimensions = {dimension.name: dimension for dimension in found}

    def _depths(self, text):
        if text is None:
            return []
        values = _numbers(text, "--depths", whole=True, step=1)
        if derived.can(self.variant, "depths"):
            stages = len(self.variant.spec["depths"])
            return [Dimension(f"depth_{stage}", values, True) for stage in range(stages)]
        if derived.can(self.variant, "repeat"):
            return [Dimension("repeat", values, True)]
        raise UserError(f"{self.model} has no depths that could be searched; leave out --depths")

    def _flavours(self, text):
        if text is None:
            return []
        if not derived.can(self.variant, "flavour"):
            raise UserError(f"{self.model} has no flavours; leave out --flavours")
        known = dict.fromkeys(derived.flavours())
        words = known if text == "all" else (part.strip() for part in text.split(","))
        chosen = dict.fromkeys(words)
        for name in chosen:
            errors.find(name, known, "no flavour is named")
        return [Dimension("flavour", tuple(chosen))]

    def _cells(self, wanted):
        if not wanted:
            return []
        if not derived.can(self.variant, "normal"):
            raise UserError(f"{self.model} is made of no cells; leave out --cells")
        found = []
        for cell in CELLS:
            for i in range(SUMS):
                states = tuple(map(str, range(i + 2)))
                for side in ("left", "right"):
                    found.append(Dimension(f"{cell}_{i}_{side}_state", states))
                    found.append(Dimension(f"{cell}_{i}_{side}_op", OPERATIONS))
        return found

    @property
    def size(self):
        """How many different choices there are; infinite with a number among them."""
        return math.prod(len(d.values) or math.inf for d in self.dimensions.values())

    def hyperparameters(self):
        """The space as keras-tuner's HyperParameters."""
        import keras_tuner

        found = keras_tuner.HyperParameters()
        for d in self.dimensions.values():
            if d.values:
                found.Choice(d.name, list(d.values), default=self._default(d))
            else:
                found.Float(d.name, d.low, d.high, sampling="log")
        return found

    def _default(self, dimension):
        """The choice that the network is by itself; None where it is not among them."""
        kind, _, stage = dimension.name.rpartition("_")
        own = {
            "image_size": self.training.image_size or self.variant.input_shape[0],
            "repeat": self.variant.spec.get("repeat"),
            "flavour": self.variant.spec.get("flavour", "original"),
            "width": 1,
        }
        if kind == "depth":
            own["depth"] = self.variant.spec["depths"][int(stage)]
        found = str(own.get(dimension.name, own.get(kind)))
        return found if found in dimension.values else None

    def candidate(self, values):
        """The Candidate of {dimension: choice}.

        Raises:
            BuildError: there is no such network.
        """
        from keras_cnns.registry import find

        model = derived.name(self.model, self._changes(values))
        find(model)
        widths = [float(values[f"width_{stage}"]) for stage in range(self.variant.stages)]
        changes = {"widths": widths}
        if "image_size" in values:
            changes["image_size"] = int(values["image_size"])
        return Candidate(model, resolve(self.training, changes | self.tuned(values)))

    def tuned(self, values):
        """The settings of the recipe among {dimension: choice}, {name: text or number}."""
        found = {}
        for name, dimension in self.dimensions.items():
            if name.startswith(TUNED):
                value = values[name]
                value = value if dimension.values else float(f"{float(value):.6g}")
                found[name.removeprefix(TUNED)] = value
        return found

    def _changes(self, values):
        """What `derived` calls it: {key: text}."""
        changes = {}
        depths = [v for name, v in values.items() if name.startswith("depth_")]
        if depths:
            changes["depths"] = ",".join(values[f"depth_{i}"] for i in range(len(depths)))
        changes |= {key: values[key] for key in ("repeat", "flavour") if key in values}
        if f"{CELLS[0]}_0_left_op" in values:
            changes |= {cell: _cell(values, cell) for cell in CELLS}
        return changes

    def narrowest(self):
        """The choices of the candidate that costs least; None where cells are searched.

        Each flavour costs nearly the same; what a cell costs, its operations do not tell.
        """
        if any(name.startswith(CELLS) for name in self.dimensions):
            return None
        values = self.uniform(self.multipliers[0])
        return values | {d.name: d.values[0] for d in self.dimensions.values() if d.ordered}

    def uniform(self, multiplier):
        """The choices of the network as it is, at one multiplier for all stages."""
        values = {}
        for name, d in self.dimensions.items():
            if name.startswith("width_"):
                values[name] = str(multiplier)
            elif not name.startswith((*CELLS, "repeat", "flavour", "depth_", "image_size")):
                values[name] = d.values[0] if d.values else math.sqrt(d.low * d.high)
        return values


TUNED = "tune."  # begins the names of settings of the recipe
UNTUNED = {
    "widths": "the widths to choose from are given with --multipliers",
    "image_size": "the sizes to choose from are given with --image-sizes",
    "weights": "a search trains from scratch",
    "seed": "a lucky seed is no finding; --retrain trains what was found with several",
}


def _cell(values, cell):
    """The text of a cell out of the choices of its parts; it gives what no sum sees."""
    from keras_cnns.models.nasnet import Cell

    sums = tuple(
        tuple(
            (values[f"{cell}_{i}_{side}_op"], int(values[f"{cell}_{i}_{side}_state"]))
            for side in ("left", "right")
        )
        for i in range(SUMS)
    )
    return derived.written(Cell(sums, derived.unused(sums)))


def multipliers(text):
    """The multipliers of a text with commas, as numbers; none for "none".

    Raises:
        UserError: it is no such text.
    """
    if text.strip().lower() in ("", "none"):
        return []
    return [float(v) for v in _numbers(text, "--baseline", step=STEP)]


def _numbers(text, flag, *, whole=False, step):
    """Choices as text, of "a,b,c" or LOW:HIGH:STEP, each once and in order.

    Raises:
        UserError: it is neither, or a number is not above 0.
    """
    kind = int if whole else float
    try:
        if ":" in text:
            low, high, *rest = (kind(part) for part in text.split(":"))
            step = rest[0] if rest else step
            if len(rest) > 1 or not 0 < low <= high or not step > 0:
                raise ValueError
            count = int((high - low) / step + 1e-9) + 1
            found = [low + i * step for i in range(count)]
        else:
            found = sorted({kind(part) for part in text.split(",")})
    except ValueError:
        wanted = "whole numbers" if whole else "numbers"
        raise UserError(
            f"{flag} is {wanted} above 0 with commas, or LOW:HIGH:STEP, not {text!r}"
        ) from None
    if not all(0 < value < math.inf for value in found):
        raise UserError(f"{flag} takes numbers above 0, not {text!r}")
    return tuple(f"{value:g}" for value in found)


def _all_tuned(tune, training):
    """The Dimensions of {setting: choices}.

    Raises:
        UserError: two names are of one setting, or a choice is wrong.
    """
    names = {}
    for name in tune:
        full = full_name(name, training)
        if names.setdefault(full, name) != name:
            raise UserError(f"--tune {names[full]} and {name} are the same setting; leave one out")
    return [_tuned(name, text, training) for name, text in tune.items()]


def _tuned(name, text, training):
    """The Dimension of a setting of the recipe."""
    if name in UNTUNED:
        raise UserError(f"--tune {name}: {UNTUNED[name]}")
    low, colon, high = text.partition(":")
    if not colon:
        # A choice that is there twice would only be tried more often.
        distinct = {}
        for value in filter(None, (part.strip() for part in text.split(","))):
            distinct.setdefault(resolve(training, {name: value}), value)
        values = tuple(distinct.values())
        if name == "augment":
            from pipelines import recipes

            for value in values:
                recipes.find(value)
        if len(values) < 2:
            raise UserError(
                f"--tune {name} takes two different values or more, or LOW:HIGH, not {text!r}"
            )
        return Dimension(TUNED + name, values)
    for value in (low, high):
        resolve(training, {name: value})
    try:
        low, high = float(low), float(high)
        if not 0 < low < high < math.inf:
            raise ValueError
    except ValueError:
        raise UserError(f"--tune {name} takes LOW:HIGH above 0, not {text!r}") from None
    return Dimension(TUNED + name, low=low, high=high)
