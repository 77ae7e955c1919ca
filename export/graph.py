"""What a .tflite file is made of, read from its flatbuffer."""

import math
from collections import Counter
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema


def _names(enum):
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


OPERATORS = _names(schema.BuiltinOperator)
FLOATS = {schema.TensorType.FLOAT32, schema.TensorType.FLOAT16, schema.TensorType.FLOAT64}
# The converter widens a range of nothing to 1e-6 on both sides in 8 bits, to less in 16.
LEAST_SCALE = {
    schema.TensorType.INT8: 1e-8, schema.TensorType.UINT8: 1e-8, schema.TensorType.INT16: 1e-12,
}  # fmt: skip
CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}
WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file."""

    name: str
    shape: tuple[int, ...]
    in_float: bool
    constant: bool
    dead: bool = False  # an integer tensor whose scale says that it never held more than one number


@dataclass(frozen=True)
class Operation:
    """An operation of a file, with the numbers of the tensors that it reads and writes."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    custom: bool = False
    activated: bool = False  # a convolution or dense layer that ends in its own activation


@dataclass(frozen=True)
class Graph:
    """Operations of a .tflite file, in the order in which they run."""

    tensors: tuple[Tensor, ...]
    operations: tuple[Operation, ...]

    @property
    def ops(self):
        """{operation: how many}."""
        return dict(Counter(op.kind for op in self.operations).most_common())

    @property
    def foreign(self):
        """Custom and Flex operations, which stock runtimes lack."""
        return tuple(sorted({op.kind for op in self.operations if op.custom}))

    @property
    def in_float(self):
        """{operation that reads or writes a float tensor: how many}."""
        return dict(
            Counter(
                op.kind
                for op in self.operations
                if any(self.tensors[t].in_float for t in (*op.inputs, *op.outputs))
            )
        )

    @property
    def dead(self):
        """Names of what operations write, where it is the same number whatever the image."""
        written = [self.tensors[t] for op in self.operations for t in op.outputs]
        return tuple(tensor.name for tensor in written if tensor.dead)

    @property
    def ends_dead(self):
        """Whether the classes are equally likely to a file of integers, whatever the image."""
        given = [t for op in self.operations if op.kind == "SOFTMAX" for t in op.inputs]
        return any(self.tensors[t].dead for t in given)

    @property
    def macs(self):
        """Multiply-adds of convolutions and dense layers for one image."""
        return sum(self._macs(op) for op in self.operations if op.kind in WEIGHTED)

    def _macs(self, op):
        out, weights = self.tensors[op.outputs[0]].shape, self.tensors[op.inputs[1]].shape
        if op.kind == "DEPTHWISE_CONV_2D":
            return math.prod(out) * math.prod(weights[1:3])
        return math.prod(out) * math.prod(weights[1:])

    def readers(self, tensor):
        """Operations that read a tensor."""
        return [op for op in self.operations if tensor in op.inputs]

    def left_over(self):
        """Names of additions and products with a constant that a convolution could have done.

        They stand alone behind a convolution that feeds nothing else.
        """
        makers = {t: op for op in self.operations for t in op.outputs}
        found = []
        for op in self.operations:
            if op.kind not in ("MUL", "ADD", "SUB"):
                continue
            given = [t for t in op.inputs if not self.tensors[t].constant]
            maker = makers.get(given[0]) if len(given) == 1 else None
            if maker is None or maker.kind not in WEIGHTED or maker.activated:
                continue
            if len(self.readers(given[0])) == 1:
                found.append(self.tensors[op.outputs[0]].name)
        return found


def read(content):
    """Read the Graph in the bytes of a .tflite file."""
    model = schema.Model.GetRootAs(content, 0)
    codes = [_operator(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
    tensors, operations = [], []
    for s in range(model.SubgraphsLength()):
        subgraph, first = model.Subgraphs(s), len(tensors)
        tensors += [_tensor(model, subgraph.Tensors(i)) for i in range(subgraph.TensorsLength())]
        for i in range(subgraph.OperatorsLength()):
            operator = subgraph.Operators(i)
            kind, custom = codes[operator.OpcodeIndex()]
            read_ = [operator.Inputs(j) for j in range(operator.InputsLength())]
            written = [operator.Outputs(j) for j in range(operator.OutputsLength())]
            numbers = [tuple(first + t for t in part if t >= 0) for part in (read_, written)]
            operations.append(Operation(kind, *numbers, custom, _activated(kind, operator)))
    return Graph(tuple(tensors), tuple(operations))


OPTIONS = {
    "CONV_2D": schema.Conv2DOptions,
    "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptions,
    "FULLY_CONNECTED": schema.FullyConnectedOptions,
}


def _activated(kind, operator):
    table = operator.BuiltinOptions()
    if kind not in OPTIONS or table is None:
        return False
    options = OPTIONS[kind]()
    options.Init(table.Bytes, table.Pos)
    return options.FusedActivationFunction() != schema.ActivationFunctionType.NONE


def _tensor(model, tensor):
    buffer = model.Buffers(tensor.Buffer())
    constant = buffer.DataLength() > 0 or buffer.Offset() > 1
    numbers = tensor.Quantization()
    scaled = tensor.Type() in LEAST_SCALE and numbers is not None and numbers.ScaleLength() == 1
    return Tensor(
        tensor.Name().decode("utf-8", "replace"),
        tuple(tensor.Shape(i) for i in range(tensor.ShapeLength())),
        tensor.Type() in FLOATS,
        constant,
        not constant and scaled and numbers.Scale(0) < LEAST_SCALE[tensor.Type()],
    )


def _operator(code):
    # Old files know the first 127 operators only and keep them in a field of 8 bits.
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if builtin == schema.BuiltinOperator.CUSTOM:
        return code.CustomCode().decode("utf-8", "replace"), True
    return OPERATORS[builtin], False
