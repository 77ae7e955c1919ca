"""Pictures of a training and of its mistakes."""

import math
import warnings

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure

from pipelines.files import whole_file

NAMED = 30  # classes up to which each is named beside the confusion matrix
# Classes are named in every language; of these families, those that the machine has are tried.
FAMILIES = (
    *("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Microsoft YaHei", "PingFang SC"),
    *("Hiragino Sans", "Malgun Gothic", "WenQuanYi Zen Hei", "Noto Sans Devanagari", "Noto Emoji"),
)


def curves(history, best_epoch, path):
    """Loss and accuracy of each epoch, training and validation, the kept epoch marked.

    Args:
        history: {"loss", "val_loss", "accuracy", "val_accuracy": one number an epoch}.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        epochs = np.arange(1, len(history[name]) + 1)
        axes.plot(epochs, history[name], label="training")
        axes.plot(epochs, history[f"val_{name}"], label="validation")
        axes.axvline(best_epoch, color="grey", linestyle=":", label=f"kept: epoch {best_epoch}")
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    save(figure, path)


def confusion(matrix, labels, path):
    """Counts of (true class, predicted class), as a picture.

    Args:
        matrix: int (classes, classes), rows are the true classes.
    """
    side = max(4, min(14, 0.4 * len(labels) + 2))
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    if len(labels) <= NAMED:
        names = [shorten(label, 24) for label in labels]
        plain = {"parse_math": False}  # a class may be called $5
        axes.set_xticks(range(len(labels)), names, rotation=90, **plain)
        axes.set_yticks(range(len(labels)), names, **plain)
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, count, ha="center", va="center", color=colour, fontsize=8)
    else:
        figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    save(figure, path)


def reliability(rows, path, *, title=""):
    """How often answers of each confidence are right, beside how many there are.

    Args:
        rows: of `calibration.reliability`.
    """
    figure = Figure(figsize=(4.6, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    lows = [row["low"] for row in rows]
    width = 1 / len(rows)
    style = {"width": width, "align": "edge", "edgecolor": "white"}
    above.bar(lows, [row["accuracy"] or 0 for row in rows], color="#3b78c3", **style)
    full = [row for row in rows if row["images"]]
    above.hlines(
        [row["confidence"] for row in full],
        [row["low"] for row in full],
        [row["high"] for row in full],
        color="#d9480f",
        linewidth=3,
        label="where the bar should end",
    )
    above.plot([0, 1], [0, 1], color="grey", linestyle=":")
    above.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), title=title)
    figure.legend(loc="outside lower center", frameon=False)
    below.bar(lows, [row["images"] for row in rows], color="#868e96", **style)
    below.set(xlabel="confidence", ylabel="images")
    save(figure, path)


def grid(tiles, path, *, columns=6):
    """Images with two lines of text above each.

    Args:
        tiles: [(uint8 (height, width) or (height, width, 3), text)].
    """
    rows = math.ceil(len(tiles) / columns)
    figure = Figure(figsize=(2.1 * columns, 2.6 * rows))
    figure.subplots_adjust(0.01, 0.01, 0.99, 1 - 0.5 / (2.6 * rows), 0.06, 0.28)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, (image, text) in zip(figure.axes, tiles, strict=False):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        axes.set_title(text, fontsize=8, parse_math=False)
    save(figure, path)


def shorten(text, length):
    """The text, its middle left out where it is longer."""
    if len(text) <= length:
        return text
    head = length // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def save(figure, path):
    known = {font.name for font in font_manager.fontManager.ttflist}
    families = [family for family in FAMILIES if family in known]
    with (
        whole_file(path) as temporary,
        matplotlib.rc_context({"font.family": families or ["sans-serif"]}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # it shows a box
        figure.savefig(temporary, format="png", dpi=110)
