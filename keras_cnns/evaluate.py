"""How good a trained model is on labelled images, .keras and .tflite alike."""

from pathlib import Path

import numpy as np

from export import models
from export.bundle import check_labels
from export.verify import wilson
from pipelines import dataset


def evaluate(trained, source, split="test"):
    """Run a model on a split of a source.

    Args:
        trained: an `export.trained.Trained`.
        source: a `pipelines.sources.Source` with the classes of the model.
        split: "train", "val" or "test".

    Returns:
        A report as plain data: n, top-1 with its 95% interval (Wilson), per class precision and
        recall, and the confusion matrix, rows being true classes.

    Raises:
        UserError: the classes are not those that the model was trained on.
    """
    model = models.load(trained.path)
    labels = check_labels(trained.labels, source, model.classes)
    part = source.splits[split]
    answers = np.concatenate(
        [
            model.predict(images.numpy()).argmax(1)
            for images, _ in dataset.evaluation(part, model.input_shape, batch_size=256, cache=0)
        ]
    )
    matrix = np.zeros((len(labels), len(labels)), int)
    np.add.at(matrix, (part.labels, answers), 1)
    right = int(np.trace(matrix))
    return {
        "model": str(trained.path),
        "source": source.spec,
        "split": split,
        "images": len(part),
        "accuracy": right / len(part),
        "accuracy_95": list(wilson(right, len(part))),
        "classes": _per_class(matrix, labels),
        "confusion": matrix.tolist(),
    }


def _per_class(matrix, labels):
    """Precision and recall of each class; None where nothing was predicted or true."""
    found, true = matrix.sum(axis=0), matrix.sum(axis=1)
    return {
        label: {
            "images": int(true[i]),
            "precision": float(matrix[i, i] / found[i]) if found[i] else None,
            "recall": float(matrix[i, i] / true[i]) if true[i] else None,
        }
        for i, label in enumerate(labels)
    }


def predict(trained, paths):
    """Class probabilities of image files, best first.

    Returns:
        [{"image": path, "answers": [(class, probability), ...]}, ...].

    Raises:
        UserError: an image cannot be used, or the model's class names are not known.
    """
    from pipelines.check import inspect_all
    from pipelines.decode import load

    facts = inspect_all(paths)
    model = models.load(trained.path)
    names = trained.labels or [f"class {i}" for i in range(model.classes)]
    images = [load(path, fact, model.input_shape) for path, fact in zip(paths, facts, strict=True)]
    answers = []
    for path, row in zip(paths, model.predict(np.stack(images)), strict=True):
        order = np.argsort(-row, kind="stable")
        ranked = [(names[i], round(float(row[i]), 6)) for i in order]
        answers.append({"image": str(Path(path)), "answers": ranked})
    return answers
