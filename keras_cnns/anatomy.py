"""What a network is made of: its parts in a row and the steps inside each, read off a built model.

A place through which everything must pass ends a part. What lies between two such places is one
layer, or a block: a residual, branches that run side by side, attention. Layers that follow one
another without a fork are parts of their own; a depthwise convolution stays with the 1x1
convolutions around it. Equal parts, and equal pairs and threes of parts, are told once with their
number.
"""

import re
from dataclasses import dataclass, replace

from keras_cnns import complexity
from keras_cnns.lazy import keras

MANY = 150  # operations; a block of more is cut where few tensors pass, into the cells of NASNet
OPEN = 3  # tensors that pass such a cut at most
POOLS = {"Max": "max pool", "Average": "mean pool"}
NORMS = {"BatchNormalization": "BN", "LayerNormalization": "LN", "GroupNormalization": "GN"}
ACTIVATIONS = {
    "relu": "ReLU", "relu6": "ReLU6", "silu": "SiLU", "gelu": "GELU", "hard_silu": "hard swish",
    "hard_sigmoid": "hard sigmoid",
}  # fmt: skip
MERGES = {"Add": "add", "Concatenate": "concat", "Multiply": "multiply"}
TITLES = {
    "residual": "residual block", "dense layer": "dense layer, concat", "branches": "branches",
    "attention": "attention", "gate": "gate", "separable": "depthwise separable", "cell": "cell",
    "learned": "learned tokens",
}  # fmt: skip
LARGE = 20  # steps; a block of more is a searched cell


@dataclass(frozen=True)
class Step:
    """One box inside a part."""

    text: str  # its lines, such as "3x3 conv, 64" and "BN, ReLU"
    kind: (
        str  # "convolution", "depthwise", "pooling", "dense", "merge", "product", "learned", or ""
    )
    after: tuple[int, ...]  # the steps before it; -1 is what enters the part, -2 what did before


@dataclass(frozen=True)
class Part:
    """One layer or block of a network, or `count` equal ones in a row."""

    kind: str  # a kind of Step, or a key of TITLES
    text: str
    output: tuple[int, ...]  # shape behind the last of them, without the batch
    params: int  # trainable, of all of them
    macs: int  # of all of them
    steps: tuple[Step, ...]
    tail: str = ""  # of a block: what follows it, such as "ReLU"
    count: int = 1
    period: int = 1  # 2: every other one of 2 * count parts, this and the next or the one before

    @property
    def shape(self):
        """What two equal parts have in common: their steps."""
        return self.kind, self.text, self.steps


def parts(model):
    """The Parts of a functional model, from the image to the (first) answer."""
    if len(model.outputs) > 1:  # heads for training alone
        model = keras.Model(model.inputs, model.outputs[0])
    graph = _Graph(model)
    found = []
    for members in graph.segments():
        block = _part(graph, members)
        if block is not None:
            found.append(block)
        elif found:  # normalization, activation, padding: they belong to what stands before
            found[-1] = _with(found[-1], graph, members)
    return _repeated(_separable(found))


class _Graph:
    """Operations of a model in order, with the places of those that each reads from."""

    def __init__(self, model):
        self.operations = model.operations
        self.costs = {row.name: row for row in complexity.rows(model)}
        made = {id(t): i for i, each in enumerate(self.operations) for t in _tensors(each.output)}
        self.parents = [
            sorted({made[id(t)] for t in _tensors(each.input)} - {i})
            for i, each in enumerate(self.operations)
        ]
        self.order = list(range(len(self.operations)))

    def segments(self):
        """Lists of places, each up to one through which everything passes."""
        for members in self._cut(self.order, 1, lambda i: True):
            if len(members) <= MANY:
                yield members
                continue
            merges = self._cut(
                self._deep(members), OPEN, lambda i: _type(self.operations[i]) == "Concatenate"
            )
            yield from merges

    def _cut(self, order, most, here):
        position = {i: p for p, i in enumerate(order)}
        last = dict.fromkeys(order, 0)
        for i in order:
            for parent in self.parents[i]:
                if parent in last:
                    last[parent] = max(last[parent], position[i])
        members, passing = [], set()
        for p, i in enumerate(order):
            members.append(i)
            passing = {j for j in passing | {i} if last[j] > p}
            if p == len(order) - 1 or (len(passing) <= most and i in passing and here(i)):
                yield members
                members = []

    def _deep(self, members):
        """The members, each as late as what reads it allows: a cell's own steps side by side."""
        inside, done, order = set(members), set(), []
        stack = [(members[-1], False)]
        while stack:
            i, ready = stack.pop()
            if ready:
                order.append(i)
            elif i not in done:
                done.add(i)
                stack.append((i, True))
                stack += [(parent, False) for parent in self.parents[i] if parent in inside]
        return order

    def cost(self, members):
        """(parameters, MACs) of some operations."""
        rows = [self.costs[self.operations[i].name] for i in members
                if self.operations[i].name in self.costs]  # fmt: skip
        return sum(row.params for row in rows), sum(row.macs for row in rows)


def _tensors(nest):
    return [leaf for leaf in keras.tree.flatten(nest) if isinstance(leaf, keras.KerasTensor)]


def _type(operation):
    return type(operation).__name__


def _part(graph, members):
    """The part that these operations are, or None if they belong to the one before."""
    steps = _steps(graph, members)
    weighty = [step for step in steps if step.kind]
    if not weighty or (len(members) > 1 and not any(graph.cost(members))):
        return None
    kind = _kind(graph, members, steps)
    text = TITLES[kind] if kind in TITLES else weighty[-1].text
    if kind == "branches":
        text = f"{len(steps[-1].after)} branches"
    output = _output(graph.operations[members[-1]])
    return Part(kind, text, output, *graph.cost(members), steps)


def _kind(graph, members, steps):
    if len(members) == 1:
        return steps[0].kind
    if len(steps) > LARGE:
        return "cell"
    kinds = {step.kind for step in steps}
    if kinds & {"product", "learned"}:
        return "attention" if "product" in kinds else "learned"
    last = _type(graph.operations[members[-1]])
    if last == "Concatenate":
        outside = set(graph.parents[members[-1]]) - set(members)  # what enters is kept, as a whole?
        whole = [i for i in outside if _type(graph.operations[i]) != "Split"]
        return "dense layer" if whole else "branches"
    return {"Add": "residual", "Multiply": "gate"}.get(last, "branches")


def _output(operation):
    return tuple(operation.output.shape[1:])


def _with(part, graph, members):
    """The part, and what follows it without being one."""
    words = [word for step in _steps(graph, members) for word in step.text.split(", ")]
    if any(_type(graph.operations[i]) == "Rsqrt" for i in members):
        words = ["LRN"]
    params, macs = graph.cost(members)
    part = replace(part, params=part.params + params, macs=part.macs + macs)
    if part.kind in TITLES:
        return replace(part, tail=", ".join(filter(None, [part.tail, *words])))
    last = part.steps[-1]
    line = ", ".join([*last.text.split("\n")[1:], *words])
    text = last.text.split("\n")[0] + (f"\n{line}" if line else "")
    return replace(part, text=text, steps=(replace(last, text=text),))


def _steps(graph, members):
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
        word, kind = _word(operation, len(graph.parents[i]), graph)
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


def _word(operation, inputs, graph):
    """(text, kind) of an operation; no text, it only moves numbers; no kind, it costs nothing."""
    name = _type(operation)
    if name in MERGES and inputs > 1:
        return MERGES[name], "merge"
    if name == "Matmul":
        return "product", "product"
    if name in ("Conv2D", "DepthwiseConv2D"):
        return _convolution(operation, depthwise=name != "Conv2D")
    if name == "Dense":
        return f"dense, {operation.units:,}{_activation(operation)}", "dense"
    if name == "Embedding":
        return f"learned, {_by(_output(operation))}", "learned"
    pool = re.match("(Global)?(Max|Average)Pooling2D", name)
    if pool:
        if pool[1]:
            return f"global {POOLS[pool[2]].split()[0]}", "pooling"
        return f"{_by(operation.pool_size)} {POOLS[pool[2]]}{_stride(operation)}", "pooling"
    if name == "Permute" and tuple(operation.dims) == (1, 2, 4, 3):
        return "channel shuffle", ""
    if name == "Activation":
        return _called(operation.activation), ""
    if name == "Sum" and len(_output(operation)) == 1:
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


def _separable(found):
    """The parts, depthwise convolutions joined to the 1x1 ones that widen and narrow for them."""
    letters = "".join(map(_letter, found))
    joined, end = [], 0
    for match in re.finditer("P?D+g?P", letters):
        joined += found[end : match.start()]
        chain = found[match.start() : match.end()]
        joined.append(_chained(chain))
        end = match.end()
    return joined + found[end:]


def _letter(part):
    if part.kind == "convolution" and part.text.startswith("1×1"):
        return "P"
    return {"depthwise": "D", "gate": "g"}.get(part.kind, "-")


def _chained(chain):
    steps = []
    for part in chain:
        base = len(steps)
        steps += [
            replace(step, after=tuple(base + a if a >= 0 else base - 1 for a in step.after))
            for step in part.steps
        ]
    params, macs = (sum(getattr(part, cost) for part in chain) for cost in ("params", "macs"))
    output, tail = chain[-1].output, chain[-1].tail
    return Part("separable", TITLES["separable"], output, params, macs, tuple(steps), tail)


def _repeated(found):
    """The parts, with equal ones, pairs and threes in a row told once."""
    for period in (1, 2, 3):
        told, i = [], 0
        while i < len(found):
            block = [part.shape for part in found[i : i + period]]
            times = 1
            while [p.shape for p in found[i + times * period : i + (times + 1) * period]] == block:
                times += 1
            if len(block) < period or times == 1 or any(p.count > 1 for p in found[i : i + period]):
                told.append(found[i])
                i += 1
                continue
            told += [
                _sum(found[i + k : i + times * period : period], period) for k in range(period)
            ]
            i += times * period
        found = told
    return found


def _sum(equal, period):
    params, macs = (sum(getattr(part, cost) for part in equal) for cost in ("params", "macs"))
    return replace(
        equal[-1], params=params, macs=macs, count=len(equal), period=period, tail=equal[0].tail
    )


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
