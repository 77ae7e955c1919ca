"""The catalogue of named networks: one `Variant` a name, and `build` to make any of them."""

import difflib
import math
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keras_cnns.derived import base_of, derive
from keras_cnns.lazy import keras

# Mean and standard deviation of ImageNet's red, green and blue, of values 0..1 (torchvision).
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# CIFAR-10, for which variants with small=True are.
SMALL = {"input_shape": (32, 32, 3), "classes": 10}


@dataclass(frozen=True)
class Variant:
    """A named network and the facts that its tests hold it to.

    params counts trainable weights and macs multiply-adds of convolutions and dense layers
    (biases and pooling left out; FLOPs = 2 MACs), both at the native classes and input size.
    A pixel p of 0..255 enters the network as scale * p + offset.
    """

    name: str
    builder: Callable[..., Any]  # (image, *, classes, widths, **spec) -> logits
    spec: Mapping[str, Any]
    params: int
    macs: int
    paper: str
    year: int
    family: str  # the file of models/ that registers it; its builder may be another's
    stages: int  # how many width multipliers `widths` takes
    input_shape: tuple[int, int, int] = (224, 224, 3)
    classes: int = 1000
    scale: float | tuple[float, ...] = tuple(1 / (255 * deviation) for deviation in STD)
    offset: float | tuple[float, ...] = tuple(-m / d for m, d in zip(MEAN, STD, strict=True))
    smallest: int = 1  # height and width below which nothing is left of an image, in pixels
    loss: str = "cross_entropy"  # a key of `losses.LOSSES`
    # Torch module names to ours, after "_" took the place of ".": (pattern, replacement), or
    # (pattern, None) for modules that the network leaves out.
    renames: tuple[tuple[str, str | None], ...] = ()


class BuildError(ValueError):
    """A network that cannot be built as asked; told to the user in one sentence."""

    exit_code = 2


VARIANTS: dict[str, Variant] = {}


def register(builder, *, paper, year, stages, **common):
    """Return a function that adds one named variant of `builder` to the catalogue.

    Args:
        common: more fields of `Variant`. A variant may state its own `smallest`, and takes those
            of `SMALL` by small=True: every builder's word for a stem that spares 32 pixels.
    """
    family = sys._getframe(1).f_globals["__name__"].rpartition(".")[2]

    def variant(name, params, macs, *, smallest=None, **spec):
        if name in VARIANTS:
            raise ValueError(f"two networks are named {name!r}")
        facts = common | (SMALL if spec.get("small") else {})
        facts["smallest"] = smallest or common.get("smallest", 1)
        VARIANTS[name] = Variant(
            name, builder, spec, params, macs, paper, year, family, stages, **facts
        )

    return variant


def names(contains=""):
    """Names of the catalogue that contain a text, oldest paper first."""
    _load_families()
    found = [variant for variant in VARIANTS.values() if contains in variant.name]
    return [variant.name for variant in sorted(found, key=lambda variant: variant.year)]


def _load_families():
    # Here, not at the top: each family imports this module to register itself.
    from keras_cnns import models  # noqa: F401


def find(name):
    """Return the Variant of that name, or of a name that `derived` tells apart from one.

    Raises:
        BuildError: there is none; the message holds the near misses.
    """
    _load_families()
    base, *changes = str(name).split("+")
    if base not in VARIANTS:
        near = difflib.get_close_matches(base, VARIANTS, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names())}"
        raise BuildError(f"no network is named {base!r}; {hint}")
    if not changes:
        return VARIANTS[base]
    try:
        return derive(VARIANTS[base], changes)
    except ValueError as error:
        raise BuildError(str(error)) from error


def build(name, classes=None, input_shape=None, widths=None, weights=None):
    """Build a registered network, from a normalized image to logits.

    Args:
        name: a key of VARIANTS, such as "lenet5".
        classes: number of logits; None, as in the paper; 0, the last feature map instead.
        input_shape: (height, width, channels), channels last; default, that of the paper.
        widths: one multiplier of channels for each stage; default, all 1. This is the knob
            that the search turns.
        weights: a .safetensors, .npz or .pth file of torch names; default, drawn anew. A head of
            another number of classes is left out with a warning.

    Returns:
        A `keras.Model` (batch, height, width, channels) -> (batch, classes).

    Raises:
        BuildError: an unknown name, wrong widths, or an input too small for the network; the
            message tells the smallest.
    """
    model = _assemble(name, classes, input_shape, widths, lambda image, variant: image)
    if weights is not None:
        from keras_cnns.weights import copy, read

        dropped = copy(model, read(weights), find(name).renames)
        if dropped:
            warnings.warn(
                f"{weights} tells other classes apart: {dropped} drawn anew", stacklevel=2
            )
    return model


def build_for_pixels(name, classes=None, input_shape=None, widths=None, pixels=None):
    """Like `build`, with the normalization as the first layer: it takes pixels 0..255.

    Args:
        pixels: (scale, offset) in place of the variant's own.
    """
    return _assemble(
        name, classes, input_shape, widths,
        lambda image, variant: _normalized(image, *(pixels or (variant.scale, variant.offset))),
    )  # fmt: skip


def _normalized(image, scale, offset):
    def fit(values):  # a grey image takes the mean of three channels' numbers
        if isinstance(values, float):
            return values
        return list(values) if image.shape[-1] == len(values) else sum(values) / len(values)

    return keras.layers.Rescaling(fit(scale), fit(offset), name="normalize")(image)


def check_size(variant, height, width):
    """Refuse images so small that nothing would be left of them.

    Raises:
        BuildError: they are; the message tells the smallest.
    """
    if all(side is None or side >= variant.smallest for side in (height, width)):
        return
    native = " x ".join(map(str, variant.input_shape[:2]))
    small = VARIANTS.get(f"{variant.name}_small")
    hint = f"; {small.name} is for 32 x 32" if small else ""
    raise BuildError(
        f"{variant.name} cannot be built for {height} x {width} images (its own: {native}): "
        "nothing is left of an image so small, "
        f"it takes at least {variant.smallest} x {variant.smallest}{hint}"
    )


def _assemble(name, classes, input_shape, widths, prepare):
    variant = find(name)
    classes = variant.classes if classes is None else classes
    shape = tuple(input_shape or variant.input_shape)
    widths = tuple(widths or (1.0,) * variant.stages)
    if len(widths) != variant.stages:
        raise BuildError(f"{name} takes {variant.stages} widths, not {len(widths)}")
    if not all(0 < width < math.inf for width in widths):
        raise BuildError(f"widths of {name} are numbers above 0, not {widths}")
    if classes < 0:
        raise BuildError(f"classes is 0 or more, not {classes}")
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise BuildError(f"an input shape is (height, width, 1 or 3), not {shape}")
    check_size(variant, *shape[:2])
    image = keras.layers.Input(shape, name="image")
    try:
        x = prepare(image, variant)
        logits = variant.builder(x, classes=classes, widths=widths, **variant.spec)
    except ValueError as error:
        raise BuildError(
            f"{name} cannot be built for {shape[0]} x {shape[1]} images with widths {widths}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return keras.Model(image, logits, name=base_of(name))
