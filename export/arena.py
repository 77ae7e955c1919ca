"""The memory in which the tensors of a .tflite file live while it runs, its "arena".

Weights lie in the file; every other tensor lives from the operation that writes it to the last one
that reads it, and tensors that do not live at the same time may share bytes. Where each goes is
decided as the runtimes do: the largest first, each into the first gap that it fits (Pisarchyk and
Lee 2020, Efficient Memory Management for Deep Neural Net Inference, arXiv:2001.03288, greedy by
size). TensorFlow Lite and the runtime of microcontrollers differ in a `Rule`. Scratch space of the
kernels is not counted.
"""

import math
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema

from pipelines.quiet import quiet

KIND = schema.TensorType
BYTES = {
    KIND.FLOAT32: 4, KIND.INT32: 4, KIND.UINT32: 4, KIND.FLOAT16: 2, KIND.INT16: 2, KIND.INT64: 8,
    KIND.FLOAT64: 8, KIND.INT8: 1, KIND.UINT8: 1, KIND.BOOL: 1,
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """In what one runtime's planner differs from another's."""

    alignment: int  # bytes
    latest_first: bool  # of tensors of the same size; else the earliest


LITE, MICRO = Rule(64, latest_first=False), Rule(16, latest_first=True)
# Bytes that tflite-micro keeps beside the tensors, an upper bound found on eight networks.
BASE, PER_OPERATION, PER_SCALE = 2048, 272, 4


def peak(content, rule=LITE):
    """Bytes of arena that the tensors of a .tflite file need, as a runtime plans them."""
    return planned(lifetimes(content, rule), rule)


def lifetimes(content, rule=LITE):
    """[(bytes, first operation, last operation)] of the tensors that no file holds."""
    graph = _graph(content)
    operators = _all(graph, "Operators")
    lives = {t: [0, 0] for t in _all(graph, "Inputs")}
    for step, operator in enumerate(operators):
        for t in _all(operator, "Outputs"):
            lives.setdefault(t, [step, step])
        for t in _all(operator, "Inputs"):
            if t in lives:
                lives[t][1] = step
    for t in _all(graph, "Outputs"):
        lives[t][1] = len(operators)
    return [(_bytes(graph.Tensors(t), rule), *life) for t, life in lives.items()]


def _graph(content):
    return schema.Model.GetRootAs(content, 0).Subgraphs(0)


def _all(owner, what):
    """The elements of a vector in the file."""
    return [getattr(owner, what)(i) for i in range(getattr(owner, f"{what}Length")())]


def _bytes(tensor, rule):
    return _rounded(math.prod(_all(tensor, "Shape")) * BYTES.get(tensor.Type(), 4), rule)


def _rounded(size, rule):
    return -(-size // rule.alignment) * rule.alignment


def planned(lives, rule=LITE):
    """The end of the last tensor, once each was given a place.

    Args:
        lives: [(bytes, first operation, last operation)].
        rule: which goes first of tensors of the same size.
    """
    turn = -1 if rule.latest_first else 1
    placed = []  # (offset, end, first, last)
    for size, first, last in sorted(lives, key=lambda life: (-life[0], turn * life[1])):
        offset = 0
        for begin, end, *_ in sorted(p for p in placed if p[2] <= last and first <= p[3]):
            if offset + size <= begin:
                break
            offset = max(offset, end)
        placed.append((offset, offset + size, first, last))
    return max((end for _, end, *_ in placed), default=0)


def needed(content):
    """What a microcontroller needs: {"bytes": ..., "how": how it was found} for a .tflite file."""
    bound = estimate(content)
    estimated = "estimated: the tensors laid out as the runtime does, and an allowance for the rest"
    try:
        from tflite_micro.python.tflite_micro import runtime
    except ImportError:
        return {"bytes": bound, "how": f"{estimated}; tflite-micro was not there to measure it"}
    measured = measure(content, bound, runtime)
    if measured is None:
        return {"bytes": bound, "how": f"{estimated}; tflite-micro does not run this file"}
    how = "measured by tflite-micro on a 64-bit machine; one of 32 bits needs less"
    return {"bytes": measured, "how": how}


def measure(content, bound, runtime):
    """The smallest arena, to 16 bytes, in which tflite-micro allocates a file; None if none is.

    Args:
        bound: where to begin.
        runtime: the module of tflite-micro's interpreter.
    """

    def fits(size):
        try:
            runtime.Interpreter.from_bytes(content, arena_size=size)
        except RuntimeError:
            return False
        return True

    step = MICRO.alignment
    with quiet():  # the runtime complains of each arena that is too small
        low, high = 0, bound
        while not fits(high):
            low, high = high, 2 * high
            if high > 8 * bound:
                return None
        while high - low > step:
            middle = (low + high) // 2 // step * step
            low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def estimate(content):
    """Bytes of arena on a microcontroller by rule: the tensors in their places, and records."""
    graph = _graph(content)
    quantized = [t.Quantization() for t in _all(graph, "Tensors") if t.Quantization()]
    scales = sum(numbers.ScaleLength() for numbers in quantized)
    records = BASE + PER_OPERATION * graph.OperatorsLength() + PER_SCALE * scales
    return _rounded(peak(content, MICRO) + records, MICRO)
