"""A model that takes pixels, out of the checkpoint of another framework."""

import hashlib
from pathlib import Path

from export.trained import MODEL
from keras_cnns import registry, run, weights
from pipelines.errors import UserError
from pipelines.files import whole_file


def import_checkpoint(variant, checkpoint, classes, labels, file, out):
    """Write a run with the model of a checkpoint.

    The normalization that the checkpoint was trained with becomes the model's first layer.

    Args:
        variant: a `registry.Variant`.
        checkpoint: what `weights.read` returned.
        classes: number of classes; None, those of the checkpoint.
        labels: class names, or None.
        file: where the checkpoint came from, for the record.
        out: the run's folder.

    Returns:
        Names of the layers left out for being of another number of classes, and the classes.

    Raises:
        WeightsError: the checkpoint is not of this network.
        UserError: not as many labels as classes.
    """
    bare = registry.build(variant.name)
    own = weights.head_classes(checkpoint, bare, variant.renames)
    classes = classes or own or variant.classes
    if labels is not None and len(labels) != classes:
        raise UserError(
            f"there are {len(labels)} labels and {classes} classes; a file of labels has a "
            "line for each class, in the order of the network's outputs"
        )
    height, width, channels = variant.input_shape
    found = weights.channels(checkpoint, bare, variant.renames)
    channels = found if found in (1, 3) else channels  # as many as the file's images have
    model = registry.build_for_pixels(
        variant.name, classes, (height, width, channels),
        pixels=weights.pixels(checkpoint, bare.name),
    )  # fmt: skip
    dropped = weights.copy(model, checkpoint, variant.renames)
    config = {
        "model": variant.name,
        "weights": str(Path(file).absolute()),
        "weights_sha256": hashlib.sha256(Path(file).read_bytes()).hexdigest(),
        "image_size": height,
        "channels": channels,
    }
    run.write_start(out, config, labels)
    with whole_file(out / MODEL) as temporary:
        model.save(temporary)
    return dropped, classes
