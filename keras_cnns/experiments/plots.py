"""The picture of an experiment: where each arm ended, and how it came there."""

import numpy as np
from matplotlib.figure import Figure

from keras_cnns.experiments.work import curve
from keras_cnns.plots import save

COLOURS = ("#2f6fbb", "#d9480f", "#2b8a3e", "#862e9c", "#5c4a1f")
CURVES = {"val_accuracy": "validation accuracy, %", "loss": "training loss"}


def write(session, summary, path):
    """Draw the test accuracy of each arm with its interval, and a curve of each run."""
    arms = session.experiment.arms
    figure = Figure(figsize=(10, 1.7 + 0.55 * max(4, len(arms))), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _ends(left, summary["arms"], [session.of(arm) for arm in arms])
    _curves(right, session)
    figure.suptitle(summary["question"], fontsize=12)
    save(figure, path)


def _ends(axes, arms, results):
    """One row an arm: a dot a run, the mean, and its 95% interval."""
    names = []
    for place, (arm, colour) in enumerate(zip(arms.values(), COLOURS, strict=False)):
        names.append(arm["words"])
        if arm["accuracy"] is None:
            beside = {"xycoords": ("axes fraction", "data"), "va": "center"}
            axes.annotate("did not train", (0.02, place), **beside)
            continue
        low, high = (100 * share for share in arm["accuracy_95"])
        axes.hlines(place, low, high, color=colour, linewidth=6, alpha=0.35)
        axes.plot(100 * arm["accuracy"], place, "|", color=colour, markersize=16, markeredgewidth=3)
        runs = [100 * r["test_accuracy"] for r in results[place] if r["right"]]
        axes.plot(runs, [place] * len(runs), "o", color=colour, markersize=5, alpha=0.8)
        axes.annotate(
            f"{100 * arm['accuracy']:.2f}%", (100 * arm["accuracy"], place), (0, 11),
            textcoords="offset points", ha="center", fontsize=9,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set(ylim=(len(names) - 0.4, -0.7), xlabel="test accuracy, % (dots: runs; bar: 95%)")
    axes.margins(x=0.08)
    axes.grid(axis="x", alpha=0.25)


def _curves(axes, session):
    """The experiment's column of history.csv: thin for each run, thick for the mean of an arm."""
    column = session.experiment.curve
    scale = 100 if column.endswith("accuracy") else 1
    for arm, colour in zip(session.experiment.arms, COLOURS, strict=False):
        runs = scale * curve(session, arm)
        if not len(runs):
            continue
        epochs = np.arange(1, runs.shape[1] + 1)
        axes.plot(epochs, runs.T, color=colour, linewidth=0.7, alpha=0.5)
        axes.plot(epochs, runs.mean(axis=0), color=colour, linewidth=2.2, label=arm.words)
    axes.set(xlabel="epoch", ylabel=CURVES[column])
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    if axes.lines:
        axes.legend(fontsize=8)
