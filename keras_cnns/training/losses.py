"""What a training makes small, by name. A network names its own in the catalogue.

Labels are classes, int (batch,), or shares of classes, float (batch, classes); logits are
(batch, classes) or, of a network with auxiliary heads, a list of such, the main head first.
A loss is one number an image, (batch,).
"""

import keras
from keras import ops

RUBBISH = 1.0  # j of the paper: how near an image must come to the code of its class
AUXILIARY = 0.3  # weight of each auxiliary classifier (Szegedy et al. 2014, section 5)


def cross_entropy(labels, logits):
    """Negative log-likelihood of the true classes."""
    if len(labels.shape) == 1:
        return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return keras.losses.categorical_crossentropy(labels, logits, from_logits=True)


def map_criterion(labels, logits):
    """LeCun et al. 1998, equation 9, for logits that are minus the distances of RBF units.

    y_D + log(exp(-j) + sum_i exp(-y_i)): cross-entropy with one more class, rubbish, at a fixed
    distance j. It keeps pulling an image towards its code when the other codes are long beaten,
    where the gradient of plain cross-entropy is 0.
    """
    rubbish = ops.full_like(logits[:, :1], -RUBBISH)
    if len(labels.shape) == 2:
        labels = ops.pad(labels, ((0, 0), (0, 1)))
    return cross_entropy(labels, ops.concatenate([logits, rubbish], axis=-1))


LOSSES = {"cross_entropy": cross_entropy, "map_criterion": map_criterion}


def training_loss(loss, classes, *, smoothing=0.0, weights=None):
    """The loss of a training step out of a plain one: (labels, logits or heads) -> (batch,).

    Args:
        classes: how many there are.
        smoothing: share of each label that is spread over all classes (Szegedy et al. 2015,
            section 7).
        weights: what an image of each class counts, (classes,); None, all the same.
    """

    def total(labels, heads):
        heads = [ops.cast(head, "float32") for head in (heads if _many(heads) else [heads])]
        shares = labels
        if smoothing or weights is not None:
            shares = labels if len(labels.shape) == 2 else ops.one_hot(labels, classes)
        targets = shares * (1 - smoothing) + smoothing / classes if smoothing else labels
        values = loss(targets, heads[0])
        for head in heads[1:]:
            values = values + AUXILIARY * loss(targets, head)
        if weights is not None:
            table = ops.convert_to_tensor(weights, "float32")
            values = values * ops.sum(shares * table, axis=-1)
        return values

    return total


def _many(heads):
    return isinstance(heads, list | tuple)


def main_head(heads):
    """Float32 logits of the main head."""
    return ops.cast(heads[0] if _many(heads) else heads, "float32")


def right(labels, logits):
    """Whether each image is right, float (batch,); of mixed images, whether the larger share is."""
    classes = labels if len(labels.shape) == 1 else ops.argmax(labels, axis=-1)
    answers = ops.cast(ops.argmax(logits, axis=-1), "int32")
    return ops.cast(ops.equal(answers, ops.cast(classes, "int32")), "float32")
