"""One model that averages the probabilities of several: more accurate than its members, and slower.

The lecture's AlexNet point: Krizhevsky et al. 2012, section 6, averaged 5 networks (18.2% top-5
error to 16.4%). What comes out takes pixels and holds stock layers alone, so that it loads without
our code and exports as any other model.
"""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from export import models
from export.intervals import paired_difference, wilson
from export.trained import MODEL, Trained, find
from keras_cnns import run
from keras_cnns.evaluation.answers import ask
from pipelines.colour import LUMA
from pipelines.errors import UserError, did_you_mean
from pipelines.files import whole_folder, write_json
from pipelines.sources.recorded import record


@dataclass(frozen=True)
class Member:
    """A run of the ensemble."""

    folder: str  # as the user named it
    trained: Trained
    model: keras.Model


def members(folders):
    """Open the runs, and check that they can answer together.

    Raises:
        UserError: fewer than two, one twice, or other classes or another order of them.
    """
    if len(folders) < 2:
        raise UserError("an ensemble takes two runs or more")
    found = [find(folder, suffixes=(".keras",)) for folder in folders]
    places = [trained.path.resolve() for trained in found]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise UserError(f"{folder} is named twice; it would only weigh double")
    opened = [
        Member(str(folder), trained, models.load_keras(trained.path))
        for folder, trained in zip(folders, found, strict=True)
    ]
    for member in opened[1:]:
        _same_classes(opened[0], member)
    return opened


def _same_classes(first, other):
    ours, theirs = first.trained.labels, other.trained.labels
    outputs = first.model.output_shape[-1], other.model.output_shape[-1]
    if outputs[0] != outputs[1]:
        raise UserError(
            f"{first.folder} tells {outputs[0]} classes apart and {other.folder} {outputs[1]}; "
            "members of an ensemble tell the same apart"
        )
    if ours == theirs or None in (ours, theirs):
        return
    if set(ours) == set(theirs):
        place = next(
            i for i, pair in enumerate(zip(ours, theirs, strict=True)) if len(set(pair)) > 1
        )
        raise UserError(
            f"{other.folder} has the classes of {first.folder} in another order: output {place} is "
            f"{theirs[place]!r} there and {ours[place]!r} here; train it on the same source"
        )
    unknown = next(name for name in theirs if name not in ours)
    raise UserError(
        f"{other.folder} knows the class {unknown!r}, which {first.folder} does not; "
        + did_you_mean(unknown, ours)
    )


def build(opened):
    """One model from pixels to the mean of the members' probabilities.

    It takes images of the largest member's height and width, in colour if any member does. A
    smaller member sees them shrunk a second time, bilinearly and without antialiasing (devices
    have no other), a grey one as grey; its answers differ a little from those it gives alone.

    Args:
        opened: Members.

    Returns:
        A `keras.Model`, (batch, height, width, channels) of 0..255 -> (batch, classes).
    """
    shapes = [member.model.input_shape[1:] for member in opened]
    height, width, channels = (max(sides) for sides in zip(*shapes, strict=True))
    image = keras.layers.Input((height, width, channels), name="image")
    answers = []
    for i, (member, shape) in enumerate(zip(opened, shapes, strict=True), 1):
        x = image
        if channels == 3 and shape[2] == 1:
            x = _grey(x, f"member_{i}_grey")
        if shape[:2] != (height, width):
            x = keras.layers.Resizing(*shape[:2], name=f"member_{i}_size")(x)
        member.model.name = f"member_{i}_{member.model.name}"
        x = member.model(x)
        if not models.gives_probabilities(member.model):
            x = keras.layers.Softmax(name=f"member_{i}_probabilities")(x)
        answers.append(x)
    return keras.Model(image, keras.layers.Average(name="probabilities")(answers), name="ensemble")


def _grey(image, name):
    """Weigh red, green and blue as `pipelines.decode` does, by a stock layer."""
    layer = keras.layers.Conv2D(1, 1, use_bias=False, trainable=False, name=name)
    grey = layer(image)
    layer.set_weights([np.reshape(LUMA, (1, 1, 3, 1))])
    return grey


def ensemble(opened, source, out, *, split="test"):
    """Make the ensemble, write it as a run, and measure it beside its members.

    Args:
        opened: of `members`.
        source: a `pipelines.sources.Source` of the members' classes.
        out: a new folder.
        split: on which to measure.

    Returns:
        The contents of metrics.json: for each member and for the ensemble the accuracy with its
        95% interval, and the gains, paired on the same images.

    Raises:
        UserError: the classes are not those of the source.
    """
    from export.trained import check_labels

    labels = check_labels(opened[0].trained.labels, source, opened[0].model.output_shape[-1])
    part, out = source.splits[split], Path(out)
    alone = [
        ask(models.KerasModel(member.model), part, label=member.folder).right for member in opened
    ]
    model = build(opened)
    with whole_folder(out) as folder:
        config = {
            "model": "ensemble",
            "members": [str(Path(member.folder).absolute()) for member in opened],
            "image_size": model.input_shape[1],
            "channels": model.input_shape[3],
        } | record(source)
        run.write_start(folder, config, labels)
        model.save(folder / MODEL)
        together = ask(models.load(folder / MODEL), part, label="ensemble").right
        report = _report(opened, alone, together, split, source)
        write_json(folder / run.METRICS, report)
    return report


def _report(opened, alone, together, split, source):
    best = max(alone, key=lambda right: right.mean())
    difference, interval = paired_difference(together, best)
    return {
        "split": split,
        "images": len(together),
        "members": [
            {
                "run": member.folder,
                "network": member.trained.config.get("model"),
                **_share(right),
                **_gain("gain_of_ensemble", *paired_difference(together, right)),
            }
            for member, right in zip(opened, alone, strict=True)
        ],
        "ensemble": _share(together),
        "mean_of_members": float(np.mean([right.mean() for right in alone])),
        "gain_over_mean": float(together.mean() - np.mean([right.mean() for right in alone])),
        **_gain("gain_over_best", difference, interval),
        "other_data": [
            member.folder
            for member in opened
            if member.trained.config.get("fingerprint", source.fingerprint) != source.fingerprint
        ],
    }


def _share(right):
    return {
        "accuracy": float(right.mean()),
        "accuracy_95": list(wilson(int(right.sum()), len(right))),
    }


def _gain(name, difference, interval):
    return {name: difference, f"{name}_95": list(interval)}
