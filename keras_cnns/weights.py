"""Copy a checkpoint with torch names into a Keras model of the same architecture."""

import math
import re

import numpy as np

from keras_cnns import weights_keras
from keras_cnns.lazy import keras
from keras_cnns.weights_files import UnsafeWeights, WeightsError, read

__all__ = [
    "UnsafeWeights",
    "WeightsError",
    "channels",
    "copy",
    "few",
    "head_classes",
    "head_layers",
    "pixels",
    "read",
]

PARTS = {  # Keras' order of each layer's weights, under the names that torch gives them
    "Conv2D": ("weight", "bias"),
    "DepthwiseConv2D": ("weight", "bias"),
    "Dense": ("weight", "bias"),
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
    "LayerNormalization": ("weight", "bias"),
    "Embedding": ("weight",),
}
COUNTERS = {"num_batches_tracked", "n_averaged"}  # of training, not of the network


def copy(model, checkpoint, renames=()):
    """Fill `model` from `checkpoint`, a mapping of torch names to arrays.

    Layers are met by name, "layer1_0_conv1" being "layer1.0.conv1".

    A classifier of another number of classes stays as it was drawn; the rest is filled.

    Args:
        renames: see `registry.Variant.renames`.

    Returns:
        Names of the layers whose weights were left out for that reason.

    Raises:
        WeightsError: a weight left over on either side, or of another shape; a checkpoint that
            fits only in part would score near chance without a word.
    """
    if isinstance(checkpoint, weights_keras.Layers):
        try:
            return weights_keras.copy(model, checkpoint)
        except ValueError as error:
            raise WeightsError(f"the file does not fit {model.name}: {error}") from error
    modules = {}
    for key in checkpoint:
        module, part = _split(key)
        name = _renamed(module, renames)
        if name is not None and not COUNTERS & {part, key}:
            modules.setdefault(name, {})[part] = key
    targets = {layer.name: layer for layer in model.layers if layer.weights}
    dropped = [
        name
        for name in _heads(model)
        if _classes(modules.get(name), checkpoint) not in (None, _width(targets[name]))
    ]
    for name in dropped:
        modules.pop(name, None)
        targets.pop(name)
    missing, extra = sorted(targets.keys() - modules), sorted(modules.keys() - targets)
    if missing or extra:
        raise WeightsError(
            f"the checkpoint does not fit {model.name}: it lacks "
            f"{few(missing)}, and has no place for {few(extra)}{_fits(checkpoint, model)}"
        )
    for name, layer in targets.items():
        parts = modules[name]
        wanted = PARTS[type(layer).__name__][: len(layer.weights)]
        if set(parts) != set(wanted):
            raise WeightsError(f"{name} wants {list(wanted)}, the checkpoint has {sorted(parts)}")
        keys = [parts[part] for part in wanted]
        arrays = [_keras_layout(layer, np.asarray(checkpoint[key])) for key in keys]
        for weight, array, key in zip(layer.weights, arrays, keys, strict=True):
            if tuple(weight.shape) != array.shape:
                raise WeightsError(
                    f"{name} wants {tuple(weight.shape)}, the checkpoint has {array.shape}: its "
                    f"{key}, in Keras' order, does not fit {model.name} of this size"
                    + _fits(checkpoint, model)
                )
            if not np.isfinite(array).all():
                raise WeightsError(f"the checkpoint's {key} holds numbers that are not finite")
        layer.set_weights(arrays)
    return dropped


def few(names):
    """Some of many names, and how many there are."""
    if not names:
        return "nothing"
    return ", ".join(names[:4]) + (f", ... ({len(names)} layers)" if len(names) > 4 else "")


def head_classes(checkpoint, model, renames=()):
    """How many classes a checkpoint of `model`'s network tells apart; None if it does not say."""
    if isinstance(checkpoint, weights_keras.Layers):
        return weights_keras.head_classes(checkpoint)
    heads = _heads(model)
    for key, array in checkpoint.items():
        module, part = _split(key)
        if part == "weight" and _renamed(module, renames) in heads:
            return len(array)
    return None


def channels(checkpoint, model, renames=()):
    """How many channels the images of a torch checkpoint have; None if it does not say."""
    first = next(layer.name for layer in model.layers if layer.weights)
    if isinstance(checkpoint, weights_keras.Layers):
        return None
    for key, array in checkpoint.items():
        module, part = _split(key)
        if part == "weight" and _renamed(module, renames) == first and array.ndim == 4:
            return array.shape[1]
    return None


def pixels(checkpoint, name):
    """(scale, offset) of the pixels that a checkpoint was trained with; None, as the variant says.

    Args:
        name: of the network that takes it.

    Raises:
        WeightsError: a file of Keras for another network.
    """
    if not isinstance(checkpoint, weights_keras.Layers):
        return None
    try:
        return weights_keras.origin(name).pixels
    except ValueError as error:
        raise WeightsError(str(error)) from error


def head_layers(model):
    """Names of the last layers with weights before each output: what tells classes apart."""
    found, waiting = set(), [output._keras_history.operation for output in model.outputs]
    while waiting:
        operation = waiting.pop()
        if getattr(operation, "weights", None):
            found.add(operation.name)
        else:
            inputs = [tensor for node in operation._inbound_nodes for tensor in node.input_tensors]
            waiting += [tensor._keras_history.operation for tensor in inputs]
    return found


def _heads(model):
    """Those of `head_layers` that have an output a class; LeNet-5's distances have no weights."""
    classes = model.outputs[0].shape[-1]
    return [name for name in head_layers(model) if _width(model.get_layer(name)) == classes]


def _width(layer):
    return layer.weights[0].shape[-1]


def _fits(checkpoint, model):
    """The end of a sentence: the networks that have as many weights as a checkpoint."""
    from keras_cnns.registry import VARIANTS

    kept = {key: np.asarray(array) for key, array in checkpoint.items()
            if not COUNTERS & {key, key.rpartition(".")[2]} and "running_" not in key}  # fmt: skip
    total = sum(array.size for array in kept.values())
    # What may be its head, as (classes, features), each class with a bias.
    heads = {a.shape[:2] for a in kept.values() if a.ndim > 1 and a.shape[2:] in ((), (1, 1))}
    names = [
        v.name
        for v in VARIANTS.values()
        if v.params == total
        or any(v.params + (out - v.classes) * (size + 1) == total for out, size in heads)
    ]
    if model.name in names:  # then its names are of another library, or its images of other size
        return ""
    return f"; it has as many weights as {' or '.join(names[:3])}" if names else ""


def _classes(parts, checkpoint):
    # A head that the checkpoint lacks altogether is an error, told by the caller.
    return len(checkpoint[parts["weight"]]) if parts and "weight" in parts else None


def _split(key):
    """A torch name as module and part; what belongs to no layer is the weight of its own name."""
    module, _, part = key.rpartition(".")
    for known in ("weight", "bias"):
        if part.endswith(f"_{known}"):  # in_proj_weight of torch's attention
            return key.removesuffix(f"_{known}").replace(".", "_"), known
    if part not in {"num_batches_tracked", *PARTS["BatchNormalization"]}:  # class_token
        return key.replace(".", "_"), "weight"
    return module.replace(".", "_"), part


def _renamed(name, renames):
    for pattern, replacement in renames:
        if replacement is None and re.search(pattern, name):
            return None
        if replacement is not None:
            name = re.sub(pattern, replacement, name)
    return name


def _keras_layout(layer, array):
    """Torch's (out, in, height, width) as Keras' (height, width, in, out); biases as they are.

    What cannot be of this layer comes out in a shape that is not the layer's.
    """
    if array.ndim == 0 or array.size == 0:
        return array
    if type(layer).__name__ == "DepthwiseConv2D" and array.ndim == 4:
        channels = layer.input.shape[-1]
        if len(array) % channels == 0:  # torch: (channels * m, 1, h, w)
            array = array.reshape(channels, -1, *array.shape[2:])
            return array.transpose(2, 3, 0, 1)
    if type(layer).__name__ == "Embedding":
        return array.reshape(-1, array.shape[-1])  # torch: (1, positions, channels)
    if type(layer).__name__ == "Conv2D":  # a line's convolution, or a dense layer on 1x1 pixels
        array = array.reshape(*array.shape, *(1,) * (4 - array.ndim)) if array.ndim > 1 else array
    if array.ndim == 4 and type(layer).__name__ == "Dense":
        # Some references have a convolution of 1x1 in its place, or of the whole map.
        source = _before(layer)
        whole = source.input.shape[1:3] if isinstance(source, keras.layers.Flatten) else (1, 1)
        array = array.reshape(len(array), -1) if array.shape[2:] in (whole, (1, 1)) else array
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim == 1:
        return array
    source = _before(layer)
    flat = isinstance(source, keras.layers.Flatten)
    if flat and array.shape[1:] == (math.prod(source.input.shape[1:]),):  # torch: channels first
        height, width, channels = source.input.shape[1:]
        array = array.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        array = array.reshape(-1, height * width * channels)
    return array.T


def _before(layer):
    """What a layer reads from, dropout passed over."""
    source = layer.input._keras_history.operation
    while isinstance(source, keras.layers.Dropout):
        source = source.input._keras_history.operation
    return source
