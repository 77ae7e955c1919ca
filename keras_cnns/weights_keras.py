"""Weights that keras.applications published or saved, for the networks that are the same as ours.

Layers are met by name. What Keras adds to a network is folded away exactly: the bias of a
convolution into the mean of the normalization behind it, another epsilon into the variance, and
the order blue-green-red of Caffe's images into the first kernel.
"""

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_cnns.lazy import keras

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
CAFFE = ((1.0, 1.0, 1.0), (-123.68, -116.779, -103.939))  # (scale, offset), red first
SIGNED = (1 / 127.5, -1.0)
TRAINING = ("optimizer",)  # what a compiled model's file holds beside its layers
TORCH = None  # as the variant says


class Layers(dict):
    """{layer of Keras: its arrays, in Keras' order and layout}."""


class Unsafe(ValueError):
    """A file that holds more than arrays."""


@dataclass(frozen=True)
class Origin:
    """How keras.applications differs from one of our variants."""

    names: Callable  # (our model) -> {our layer: theirs}
    pixels: tuple | None = TORCH  # (scale, offset) that the weights were trained with
    epsilon: float = 1.001e-5  # of its normalizations
    bgr: bool = False


def read(path):
    """Return the Layers of a .h5 or .keras file; nothing in it is executed.

    Raises:
        Unsafe: links, virtual or outside data, or members that no model has.
        OSError, KeyError, ValueError: a damaged file.
    """
    import h5py

    path = Path(path)
    if path.suffix.lower() == ".keras":
        content = _member(path)
        with h5py.File(io.BytesIO(content), "r") as file:
            return _layers(file, len(content))
    with h5py.File(path, "r") as file:
        return _layers(file, path.stat().st_size)


def _member(path):
    with zipfile.ZipFile(path) as archive:
        strange = [n for n in archive.namelist() if n not in MEMBERS]
        if strange:
            raise Unsafe(f"it holds {strange[0]!r}, which no model of Keras has")
        info = archive.getinfo("model.weights.h5")
        if info.file_size > 100 * max(1, info.compress_size):
            raise Unsafe("its weights unpack to over a hundred times their size")
        return archive.read(info)


def _layers(file, limit):
    group = _hard(file, "model_weights") if "model_weights" in file else file
    found = Layers()
    if "layer_names" in group.attrs:  # the layout of Keras 1 and 2
        for name in _texts(group.attrs["layer_names"]):
            layer = _hard(group, name)
            places = _texts(layer.attrs["weight_names"])
            arrays = [_array(layer, place, limit) for place in places]
            if arrays:
                found[name] = arrays
        return found
    _walk(file, found, limit, skip=TRAINING)
    return found


def _walk(group, found, limit, skip=()):
    """Collect every "vars" group, which bears the name of its layer."""
    for key in (key for key in group if key not in skip):
        child = _hard(group, key)
        if key == "vars" and len(child):
            places = sorted(child, key=int)
            found[str(child.attrs["name"])] = [_array(child, place, limit) for place in places]
        elif hasattr(child, "keys"):
            _walk(child, found, limit)


def _texts(values):
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _hard(group, path):
    """What a group holds under a path, if it really holds it."""
    import h5py

    for key in path.split("/"):
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise Unsafe(f"{path!r} is missing or a link to another place")
        group = group[key]
    return group


def _array(group, place, limit):
    data = _hard(group, place)
    if data.is_virtual or data.external:
        raise Unsafe(f"{place!r} lies in another file")
    if data.dtype.kind != "f" or data.size * data.dtype.itemsize > limit:
        raise Unsafe(f"{place!r} is {data.dtype} of {data.shape}, which no such file can hold")
    return np.asarray(data, np.float32)


def origin(name):
    """The Origin of a variant's counterpart in keras.applications.

    Raises:
        ValueError: there is none that is the same network.
    """
    if name not in ORIGINS:
        raise ValueError(
            f"keras.applications has no network equal to {name}; its files fit "
            + ", ".join(sorted(ORIGINS))
        )
    return ORIGINS[name]


def head_classes(layers):
    """How many classes a file tells apart; None if it has no head."""
    return layers["predictions"][-1].shape[0] if "predictions" in layers else None


def copy(model, layers):
    """Fill `model` from Layers of keras.applications.

    Returns:
        Names of layers that were left out, for want of a head or another number of classes.

    Raises:
        ValueError: a layer is left over on either side, or has another shape.
    """
    there = origin(model.name)
    names = there.names(model)
    layers = dict(zip(counted(layers), layers.values(), strict=True))
    targets = {layer.name: layer for layer in model.layers if layer.weights}
    head = next(ours for ours, theirs in names.items() if theirs == "predictions")
    classes = head_classes(layers)
    dropped = [head] if classes != targets[head].units else []
    wanted = {ours: theirs for ours, theirs in names.items() if ours not in dropped}
    missing = sorted(theirs for theirs in wanted.values() if theirs not in layers)
    extra = sorted(layers.keys() - set(names.values()))
    if missing or extra:
        raise ValueError(f"it lacks {missing[:4] or 'nothing'} and has {extra[:4] or 'no more'}")
    first = True
    for ours, theirs in wanted.items():
        arrays = [array.copy() for array in layers[theirs]]
        if first and there.bgr:
            arrays[0] = arrays[0][:, :, ::-1]
        first = False
        _fill(targets[ours], arrays, layers, names, there)
    return dropped


def _fill(layer, arrays, layers, names, there):
    if isinstance(layer, keras.layers.BatchNormalization):
        if len(arrays) == 3:  # without gamma
            arrays.insert(0, np.ones_like(arrays[0]))
        arrays[2] = arrays[2] - _bias_before(layer, layers, names)
        arrays[3] = arrays[3] + (there.epsilon - layer.epsilon)
        if (arrays[3] + layer.epsilon <= 0).any():
            raise ValueError(f"{names[layer.name]} has a variance below 0")
    arrays = arrays[: len(layer.weights)]  # a bias that a normalization takes up
    for weight, array in zip(layer.weights, arrays, strict=True):
        if tuple(weight.shape) != array.shape:
            raise ValueError(f"{layer.name} wants {tuple(weight.shape)}, not {array.shape}")
    layer.set_weights(arrays)


def _bias_before(layer, layers, names):
    """The bias that Keras' convolution before a normalization has and ours has not."""
    before = layer.input._keras_history.operation
    if not isinstance(before, keras.layers.Conv2D) or before.use_bias:
        return 0
    arrays = layers[names[before.name]]
    return arrays[1] if len(arrays) == 2 else 0


def by_pattern(*patterns):
    """Return a function that renames our layers to theirs by (pattern, replacement)."""

    def names(model):
        found = {}
        for layer in model.layers:
            if layer.weights:
                name = layer.name
                for pattern, replacement in patterns:
                    name = re.sub(pattern, replacement, name)
                found[layer.name] = name
        return found

    return names


def vgg_names(model):
    """Convolutions are counted in blocks there, in one row here."""
    found, block, number = {}, 1, 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.MaxPooling2D):
            block, number = block + 1, 0
        elif isinstance(layer, keras.layers.Conv2D):
            number += 1
            found[layer.name] = f"block{block}_conv{number}"
    dense = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    return found | dict(zip(dense, ("fc1", "fc2", "predictions"), strict=True))


def inception_resnet_names(model):
    """Keras numbers most of these layers as they are made: its own network tells the order."""
    theirs = keras.applications.InceptionResNetV2(weights=None)
    found = counted([layer.name for layer in theirs.layers if layer.weights])
    ours = [layer.name for layer in model.layers if layer.weights]
    return dict(zip(ours, found, strict=True))


def counted(names):
    """Names of layers, those that Keras numbered beginning with 0; the numbers vary with time."""
    pattern = re.compile(r"^(conv2d|batch_normalization)(?:_(\d+))?$")
    numbers = {}
    for match in filter(None, map(pattern.match, names)):
        numbers.setdefault(match[1], []).append(int(match[2] or 0))
    ranks = {kind: {n: i for i, n in enumerate(sorted(found))} for kind, found in numbers.items()}
    found = [(name, pattern.match(name)) for name in names]
    return [f"{m[1]}_{ranks[m[1]][int(m[2] or 0)]}" if m else name for name, m in found]


resnet_names = by_pattern(
    (r"^conv1$", "conv1_conv"),
    (r"^bn1$", "conv1_bn"),
    (r"^layer(\d)_(\d+)_", lambda m: f"conv{int(m[1]) + 1}_block{int(m[2]) + 1}_"),
    (r"_conv(\d)$", r"_\1_conv"),
    (r"_bn(\d)$", r"_\1_bn"),
    ("_downsample_0$", "_0_conv"),
    ("_downsample_1$", "_0_bn"),
    ("^fc$", "predictions"),
)
densenet_names = by_pattern(
    ("^features_conv0$", "conv1_conv"),
    ("^features_norm0$", "conv1_bn"),
    (r"^features_denseblock(\d)_denselayer(\d+)_",
     lambda m: f"conv{int(m[1]) + 1}_block{m[2]}_"),
    (r"^(conv.*)_norm1$", r"\1_0_bn"),
    (r"^(conv.*)_conv1$", r"\1_1_conv"),
    (r"^(conv.*)_norm2$", r"\1_1_bn"),
    (r"^(conv.*)_conv2$", r"\1_2_conv"),
    (r"^features_transition(\d)_norm$", lambda m: f"pool{int(m[1]) + 1}_bn"),
    (r"^features_transition(\d)_conv$", lambda m: f"pool{int(m[1]) + 1}_conv"),
    ("^features_norm5$", "bn"),
    ("^classifier$", "predictions"),
)  # fmt: skip
ORIGINS = {
    **{name: Origin(vgg_names, CAFFE, bgr=True) for name in ("vgg16", "vgg19")},
    **{f"resnet{depth}_v1": Origin(resnet_names, CAFFE, bgr=True) for depth in (50, 101, 152)},
    **{f"densenet{depth}": Origin(densenet_names) for depth in (121, 169, 201)},
    "inception_resnet_v2": Origin(inception_resnet_names, SIGNED, epsilon=1e-3),
}
