"""The steps inside a part of a network: layers with what follows them alone, in the field's words.

Also as they are drawn, where a block has too many to tell one by one.
"""

import re
from dataclasses import dataclass, replace

POOLS = {"Max": "max pool", "Average": "mean pool"}
NORMS = {"BatchNormalization": "BN", "LayerNormalization": "LN", "GroupNormalization": "GN"}
ACTIVATIONS = {
    "relu": "ReLU", "relu6": "ReLU6", "silu": "SiLU", "gelu": "GELU", "hard_silu": "hard swish",
    "hard_sigmoid": "hard sigmoid",
}  # fmt: skip
MERGES = {"Add": "add", "Concatenate": "concat", "Multiply": "multiply"}
LARGE = 20  # steps; a block of more is a searched cell


@dataclass(frozen=True)
class Step:
    """One box inside a part."""

    text: str  # its lines, such as "3x3 conv, 64" and "BN, ReLU"
    kind: str  # convolution, depthwise, pooling, dense, merge, product, learned; "", no cost
    after: tuple[int, ...]  # the steps before it; -1 is what enters the part, -2 what did before


def steps_of(graph, members):
    """The steps of a part: layers with what follows them alone, silent ones left out."""
    inside = set(members)
    outside = sorted({p for i in members for p in graph.parents[i]} - inside, reverse=True)
    # Operation: the step that its value comes from; -1, what enters.
    step_of = {parent: -1 - k for k, parent in enumerate(outside)}
    steps = []  # [before, main, behind, kind, after]
    readers = dict.fromkeys(members, 0)
    for i in members:
        for parent in graph.parents[i]:
            if parent in inside:
                readers[parent] += 1
    alone = {}  # step: whether only one operation reads it
    for i in members:
        operation = graph.operations[i]
        sources = [step_of[p] for p in graph.parents[i]]
        word, kind = _word(operation, len(graph.parents[i]))
        before = sources[0] if len(sources) == 1 else -1
        joins = before >= 0 and alone[before]
        if not word:
            step_of[i] = before
        elif not kind and joins:
            steps[before][2 if steps[before][1] else 0].append(word)
            step_of[i] = before
        elif kind and joins and not steps[before][1]:
            steps[before][1], steps[before][3] = word, kind
            step_of[i] = before
        else:
            after = tuple(dict.fromkeys(sources or [-1]))
            steps.append([[] if kind else [word], word if kind else "", [], kind, after])
            step_of[i] = len(steps) - 1
        if step_of[i] >= 0:
            alone[step_of[i]] = readers[i] == 1 and (bool(word) or alone[step_of[i]])
    return tuple(
        Step("\n".join(filter(None, [", ".join(b), main, ", ".join(a)])), kind, after)
        for b, main, a, kind, after in steps
    )


def _word(operation, inputs):
    """(text, kind) of an operation; no text, it only moves numbers; no kind, it costs nothing."""
    name = type_of(operation)
    if name in MERGES and inputs > 1:
        return MERGES[name], "merge"
    if name == "Matmul":
        return "product", "product"
    if name in ("Conv2D", "DepthwiseConv2D"):
        return _convolution(operation, depthwise=name != "Conv2D")
    if name == "Dense":
        return f"dense, {operation.units:,}{_activation(operation)}", "dense"
    if name == "Embedding":
        return f"learned, {_by(output_of(operation))}", "learned"
    pool = re.match("(Global)?(Max|Average)Pooling2D", name)
    if pool:
        if pool[1]:
            return f"global {POOLS[pool[2]].split()[0]}", "pooling"
        return f"{_by(operation.pool_size)} {POOLS[pool[2]]}{_stride(operation)}", "pooling"
    if name == "Permute" and tuple(operation.dims) == (1, 2, 4, 3):
        return "channel shuffle", ""
    if name == "Activation":
        return _called(operation.activation), ""
    if name == "Sum" and len(output_of(operation)) == 1:
        return "RBF distances", "dense"
    return NORMS.get(name) or {"Softmax": "softmax", "Dropout": "dropout"}.get(name, ""), ""


def _convolution(layer, *, depthwise):
    text = f"{_by(layer.kernel_size)} " + ("depthwise" if depthwise else f"conv, {layer.filters:,}")
    if not depthwise and layer.groups > 1:
        text += f" in {layer.groups} groups"
    if max(layer.dilation_rate) > 1:
        text += f", dilated {layer.dilation_rate[0]}"
    return (
        f"{text}{_stride(layer)}{_activation(layer)}",
        "depthwise" if depthwise else "convolution",
    )


def _stride(layer):
    return f", /{layer.strides[0]}" if max(layer.strides) > 1 else ""


def _activation(layer):
    called = _called(layer.activation)
    return "" if called == "linear" else f"\n{called}"


def _called(activation):
    return ACTIVATIONS.get(activation.__name__, activation.__name__)


def _by(sides):
    return "×".join(map(str, sides))


def type_of(operation):
    """The name of its class, such as "Conv2D"."""
    return type(operation).__name__


def output_of(operation):
    """The shape of what it gives, without the batch."""
    return tuple(operation.output.shape[1:])


def fused(steps):
    """The steps as they are drawn: many equal branches as one, separable convolutions as one.

    A depthwise convolution and the 1x1 behind it become one step, and two equal ones in a row too,
    where the block is large.
    """
    steps = _side_by_side(steps)
    if len(steps) <= LARGE:
        return steps
    steps = _joined(steps, lambda a, b: a.kind == "depthwise" and "1×1 conv" in b.text, _pair)
    return _joined(steps, lambda a, b: a.text == b.text and "separable" in a.text, _twice)


def _side_by_side(steps):
    """Three or more equal steps with the same sources and the same one reader, told once."""
    readers = _readers(steps)
    first, count = {}, {}
    for i, step in enumerate(steps):
        key = (step, tuple(readers[i])) if len(readers[i]) == 1 else i
        first.setdefault(key, i)
        count[first[key]] = [*count.get(first[key], []), i]
    same = {i: kept for kept, all_of in count.items() if len(all_of) > 2 for i in all_of}
    place, found = {}, []
    for i, step in enumerate(steps):
        if same.get(i, i) != i:
            place[i] = place[same[i]]
            continue
        place[i] = len(found)
        text = f"{len(count[i])} times\n{step.text}" if i in same else step.text
        after = tuple(dict.fromkeys(place.get(a, a) for a in step.after))
        found.append(replace(step, text=text, after=after))
    return tuple(found)


def _readers(steps):
    """For each step the steps that it goes to."""
    return [[i for i, step in enumerate(steps) if k in step.after] for k in range(len(steps))]


def _pair(first, second):
    line = next(line for line in first.text.split("\n") if "depthwise" in line)
    filters = re.search(r"1×1 conv, ([\d,]+\d)", second.text)[1]
    size, _, stride = line.partition(" depthwise")
    return Step(f"{size} separable, {filters}{stride}", "depthwise", first.after)


def _twice(first, second):
    return replace(first, text=f"2 times\n{first.text}")


def _joined(steps, belong, join):
    """The steps, each pair that belongs together and is tied to nothing else made one."""
    readers = _readers(steps)
    found, place = [], {}
    for i, step in enumerate(steps):
        before = step.after[0] if len(step.after) == 1 else -1
        if before >= 0 and len(readers[before]) == 1 and belong(found[place[before]], step):
            place[i] = place[before]
            found[place[i]] = join(found[place[i]], step)
            continue
        place[i] = len(found)
        found.append(replace(step, after=tuple(dict.fromkeys(place.get(a, a) for a in step.after))))
    return tuple(found)
