"""Which layers lose a network's answers when it becomes integers, and what keeping them costs.

The float file and the integer file run side by side on calibration images, every tensor kept.
The signal-to-noise ratio of a tensor is 10 log10(sum x^2 / sum (x - q)^2), in dB, for each channel
on its own and then averaged: a channel that the scale of a loud neighbour drowns counts as much.
The layer to blame is the one that loses most from its inputs to its output.

Mending keeps one more operation in float at a time: of the worst few, alone or with the next
layers that read it (where the rounding of the tensor between them is to blame), the one after
which the probabilities on the calibration images come nearest to the float file's. Held-out images
only say when to stop.
"""

import re
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from export import graph, models
from pipelines.quiet import quiet

IMAGES = 16  # of the calibration images, for signal and noise
TRIED = 4  # of the worst operations, each alone and with its readers
MOST = 8  # rounds of keeping one more
CEILING = 80.0  # dB; a tensor that came through without loss
SPREAD = 6  # operations that are kept together at most


@dataclass(frozen=True)
class Loss:
    """What one operation loses."""

    layer: str  # of Keras
    tensor: str  # what the operation writes
    kind: str  # of the operation
    snr: float  # dB, of its output
    lost: float  # dB, from its noisiest input to its output


def diagnose(conversion, integer, layers):
    """The Loss of each operation of an integer file, the worst first.

    Args:
        conversion: a `tflite.Conversion`.
        integer: bytes of the file, by its `quantized`.
        layers: {name: whether it has weights} of the Keras layers.
    """
    parts = graph.read(conversion.calibrated)
    snr = _snr(conversion, integer, parts)
    losses = []
    for op in parts.operations:
        out = op.outputs[0]
        if out in snr:
            before = min((snr.get(t, CEILING) for t in op.inputs), default=CEILING)
            name = parts.tensors[out].name
            layer = "softmax" if op.kind == "SOFTMAX" else layer_of(name, layers)
            losses.append(Loss(layer, name, op.kind, snr[out], before - snr[out]))
    return sorted(losses, key=lambda loss: -loss.lost)


def _snr(conversion, integer, parts):
    """{tensor of the float file: dB}, for those that the integer file has too."""
    float_run, integer_run = _watched(conversion.calibrated), _watched(integer)
    numbers = {d["name"]: d for d in integer_run.get_tensor_details()}
    pairs = [
        (t, numbers[parts.tensors[t].name])
        for op in parts.operations
        for t in op.outputs[:1]
        if parts.tensors[t].name in numbers
    ]
    images = models.in_channels(conversion.images, float_run.get_input_details()[0]["shape"][3])
    chosen = np.linspace(0, len(images) - 1, min(IMAGES, len(images))).astype(int)
    energy = {t: [0.0, 0.0] for t, _ in pairs}
    for image in images[chosen]:
        for run, pixels in ((float_run, image.astype(np.float32)), (integer_run, image)):
            run.set_tensor(run.get_input_details()[0]["index"], pixels[None])
            run.invoke()
        for t, details in pairs:
            x = _by_channel(float_run.get_tensor(t))
            q = _by_channel(_real(integer_run.get_tensor(details["index"]), details))
            energy[t][0] += np.square(x).sum(0)
            energy[t][1] += np.square(x - q).sum(0)
    return {t: _decibels(*sums) for t, sums in energy.items()}


def _watched(content):
    from ai_edge_litert import interpreter as litert

    with quiet():
        run = litert.Interpreter(
            model_content=content,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        run.allocate_tensors()
    return run


def _by_channel(values):
    return values.reshape(-1, values.shape[-1]).astype(np.float64)


def _real(stored, details):
    scale, zero = details["quantization"]
    return (stored.astype(np.float64) - zero) * scale if scale else stored


def _decibels(signal, noise):
    heard = signal > 1e-12
    if not heard.any():
        return CEILING
    ratio = signal[heard] / np.maximum(noise[heard], signal[heard] * 10 ** (-CEILING / 10))
    return float(np.mean(10 * np.log10(ratio)))


def layer_of(tensor, layers):
    """The Keras layer that a tensor of a file came from: "conv1_1/Relu;conv1_1/conv" is conv1's."""
    found = []
    for part in re.split(r"[;/:]", tensor):
        for name in (re.sub(r"_\d+$", "", part), part):
            if name in layers:
                found.append(name)
                break
    weighted = [name for name in found if layers[name]]
    return (weighted or found or [tensor])[-1 if not weighted else 0]


def layers_of(model):
    """{name: whether it has weights of its own} of the layers of a Keras model."""
    plain = [x for x in model._flatten_layers(include_self=False) if not hasattr(x, "layers")]
    return {x.name: hasattr(x, "kernel") or hasattr(x, "depthwise_kernel") for x in plain}


def mend(conversion, layers, run):
    """Keep more and more of the worst operations in float, until a file passes.

    Args:
        conversion: a `tflite.Conversion`.
        layers: `layers_of` the Keras model.
        run: bytes of a file -> what `verify.Trial.run` found on the held-out images, and "bytes".

    Returns:
        (the losses of the full-integer file, the rounds as [{"kept": layers, and what `run`
        found}], the last file's bytes). The first round keeps nothing; the last passes, or
        none does.
    """
    parts = graph.read(conversion.calibrated)
    content, kept = conversion.quantized(tf.uint8), ()
    target = models.TFLiteModel(conversion.calibrated).predict(_some(conversion.images))
    first, rounds = None, []
    while True:
        found = run(content)
        names = list(dict.fromkeys(layer_of(name, layers) for name in kept))
        rounds.append({"kept": names, "operations": list(kept)} | found)
        losses = diagnose(conversion, content, layers)
        first = first or losses
        if not found["failures"] or len(rounds) > MOST:
            return first, rounds, content
        choices = list(_choices(parts, losses, kept))
        if not choices:
            return first, rounds, content
        files = [(conversion.quantized(tf.uint8, keep), keep) for keep in choices]
        errors = [_error(file, conversion, target) for file, _ in files]
        content, kept = files[int(np.argmin(errors))]


def _some(images):
    return images[np.linspace(0, len(images) - 1, min(64, len(images))).astype(int)]


def _error(content, conversion, target):
    answers = models.TFLiteModel(content).predict(_some(conversion.images))
    return float(np.square(answers - target).sum())


def _choices(parts, losses, kept):
    """Sets of operations to keep in the next round, by the names of what they write."""
    makers = {parts.tensors[op.outputs[0]].name: op for op in parts.operations}
    fresh = [loss for loss in losses if loss.tensor not in kept and loss.kind != "SOFTMAX"]
    for loss in fresh[:TRIED]:
        yield (*kept, loss.tensor)
        together = _with_readers(parts, makers[loss.tensor])
        if len(together) > 1:
            yield tuple(dict.fromkeys((*kept, *together)))


def _with_readers(parts, op):
    """Names of an operation and of those behind it, up to the next that have weights."""
    names, waiting = [], [op]
    while waiting and len(names) < SPREAD:
        op = waiting.pop(0)
        names.append(parts.tensors[op.outputs[0]].name)
        if len(names) == 1 or op.kind not in graph.WEIGHTED:
            waiting += parts.readers(op.outputs[0])
    return list(dict.fromkeys(names))
