"""What there is to explore gives the same numbers on every backend of Keras."""

import functools
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.test_backends import ROOT, with_packages

PROGRAM = """
import sys, zlib
import keras
import numpy as np
from keras_cnns.explore import hypernetwork, kanerva, neural_process

def fill(model):
    for weight in model.trainable_weights:
        rng = np.random.default_rng(zlib.crc32(weight.path.encode()))
        weight.assign(0.3 * rng.standard_normal(weight.shape))

def array(tensor):
    return keras.ops.convert_to_numpy(tensor)

rng = np.random.default_rng(0)
answers = {}
plain = hypernetwork.mnist_network(3)
hyper = hypernetwork.hyper(plain, ["conv2"], tile=(7, 16, 16), embedding=4, hidden=4)
fill(hyper)
images = rng.integers(0, 256, (2, 28, 28, 1)).astype("float32")
answers["hypernetwork"] = hyper.predict(images, verbose=0)
hypernetwork.write_out(hyper, plain)
answers["written out"] = plain.predict(images, verbose=0)

places, values = rng.random((2, 6, 2), "float32"), rng.random((2, 6, 1), "float32")
known = (np.arange(6) < 4).astype("float32")[None, :, None] * np.ones_like(values)
process = neural_process.NeuralProcess(16, 0, 2, name="process")
process.build()
fill(process)
answers["process"] = process.predict((places, values, known), verbose=0)
latent = neural_process.NeuralProcess(16, 8, 2, name="latent")
latent.build()
fill(latent)
r = latent.represent(*map(keras.ops.convert_to_tensor, (places, values, known)))
answers["latent"] = np.stack([array(end) for end in latent.posterior(r)])

machine = kanerva.KanervaMachine(4, 6, 16, 8, 3, reads=2, name="machine")
machine.build()
fill(machine)
episode = rng.random((3, 5, 16), "float32")
memory = machine.write(episode)
answers["mean"], answers["covariance"] = map(array, memory)
answers["read"] = array(machine.read(memory, episode, 2))
answers["divergence"] = array(kanerva.memory_divergence(*memory, machine.prior))

for model, loss, inputs, targets in (
    (latent, neural_process.negative_log_likelihood, (places, values, known), values),
    (machine, kanerva.negative_log_likelihood, (episode, episode), episode),
    (hyper, keras.losses.SparseCategoricalCrossentropy(from_logits=True), images, np.arange(2)),
):
    model.compile("adam", loss)
    assert np.isfinite(model.fit(inputs, targets, verbose=0).history["loss"][0])
np.savez(sys.argv[1], **answers)
"""


@functools.cache
def answers(backend, folder):
    """Numbers of every subject under a backend, the weights being drawn by a rule."""
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    file = folder / f"{backend}.npz"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file)],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(file) as found:
        return dict(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("answers")


@pytest.mark.parametrize("backend", [with_packages("jax"), with_packages("torch")])
def test_another_backend_explores_alike(backend, folder):
    expected, found = answers("tensorflow", folder), answers(backend, folder)
    assert found.keys() == expected.keys()
    for name, numbers in expected.items():
        error = np.abs(found[name] - numbers).max() / max(1, np.abs(numbers).max())
        assert error < 1e-4, name
