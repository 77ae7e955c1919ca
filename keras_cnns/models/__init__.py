"""One file for each family. A family is known once it is imported here."""

from keras_cnns.models import (
    alexnet,
    densenet,
    efficientnet,
    googlenet,
    inception,
    inception_resnet,
    lenet,
    mnasnet,
    mobilenet,
    nasnet,
    resnet,
    senet,
    shufflenet,
    squeezenet,
    vgg,
    xception,
)

__all__ = [
    "alexnet",
    "densenet",
    "efficientnet",
    "googlenet",
    "inception",
    "inception_resnet",
    "lenet",
    "mnasnet",
    "mobilenet",
    "nasnet",
    "resnet",
    "senet",
    "shufflenet",
    "squeezenet",
    "vgg",
    "xception",
]
