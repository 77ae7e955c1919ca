"""What a .tflite file is made of, read from its flatbuffer."""

from collections import Counter
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema


def _names(enum):
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


OPERATORS = _names(schema.BuiltinOperator)
FLOATS = {schema.TensorType.FLOAT32, schema.TensorType.FLOAT16, schema.TensorType.FLOAT64}
CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}


@dataclass(frozen=True)
class Graph:
    """Operations of a .tflite file."""

    ops: dict[str, int]  # {operation: how many}
    foreign: tuple[str, ...]  # custom and Flex operations, which stock runtimes lack
    in_float: dict[str, int]  # operations that read or write a float tensor


def read(content):
    """Read the Graph in the bytes of a .tflite file."""
    model = schema.Model.GetRootAs(content, 0)
    codes = [_operator(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
    ops, in_float = Counter(), Counter()
    for s in range(model.SubgraphsLength()):
        subgraph = model.Subgraphs(s)
        for i in range(subgraph.OperatorsLength()):
            operator = subgraph.Operators(i)
            name = codes[operator.OpcodeIndex()][0]
            ops[name] += 1
            tensors = [operator.Inputs(j) for j in range(operator.InputsLength())]
            tensors += [operator.Outputs(j) for j in range(operator.OutputsLength())]
            if any(subgraph.Tensors(t).Type() in FLOATS for t in tensors if t >= 0):
                in_float[name] += 1
    foreign = tuple(name for name, custom in codes if custom and ops[name])
    return Graph(dict(ops.most_common()), foreign, dict(in_float))


def _operator(code):
    # Old files know the first 127 operators only and keep them in a field of 8 bits.
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if builtin == schema.BuiltinOperator.CUSTOM:
        return code.CustomCode().decode("utf-8", "replace"), True
    return OPERATORS[builtin], False
