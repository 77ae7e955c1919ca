"""How much working memory ("tensor arena") a file needs on a microcontroller."""

from ai_edge_litert import schema_py_generated as schema

from pipelines.quiet import quiet

ALIGNMENT = 16
WIDTHS = {schema.TensorType.INT8: 1, schema.TensorType.UINT8: 1, schema.TensorType.INT16: 2}
# Bytes that the runtime keeps beside the tensors, an upper bound found on eight networks.
BASE, PER_OPERATION, PER_SCALE = 2048, 272, 4


def needed(content):
    """{"bytes": ..., "how": how it was found} for the bytes of a .tflite file."""
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

    with quiet():  # the runtime complains of each arena that is too small
        low, high = 0, bound
        while not fits(high):
            low, high = high, 2 * high
            if high > 8 * bound:
                return None
        while high - low > ALIGNMENT:
            middle = (low + high) // 2 // ALIGNMENT * ALIGNMENT
            low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def estimate(content):
    """Bytes of arena by rule: tensors in the places that a greedy planner gives them, and records.

    The runtime's planner takes tensors by size, the largest first and of equal ones the latest,
    and gives each the lowest place that is free for as long as it lives.
    """
    subgraph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    tensors = [subgraph.Tensors(i) for i in range(subgraph.TensorsLength())]
    scales = sum(t.Quantization().ScaleLength() for t in tensors if t.Quantization())
    records = BASE + PER_OPERATION * subgraph.OperatorsLength() + PER_SCALE * scales
    total = (
        _planned([(_bytes(tensors[t]), *life) for t, life in _lives(subgraph).items()]) + records
    )
    return -(-total // ALIGNMENT) * ALIGNMENT


def _lives(subgraph):
    """{tensor: (first, last operation that needs it)} of all that is computed."""
    count = subgraph.OperatorsLength()
    lives = {int(t): [0, 0] for t in subgraph.InputsAsNumpy()}
    for i in range(count):
        operator = subgraph.Operators(i)
        for t in operator.OutputsAsNumpy():
            lives.setdefault(int(t), [i, i])
        for t in operator.InputsAsNumpy():
            if int(t) in lives:
                lives[int(t)][1] = i
    for t in subgraph.OutputsAsNumpy():
        lives[int(t)][1] = count
    return lives


def _planned(buffers):
    """The end of the last of (size, first, last) buffers, placed greedily."""
    placed = []  # (offset, size, first, last)
    for size, first, last in sorted(buffers, key=lambda buffer: (-buffer[0], -buffer[1])):
        offset = 0
        for other, length, begins, ends in sorted(placed):
            if begins <= last and first <= ends:
                if other - offset >= size:
                    break
                offset = max(offset, other + length)
        placed.append((offset, size, first, last))
    return max(offset + size for offset, size, *_ in placed)


def _bytes(tensor):
    count = 1
    for side in tensor.ShapeAsNumpy():
        count *= max(1, int(side))
    return -(-count * WIDTHS.get(tensor.Type(), 4) // ALIGNMENT) * ALIGNMENT
