"""Small random steps through a space: drawn in one function, applied in another.

What AmoebaNet mutates (arXiv:1802.01548, section 3.2), the operation or the hidden state of one
side of one sum of one cell, each as often as the other, is one dimension here, and so is the width
or the depth of one stage. The paper's identity, 5% of its mutations, is left out: the same network
trained again from the same seed would give the same number.
"""

import math

NEIGHBOUR = 0.5  # how often an ordered value moves to the next one, not to any


def draw_step(chance, dimensions, values):
    """Draw (name, new value) of one dimension, never the value that it has.

    Args:
        chance: a `random.Random`.
        dimensions: {name: `space.Dimension`}.
        values: {name: value} of the parent.

    Returns:
        None where there is nothing to change.
    """
    free = [d for d in dimensions.values() if not d.values or len(d.values) > 1]
    if not free:
        return None
    d = chance.choice(free)
    if not d.values:
        return d.name, math.exp(chance.uniform(math.log(d.low), math.log(d.high)))
    others = [value for value in d.values if value != values[d.name]]
    if d.ordered and chance.random() < NEIGHBOUR:
        place = d.values.index(values[d.name])
        others = [d.values[i] for i in (place - 1, place + 1) if 0 <= i < len(d.values)]
    return d.name, chance.choice(others)


def step(values, drawn):
    """The values after what `draw_step` gave."""
    return values if drawn is None else values | dict([drawn])


def draw_mix(chance, names):
    """Draw for each name whether a child has it from its first parent or its second."""
    return {name: chance.random() < 0.5 for name in names}


def mix(first, second, drawn):
    """The child of two parents after what `draw_mix` gave (uniform crossover)."""
    return {name: (first if mine else second)[name] for name, mine in drawn.items()}
