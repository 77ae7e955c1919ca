"""What a network is made of: its parts in a row, read off a built model.

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
from keras_cnns.steps import LARGE, Step, output_of, steps_of, type_of

MANY = 150  # operations; a block of more is cut where few tensors pass, into the cells of NASNet
OPEN = 3  # tensors that pass such a cut at most
TITLES = {
    "residual": "residual block", "dense layer": "dense layer, concat", "branches": "branches",
    "attention": "attention", "gate": "gate", "separable": "depthwise separable", "cell": "cell",
    "learned": "learned tokens",
}  # fmt: skip


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
                self._deep(members), OPEN, lambda i: type_of(self.operations[i]) == "Concatenate"
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


def _part(graph, members):
    """The part that these operations are, or None if they belong to the one before."""
    steps = steps_of(graph, members)
    weighty = [step for step in steps if step.kind]
    if not weighty or (len(members) > 1 and not any(graph.cost(members))):
        return None
    kind = _kind(graph, members, steps)
    text = TITLES[kind] if kind in TITLES else weighty[-1].text
    if kind == "branches":
        text = f"{len(steps[-1].after)} branches"
    output = output_of(graph.operations[members[-1]])
    return Part(kind, text, output, *graph.cost(members), steps)


def _kind(graph, members, steps):
    if len(members) == 1:
        return steps[0].kind
    if len(steps) > LARGE:
        return "cell"
    kinds = {step.kind for step in steps}
    if kinds & {"product", "learned"}:
        return "attention" if "product" in kinds else "learned"
    last = type_of(graph.operations[members[-1]])
    if last == "Concatenate":
        outside = set(graph.parents[members[-1]]) - set(members)  # what enters is kept, as a whole?
        whole = [i for i in outside if type_of(graph.operations[i]) != "Split"]
        return "dense layer" if whole else "branches"
    return {"Add": "residual", "Multiply": "gate"}.get(last, "branches")


def _with(part, graph, members):
    """The part, and what follows it without being one."""
    words = [word for step in steps_of(graph, members) for word in step.text.split(", ")]
    if any(type_of(graph.operations[i]) == "Rsqrt" for i in members):
        words = ["LRN"]
    params, macs = graph.cost(members)
    part = replace(part, params=part.params + params, macs=part.macs + macs)
    if part.kind in TITLES:
        return replace(part, tail=", ".join(filter(None, [part.tail, *words])))
    last = part.steps[-1]
    line = ", ".join([*last.text.split("\n")[1:], *words])
    text = last.text.split("\n")[0] + (f"\n{line}" if line else "")
    return replace(part, text=text, steps=(replace(last, text=text),))


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
