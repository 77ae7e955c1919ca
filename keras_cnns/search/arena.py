"""The memory that the tensors of a .tflite file take while it runs.

Weights lie in the file; every other tensor lives from the operation that writes it to the last one
that reads it, and tensors that do not live at the same time may share bytes. Where each goes is
decided as TensorFlow Lite does: the largest first, each into the first gap that it fits (Pisarchyk
and Lee 2020, Efficient Memory Management for Deep Neural Net Inference, arXiv:2001.03288, greedy
by size). Scratch space of the kernels is not counted.
"""

import math

from ai_edge_litert import schema_py_generated as schema

ALIGNMENT = 64  # bytes, of TensorFlow Lite's arena
KIND = schema.TensorType
BYTES = {
    KIND.FLOAT32: 4, KIND.INT32: 4, KIND.UINT32: 4, KIND.FLOAT16: 2, KIND.INT16: 2, KIND.INT64: 8,
    KIND.FLOAT64: 8, KIND.INT8: 1, KIND.UINT8: 1, KIND.BOOL: 1,
}  # fmt: skip


def peak(content):
    """Bytes of the arena that the main graph of a .tflite file needs."""
    return planned(lifetimes(content))


def lifetimes(content):
    """[(bytes, first operation, last operation)] of the tensors that no file holds."""
    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    first, last = {}, {}
    for place in range(graph.InputsLength()):
        first[graph.Inputs(place)] = 0
    for step in range(graph.OperatorsLength()):
        operator = graph.Operators(step)
        for i in range(operator.OutputsLength()):
            first.setdefault(operator.Outputs(i), step)
            last[operator.Outputs(i)] = step
        for i in range(operator.InputsLength()):
            last[operator.Inputs(i)] = step
    for place in range(graph.OutputsLength()):
        last[graph.Outputs(place)] = graph.OperatorsLength()
    return [
        (_bytes(graph.Tensors(i)), begin, last.get(i, begin))
        for i, begin in first.items()
        if i >= 0
    ]


def _bytes(tensor):
    count = math.prod(tensor.Shape(i) for i in range(tensor.ShapeLength()))
    size = count * BYTES.get(tensor.Type(), 4)
    return -(-size // ALIGNMENT) * ALIGNMENT


def planned(lives):
    """The end of the last tensor, once each was given a place.

    Args:
        lives: [(bytes, first operation, last operation)].
    """
    placed = []  # (offset, end, first, last)
    for size, first, last in sorted(lives, key=lambda life: (-life[0], life[1])):
        offset = 0
        beside = sorted(p for p in placed if p[2] <= last and first <= p[3])
        for begin, end, *_ in beside:
            if offset + size <= begin:
                break
            offset = max(offset, end)
        placed.append((offset, offset + size, first, last))
    return max((end for _, end, *_ in placed), default=0)
