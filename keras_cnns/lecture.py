"""The lecture's two complexity tables, computed from the networks themselves.

They count weights without biases, and one FLOP for a multiply-add; see docs/errata.md for where
the printed numbers differ.
"""

import math

from keras_cnns import complexity
from keras_cnns.lazy import keras


def compare(models):
    """Rows of (layer, weights and MACs of each model, ...), alike layers side by side.

    Convolutions and dense layers are met by their order; those that only some models have are
    summed in one row. The last row but one leaves the output layers out, as the lecture does.

    Args:
        models: built networks, at least two.

    Returns:
        Rows of text and numbers; the last tells how many times the first model costs the last.
    """
    layers = [_by_kind(model) for model in models]
    rows = []
    for kind in ("convolution", "dense"):
        shared = min(len(found[kind]) for found in layers)
        for i in range(shared):
            rows.append([f"{kind} {i + 1}", *_cells(found[kind][i : i + 1] for found in layers)])
        if any(len(found[kind]) > shared for found in layers):
            rows.append([f"{kind} from {shared + 1}", *_cells(f[kind][shared:] for f in layers)])
    everything = [found["convolution"] + found["dense"] for found in layers]
    rows.append(["all", *_cells(everything)])
    hidden = _cells(found[:-1] for found in everything)
    rows.append(["all but the output", *hidden])
    rows.append(["increase", *_ratios(hidden)])
    return rows


def _by_kind(model):
    """{"convolution" or "dense": [(weights, MACs) of each layer, in order]}."""
    found = {"convolution": [], "dense": []}
    for row in complexity.rows(model):
        if row.macs:
            kind = "convolution" if "Conv" in row.kind else "dense"
            found[kind].append((_weights(model, row), row.macs))
    return found


def _weights(model, row):
    # A product of two activations multiplies and holds no weight.
    return math.prod(model.get_layer(row.name).kernel.shape) if row.params else 0


def _cells(groups):
    return [number for group in groups for number in _sums(group)]


def _sums(group):
    return sum(weights for weights, _ in group), sum(macs for _, macs in group)


def _ratios(cells):
    first, last = cells[:2], cells[-2:]
    ratios = [f"{a / b:,.0f}x" for a, b in zip(first, last, strict=True)]
    return ratios + [""] * (len(cells) - 2)


def inception_table():
    """Rows of (block, weights, MACs) for Inception 3a beside one convolution of its output.

    192 channels in, 256 out, 28 x 28 pixels (GoogLeNet, table 1).
    """
    from keras_cnns.models.googlenet import TABLE_1, inception
    from keras_cnns.models.inception import block

    image = keras.Input((28, 28, 192))
    candidates = {"inception 3a": block(image, inception(*TABLE_1["3a"]), 1, name="3a")}
    for side in (3, 5):
        plain = keras.layers.Conv2D(256, side, padding="same")(image)
        candidates[f"one {side}x{side} convolution"] = plain
    rows = []
    for label, output in candidates.items():
        layers = _by_kind(keras.Model(image, output))
        rows.append([label, *_sums(layers["convolution"])])
    return rows
