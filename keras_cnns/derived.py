"""Networks one step away from a registered one, named by what differs: NAME+depths=2,3,3.

Such a name is understood wherever a network is named, so a run of one says all that there is to
know. What may differ is a line of CHANGES:

    resnet20_cifar+depths=2,3,3                          blocks in each stage
    resnet50+flavour=full_pre_activation                 where normalization and ReLU stand
    nasnet_a_mobile+repeat=2                             normal cells in a group
    nasnet_a_mobile+normal=sep3x3.0-none.1,...~2.3       a cell: its sums, ~ the states it gives
"""

import difflib
import inspect
from dataclasses import replace

DEEPEST = 200  # blocks in a stage


def name(base, changes):
    """The name of a network that differs from `base` in {key: text}; `base` where in nothing."""
    return "+".join([base, *(f"{key}={text}" for key, text in changes.items())])


def base_of(full):
    """The registered name that a name was derived from."""
    return str(full).partition("+")[0]


def derive(variant, changes):
    """Return the Variant that differs from a registered one.

    Args:
        changes: words "key=text".

    Raises:
        ValueError: such a network cannot have that; the message is one sentence.
    """
    spec = dict(variant.spec)
    for word in changes:
        key, _, text = word.partition("=")
        if key not in CHANGES:
            near = difflib.get_close_matches(key, CHANGES, n=1) or [", ".join(CHANGES)]
            raise ValueError(f"{variant.name} has no {key!r} to change; did you mean {near[0]}?")
        has, read = CHANGES[key]
        if not has(variant):
            raise ValueError(f"{variant.name} has no {key} that could be changed")
        spec |= read(text, variant, spec)
    return replace(variant, name="+".join([variant.name, *changes]), spec=spec)


def can(variant, key):
    """Whether a network has what a key of CHANGES changes."""
    return CHANGES[key][0](variant)


def _whole(text, what, most=DEEPEST):
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise ValueError(f"{what} is a whole number of 1 to {most}, not {text!r}")
    return int(text)


def _depths(text, variant, spec):
    stages, parts = len(variant.spec["depths"]), text.split(",")
    if len(parts) != stages:
        raise ValueError(f"{variant.name} has {stages} depths, not {len(parts)} as in {text!r}")
    return {"depths": tuple(_whole(part, "a depth") for part in parts)}


def _repeat(text, variant, spec):
    return {"repeat": _whole(text, "repeat")}


def flavours():
    """Names of the orders of normalization, ReLU and convolution in a residual block."""
    from keras_cnns.models.resnet import FLAVOURS

    return tuple(FLAVOURS)


def _flavour(text, variant, spec):
    if text not in flavours():
        near = difflib.get_close_matches(text, flavours(), n=1) or [", ".join(flavours())]
        raise ValueError(f"no flavour is named {text!r}; did you mean {near[0]}?")
    return {"flavour": text}


def written(cell):
    """A `nasnet.Cell` as text, which `read_cell` reads."""
    sums = ["-".join(f"{operation}.{state}" for operation, state in sides) for sides in cell.sums]
    return ",".join(sums) + "~" + ".".join(map(str, cell.output))


def read_cell(text):
    """The `nasnet.Cell` of a text such as "sep3x3.0-none.1,avg3x3.2-none.0~3".

    Raises:
        ValueError: it is no cell.
    """
    from keras_cnns.models.nasnet import OPERATIONS, Cell

    body, _, output = text.partition("~")
    sums = []
    for i, line in enumerate(body.split(",")):
        sides = tuple(side.rpartition(".")[::2] for side in line.split("-"))
        for operation, state in sides:
            if operation not in OPERATIONS:
                near = difflib.get_close_matches(operation, OPERATIONS, n=1) or [*OPERATIONS]
                raise ValueError(f"a cell has no operation {operation!r}; did you mean {near[0]}?")
            if not state.isdigit() or int(state) >= i + 2:
                raise ValueError(f"sum {i} of a cell sees states 0 to {i + 1}, not {state!r}")
        if len(sides) != 2:
            raise ValueError(f"a sum of a cell has two sides, not {line!r}")
        sums.append(tuple((operation, int(state)) for operation, state in sides))
    given = output.split(".")
    if not all(state.isdigit() and int(state) < len(sums) + 2 for state in given):
        raise ValueError(f"a cell gives states 0 to {len(sums) + 1}, not {output!r}")
    return Cell(tuple(sums), tuple(map(int, given)))


def unused(sums):
    """States that no sum sees, which is what a searched cell gives (arXiv:1802.01548, 3.1)."""
    seen = {state for sides in sums for _, state in sides}
    return tuple(state for state in range(2, len(sums) + 2) if state not in seen)


def _cell(place):
    def read(text, variant, spec):
        cells = list(spec["cells"])
        cells[place] = read_cell(text)
        return {"cells": tuple(cells)}

    return read


def _in_spec(key):
    return lambda variant: key in variant.spec


def _takes_flavour(variant):
    return "flavour" in inspect.signature(variant.builder).parameters


CHANGES = {  # key: (whether a variant has it, (text, variant, spec so far) -> fields of its spec)
    "depths": (_in_spec("depths"), _depths),
    "repeat": (_in_spec("repeat"), _repeat),
    "flavour": (_takes_flavour, _flavour),
    "normal": (_in_spec("cells"), _cell(0)),
    "reduction": (_in_spec("cells"), _cell(1)),
}
