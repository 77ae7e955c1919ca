"""Pictures of a training and of its mistakes."""

import numpy as np
from matplotlib.figure import Figure

from pipelines.files import whole_file


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
    _save(figure, path)


def confusion(matrix, labels, path):
    """Counts of (true class, predicted class), as a picture.

    Args:
        matrix: int (classes, classes), rows are the true classes.
    """
    side = max(4, min(14, 0.4 * len(labels) + 2))
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    if len(labels) <= 30:
        axes.set_xticks(range(len(labels)), labels, rotation=90)
        axes.set_yticks(range(len(labels)), labels)
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, count, ha="center", va="center", color=colour, fontsize=8)
    _save(figure, path)


def _save(figure, path):
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
