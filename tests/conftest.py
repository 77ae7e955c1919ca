"""What several tests need: folders of small images, one trained run, and the command line."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines import cli

ROOT = Path(__file__).parent.parent


def draw(path, *, size=(12, 10), mode="RGB", seed=0, **save):
    """Write an image of random pixels, returning them."""
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    shape = (size[1], size[0], *channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **save)
    return pixels


def store_tfds(folder, name, splits, classes=("a", "b", "c")):
    """Write grey images as a prepared TFDS set: {split: uint8 (n, height, width, 1)}."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Image(shape=next(iter(splits.values())).shape[1:]),
        "label": tfds.features.ClassLabel(names=list(classes)),
    }
    rows = {
        split: {"image": images, "label": np.arange(len(images)) % len(classes)}
        for split, images in splits.items()
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.2.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={s: tf.data.Dataset.from_tensor_slices(part) for s, part in rows.items()},
        data_dir=str(folder),
    )


@pytest.fixture
def photos(tmp_path):
    """A folder with two classes of ten colour images each."""
    root = tmp_path / "photos"
    for c, name in enumerate(("cat", "dog")):
        for i in range(10):
            draw(root / name / f"{i}.png", seed=100 * c + i)
    return root


@pytest.fixture
def run(capfd):
    """Call `python -m PACKAGE WORDS...` in this process: (status, output, errors)."""

    def call(package, *words):
        main = importlib.import_module(f"{package}.__main__")
        try:
            status = cli.main(package, "", main.COMMANDS, list(map(str, words)))
        except SystemExit as exit:
            status = exit.code
        return status, *capfd.readouterr()

    return call


@pytest.fixture(scope="session")
def digits():
    """The embedded digits."""
    from pipelines.sources import open_source

    return open_source("digits")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, digits):
    """The folder of a short training of `lenet` on the digits."""
    from keras_cnns.training.recipes import Optimizer, Training
    from keras_cnns.training.train import train

    out = tmp_path_factory.mktemp("runs") / "lenet"
    train(
        "lenet",
        digits,
        Training(epochs=4, batch_size=32, optimizer=Optimizer(learning_rate=3e-3)),
        out,
    )
    return out


@pytest.fixture(scope="session")
def bundled(trained, digits, tmp_path_factory):
    """The folder of a bundle of that training, with the usual formats; not to be written to."""
    from export import bundle
    from export.limits import Limits

    out = tmp_path_factory.mktemp("bundled") / "bundle"
    limits = Limits(max_drop=2.0, images=200)
    bundle.bundle(trained / "model.keras", None, digits, out, bundle.formats(None), limits)
    return out


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """No test reads or writes the cache of the person who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
