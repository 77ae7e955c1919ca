"""How good a trained model is on labelled images, .keras and .tflite alike."""

from pathlib import Path

import numpy as np

from export import models
from export.intervals import paired_difference, wilson
from export.trained import check_labels, names_of
from keras_cnns.evaluation import calibration, caveats, crops
from keras_cnns.evaluation.answers import BATCH, ask, log_probabilities
from pipelines import dataset
from pipelines.check import display

PAIRS, MISTAKES = 20, 24  # how many of the most confused pairs and of the top losses are told
FITTED = 2_000  # validation images to fit the temperature on; a tenth where there are many views
TOP = 5


def evaluate(trained, source, split="test", *, tta=None):
    """Run a model on a split of a source.

    Args:
        trained: an `export.trained.Trained`.
        source: a `pipelines.sources.Source` with the classes of the model.
        split: "train", "val" or "test".
        tta: a name of `crops.WAYS`, or None.

    Returns:
        A report as plain data; docs/evaluation.md tells what each key holds. Shares are 0..1, an
        interval is 95% (Wilson), rows of the confusion matrix are true classes.

    Raises:
        UserError: the classes are not those that the model was trained on.
    """
    model = models.load(trained.path)
    labels = check_labels(trained.labels, source, model.classes)
    part, way = source.splits[split], tta and crops.find(tta)
    scale = temperature(model, source, split, way, trained.trained_on)
    found = ask(model, part, way=way, temperature=scale["temperature"])
    matrix = confusion(found.labels, found.answers, len(labels))
    report = {
        "model": str(trained.path),
        "source": display(source.spec),
        "fingerprint": source.fingerprint,
        "split": split,
        "images": len(part),
        **_share("accuracy", found.right),
        **_top5(found, len(labels)),
        "log_loss": float(found.loss.mean()),
        "macro": macro(per_class(matrix, labels)),
        "classes": per_class(matrix, labels),
        "confused": pairs(matrix, labels),
        "top_losses": top_losses(found, part, labels),
        "calibration": _calibration(found, scale),
        "images_per_second": round(found.images_per_second, 2),
        "tta": _gain(model, part, found, tta),
    }
    report["warnings"] = caveats.of(model, source, split, found)
    if split != "train" and split in trained.trained_on:
        sentence = f"the {split} images were trained on: they tell nothing new; evaluate on others"
        report["warnings"].insert(0, {"code": "trained_on", "sentence": sentence})
    return report | {"confusion": matrix.tolist()}


def _share(name, right):
    return {name: float(right.mean()), f"{name}_95": list(wilson(int(right.sum()), len(right)))}


def _top5(found, classes):
    """Top-5 accuracy; of 5 classes or fewer it would be 100% whatever the model does."""
    if classes <= TOP:
        return {"top5": None, "top5_95": None}
    return _share("top5", found.ranks < TOP)


def confusion(labels, answers, classes):
    """How many images of each class (rows) were given each answer (columns)."""
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (labels, answers), 1)
    return matrix


def per_class(matrix, labels):
    """Precision, recall and F1 of each class; None where nothing was predicted or true.

    F1 = 2 TP / (2 TP + FP + FN).
    """
    found, true, right = matrix.sum(axis=0), matrix.sum(axis=1), matrix.diagonal()

    def ratio(a, b):
        return float(a / b) if b else None

    return {
        label: {
            "images": int(true[i]),
            "precision": ratio(right[i], found[i]),
            "recall": ratio(right[i], true[i]),
            "f1": ratio(2 * right[i], true[i] + found[i]),
        }
        for i, label in enumerate(labels)
    }


def macro(classes):
    """Means over the classes that have images, each weighing the same; None counts as 0."""
    rows = [row for row in classes.values() if row["images"]]
    return {
        name: sum(row[name] or 0 for row in rows) / len(rows)
        for name in ("precision", "recall", "f1")
    }


def pairs(matrix, labels, count=PAIRS):
    """The mistakes made most often: true class, answer, images, share of the true class."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(order, wrong.shape)
    return [
        {
            "true": labels[t],
            "predicted": labels[p],
            "images": int(wrong[t, p]),
            "share": float(wrong[t, p] / matrix[t].sum()),
        }
        for t, p in zip(rows, columns, strict=True)
        if wrong[t, p]
    ]


def top_losses(found, part, labels, count=MISTAKES):
    """The images whose true class the model held least likely, worst first."""
    return [
        {
            "index": int(i),
            "image": part.names[i],
            "true": labels[found.labels[i]],
            "predicted": labels[found.answers[i]],
            "probability": float(found.confidence[i]),
            "loss": float(found.loss[i]),
        }
        for i in np.argsort(-found.loss, kind="stable")[:count]
    ]


def temperature(model, source, split, way, trained_on=("train",)):
    """Fit a temperature on the validation images; never on those reported or trained on."""
    if split == "val":
        return {"temperature": None, "why": "it is fitted on val, which is the split reported"}
    if "val" in trained_on:
        return {"temperature": None, "why": "it is fitted on val, which was trained on"}
    val = source.splits["val"]
    count = max(1, min(FITTED // 10 if way else FITTED, 20_000_000 // model.classes))
    some = dataset.subset(val, dataset.stratified(val, count))
    fitted = calibration.fit_temperature(log_probabilities(model, some, way=way), some.labels)
    facts = {"temperature": fitted, "fitted_on": {"split": "val", "images": len(some)}}
    if fitted is None:
        facts["why"] = f"the {len(some):,} validation images have no optimum (all right, or chance)"
    return facts


def _calibration(found, scale):
    rows = calibration.reliability(found.confidence, found.right)
    facts = {"bins": calibration.BINS, "ece": calibration.expected_error(rows)} | scale
    if found.tempered is not None:
        warm = calibration.reliability(found.tempered, found.right)
        facts["ece_at_temperature"] = calibration.expected_error(warm)
    return facts | {"reliability": rows}


def _gain(model, part, found, tta):
    """What the views gained over one look at each image, on the same images."""
    if tta is None:
        return None
    plain = ask(model, part, label="one view each")
    difference, interval = paired_difference(found.right, plain.right)
    return {
        "name": tta,
        "views": len(crops.find(tta)((1, 1), (1, 1))),
        "one_view": _share("accuracy", plain.right),
        "gain": difference,
        "gain_95": list(interval),
    }


def predict(trained, paths):
    """Class probabilities of image files, best first, a batch in memory at a time.

    Returns:
        [{"image": path, "answers": [(class, probability), ...]}, ...].

    Raises:
        UserError: an image cannot be used, or the class names are those of another model.
    """
    from pipelines.check import display, inspect_all
    from pipelines.decode import load

    facts = inspect_all(paths)
    model = models.load(trained.path)
    names = names_of(trained, model.classes)
    answers = []
    pairs_of = list(zip(paths, facts, strict=True))
    for start in range(0, len(paths), BATCH):
        some = pairs_of[start : start + BATCH]
        images = np.stack([load(path, fact, model.input_shape) for path, fact in some])
        for (path, _), row in zip(some, model.predict(images), strict=True):
            order = np.argsort(-row, kind="stable")
            ranked = [(names[i], round(float(row[i]), 6)) for i in order]
            answers.append({"image": display(Path(path)), "answers": ranked})
    return answers
