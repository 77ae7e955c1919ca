"""Copy a checkpoint with torch names into a Keras model of the same architecture."""

import difflib
import json
import math
import re
from pathlib import Path

import numpy as np

from keras_cnns import weights_keras
from keras_cnns.lazy import keras

PARTS = {  # Keras' order of each layer's weights, under the names that torch gives them
    "Conv2D": ("weight", "bias"),
    "DepthwiseConv2D": ("weight", "bias"),
    "Dense": ("weight", "bias"),
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
    "LayerNormalization": ("weight", "bias"),
    "Embedding": ("weight",),
}
SAFETENSORS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}
BFLOAT16 = "BF16"  # the upper half of a float32, which numpy has no name for


class WeightsError(ValueError):
    """A checkpoint that does not fit; told to the user in one sentence."""

    exit_code = 2


class UnsafeWeights(WeightsError):
    """A checkpoint that is damaged, or that could run code."""

    exit_code = 5


def read(path):
    """Read a checkpoint without running any code.

    Returns:
        {torch name: array} of a .safetensors, .npz or .pth file; the `weights_keras.Layers` of a
        .h5 or .keras file of keras.applications.

    Raises:
        WeightsError: no such file, another kind of file, or a .pth without torch to read it.
        UnsafeWeights: a damaged file, or a .pth that holds more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        near = path.parent.glob(f"*{path.suffix}") if path.suffix else ()
        near = difflib.get_close_matches(str(path), map(str, near), n=3)
        raise WeightsError(
            f"no file {path}" + (f"; did you mean {' or '.join(near)}?" * bool(near))
        )
    readers = {".safetensors": _safetensors, ".npz": _npz, ".pth": _torch, ".pt": _torch}
    readers |= {".h5": weights_keras.read, ".keras": weights_keras.read}
    if path.suffix not in readers:
        raise WeightsError(f"weights are a {', '.join(readers)} file, not {path.name}")
    try:
        return readers[path.suffix](path)
    except ModuleNotFoundError:
        raise WeightsError(
            f"{path.name} can only be read by torch, which is not installed: pip install torch, or "
            "convert it to .safetensors"
        ) from None
    except Exception as error:
        raise UnsafeWeights(f"{path} is damaged: {error}") from error


def _npz(path):
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _torch(path):
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in ("state_dict", "model", "model_state_dict"):  # what training scripts save
        state = state.get(wrapper, state) if isinstance(state.get(wrapper), dict) else state
    tensors = {name: t.detach() for name, t in state.items()}
    return {
        name.removeprefix("module."): (t.float() if t.is_floating_point() else t).numpy()
        for name, t in tensors.items()
    }


def _safetensors(path):
    """The format: 8 bytes of header length, a JSON header, then the tensors' bytes."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), memoryview(data)[8 + length :]
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        if entry["dtype"] == BFLOAT16:
            array = (np.frombuffer(body[start:end], "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            array = np.frombuffer(body[start:end], SAFETENSORS[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"])
    return tensors


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
        if name is not None and part != "num_batches_tracked":
            modules.setdefault(name, {})[part] = key
    targets = {layer.name: layer for layer in model.layers if layer.weights}
    dropped = [
        name
        for name in _heads(model)
        if _classes(modules.get(name), checkpoint) not in (None, targets[name].units)
    ]
    for name in dropped:
        modules.pop(name, None)
        targets.pop(name)
    missing, extra = sorted(targets.keys() - modules), sorted(modules.keys() - targets)
    if missing or extra:
        raise WeightsError(
            f"the checkpoint does not fit {model.name}: it lacks "
            f"{few(missing)}, and has no place for {few(extra)}"
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
                )
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


def _heads(model):
    """Names of the layers whose output is an output of the model, where these are dense."""
    operations = [output._keras_history.operation for output in model.outputs]
    return [layer.name for layer in operations if isinstance(layer, keras.layers.Dense)]


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
    if array.shape[2:] == (1, 1) and type(layer).__name__ == "Dense":
        array = array[:, :, 0, 0]  # some references classify by a 1x1 convolution
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim == 1:
        return array
    source = layer.input._keras_history.operation
    while isinstance(source, keras.layers.Dropout):
        source = source.input._keras_history.operation
    flat = isinstance(source, keras.layers.Flatten)
    if flat and array.shape[1:] == (math.prod(source.input.shape[1:]),):  # torch: channels first
        height, width, channels = source.input.shape[1:]
        array = array.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        array = array.reshape(-1, height * width * channels)
    return array.T
