"""Read files of weights, as people have them, without running any code that is in them."""

import difflib
import json
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from keras_cnns import weights_keras

SAFETENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip
BFLOAT16 = "BF16"  # the upper half of a float32, which numpy has no name for

# Where training scripts keep the tensors, and under which modules; a moving average comes last,
# and is read where there is nothing else.
KEPT_IN = (
    "state_dict", "model_state_dict", "model_state", "model", "network", "net", "weights",
    "params", "state_dict_ema", "model_ema", "ema_state_dict", "ema",
)  # fmt: skip
KEPT_UNDER = ("module", "_orig_mod", "model", "network", "net", "backbone", "timm_model")
POINTER = b"version https://git-lfs"


class WeightsError(ValueError):
    """A checkpoint that does not fit; told to the user in one sentence."""

    exit_code = 2


class UnsafeWeights(WeightsError):
    """A checkpoint that is damaged, or that could run code."""

    exit_code = 5


class _Fault(ValueError):
    """What is wrong with a file, as the end of a sentence that its path begins."""


def read(path):
    """Read a checkpoint without running any code.

    Returns:
        {torch name: array} of a .safetensors, .npz or .pth file (also .pt, .bin, .ckpt, .tar),
        without the names that a wrapper of the network put before its own; the
        `weights_keras.Layers` of a .h5 or .keras file of keras.applications.

    Raises:
        WeightsError: no such file, another kind of file, none of weights, or a .pth without torch
            to read it.
        UnsafeWeights: a damaged file, or a .pth that holds more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(_not_there(path))
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(f"weights are a {', '.join(READERS)} file, not {path.name}")
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise WeightsError(f"{path} is a pointer of Git LFS, not the weights: git lfs pull")
    try:
        found = reader(path)
    except ModuleNotFoundError:
        raise WeightsError(
            f"{path.name} can only be read by torch, which is not installed: pip install torch, or "
            "convert it to .safetensors"
        ) from None
    except _Fault as fault:
        raise UnsafeWeights(f"{path} {fault}") from fault
    except Exception as error:
        raise UnsafeWeights(f"{path} is damaged: {_first_line(error)}") from error
    if not found:
        raise WeightsError(f"{path} holds no weights")
    return found if isinstance(found, weights_keras.Layers) else _unwrapped(found)


def _not_there(path):
    if path.is_dir():
        return f"{path} is a folder; name the file of weights in it"
    beside = path.parent.glob(f"*{path.suffix}") if path.suffix else ()
    near = difflib.get_close_matches(str(path), map(str, beside), n=3)
    return f"no file {path}" + (f"; did you mean {' or '.join(near)}?" * bool(near))


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0]


def _unwrapped(tensors):
    """The tensors, without the modules of KEPT_UNDER that most of the names begin with."""
    modules = Counter(name.partition(".")[0] for name in tensors if "." in name)
    for first, count in modules.most_common(1):
        if first in KEPT_UNDER and 2 * count > len(tensors):
            return _unwrapped({name.removeprefix(f"{first}."): a for name, a in tensors.items()})
    return tensors


def _npz(path):
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _torch(path):
    import argparse

    import torch

    _check_sums(path)
    flags = torch.serialization.safe_globals([argparse.Namespace])  # of a script, plain data
    try:
        with flags, warnings.catch_warnings(action="ignore"):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's own words tell how to read it all the same
        raise _Fault(_refused(error, path)) from error
    return {
        name: (t.float() if t.is_floating_point() else t).detach().numpy()
        for name, t in _kept(state).items()
        if isinstance(t, torch.Tensor) and isinstance(name, str)
    }


def _kept(state):
    """The tensors of a network among all that a script saved."""
    if not isinstance(state, dict):
        return {}
    inner = [state[key] for key in KEPT_IN if isinstance(state.get(key), dict)]
    return _kept(inner[0]) if inner else state


def _refused(error, path):
    """Why torch did not read a file."""
    text = str(error)
    if "TorchScript" in text:
        return "is a program of TorchScript; import what its model.state_dict() saves"
    if "nsupported global" in text or "GLOBAL" in text:
        return "holds more than tensors and could run code; import what model.state_dict() saves"
    if not zipfile.is_zipfile(path):
        return "is damaged, or no archive of tensors that torch saved"
    return "is damaged"


def _check_sums(path):
    """Refuse a flipped bit, which torch does not look for.

    Files before torch 1.6 are no archives and have no sums; a sum of 0 was never computed.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in filter(lambda member: member.CRC, archive.infolist()):
                with archive.open(member) as file:
                    while file.read(1 << 22):
                        pass


def _safetensors(path):
    """The format: 8 bytes of header length, a JSON header, then the tensors' bytes."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= len(data) - 8:
        raise _Fault("is damaged, or no file of safetensors")
    header, body = json.loads(data[8 : 8 + length]), memoryview(data)[8 + length :]
    header.pop("__metadata__", None)
    if len(body) != max((entry["data_offsets"][1] for entry in header.values()), default=0):
        raise _Fault("is damaged: it is longer or shorter than its header says")
    return {name: _tensor(name, body, **entry) for name, entry in header.items()}


def _tensor(name, body, dtype, shape, data_offsets):
    part = body[slice(*data_offsets)]
    if dtype == BFLOAT16:
        return (np.frombuffer(part, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if dtype not in SAFETENSORS:
        raise _Fault(f"has {name!r} of type {dtype}, which is not read; save it as float32")
    return np.frombuffer(part, SAFETENSORS[dtype]).reshape(shape)


READERS = {
    ".safetensors": _safetensors, ".npz": _npz, ".pth": _torch, ".pt": _torch, ".bin": _torch,
    ".ckpt": _torch, ".tar": _torch, ".h5": weights_keras.read, ".hdf5": weights_keras.read,
    ".keras": weights_keras.read,
}  # fmt: skip
