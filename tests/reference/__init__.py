"""Logits of published definitions, under weights that are drawn by a rule without torch."""

import json
from pathlib import Path

import numpy as np

import keras_cnns
from keras_cnns import weights
from tests.reference.drawing import drawn

NAMES = {  # our name of a file's network, where it is not the file's
    "lecture-lenet": "lenet",
    "torchvision-alexnet": "alexnet_owt",
    "torchvision-googlenet": "googlenet_torchvision",
    "timm-legacy_seresnet50": "se_resnet50",
    "timm-legacy_seresnext50_32x4d": "se_resnext50_32x4d",
    "timm-legacy_xception": "xception",
    "timm-nasnetalarge": "nasnet_a_large",
}


def files():
    """{network: file}."""
    found = sorted(Path(__file__).parent.glob("*.npz"))
    return {NAMES.get(file.stem, file.stem.partition("-")[2]): file for file in found}


def meta(file):
    """What a file says of its network, input and tensors."""
    with np.load(file, allow_pickle=False) as reference:
        return json.loads(str(reference["meta"]))


def checkpoint(file):
    """{torch name: array} of the weights under which the reference answered."""
    facts = meta(file)
    return {name: drawn(name, shape, facts["gain"]) for name, shape in facts["tensors"]}


def main_logits(model, images):
    """What the main head of a network answers."""
    answers = model.predict(images, verbose=0)
    return answers[0] if isinstance(answers, list) else answers


def difference(name, file):
    """How far our logits lie from the reference, relative to its largest."""
    with np.load(file, allow_pickle=False) as reference:
        expected = reference["logits"]
    images = np.random.default_rng(0).standard_normal(meta(file)["input_nchw"])
    images = images.astype(np.float32).transpose(0, 2, 3, 1)
    model = keras_cnns.build(name, expected.shape[1], images.shape[1:])
    weights.copy(model, checkpoint(file), keras_cnns.VARIANTS[name].renames)
    return np.abs(main_logits(model, images) - expected).max() / np.abs(expected).max()
