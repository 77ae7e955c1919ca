"""What a training makes small, by name. A network names its own in the catalogue."""

import keras
from keras import ops

RUBBISH = 1.0  # j of the paper: how near an image must come to the code of its class


def cross_entropy(labels, logits):
    """Mean negative log-likelihood of the true classes."""
    return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def map_criterion(labels, logits):
    """LeCun et al. 1998, equation 9, for logits that are minus the distances of RBF units.

    y_D + log(exp(-j) + sum_i exp(-y_i)): cross-entropy with one more class, rubbish, at a fixed
    distance j. It keeps pulling an image towards its code when the other codes are long beaten,
    where the gradient of plain cross-entropy is 0.
    """
    rubbish = ops.full_like(logits[:, :1], -RUBBISH)
    return cross_entropy(labels, ops.concatenate([logits, rubbish], axis=-1))


AUXILIARY = 0.3  # weight of each auxiliary classifier (Szegedy et al. 2014, section 5)


def stacked(outputs):
    """One output (batch, heads, classes) of a network's heads, so that it trains as any other."""
    return ops.stack(outputs, axis=1)


def with_auxiliary(loss):
    """The loss of `stacked` logits: the main head's, and 0.3 times each auxiliary one's."""

    def total(labels, logits):
        heads = [loss(labels, logits[:, i]) for i in range(logits.shape[1])]
        return heads[0] + AUXILIARY * sum(heads[1:])

    return total


def main_accuracy(labels, logits):
    """Share of images that the main head of `stacked` logits gets right."""
    return keras.metrics.sparse_categorical_accuracy(labels, logits[:, 0])


LOSSES = {"cross_entropy": cross_entropy, "map_criterion": map_criterion}
