"""Keras' JAX backend as a second engine: the networks train there too, on several devices."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# The networks are of keras alone, so stock fit trains them; DataParallel over two devices.
PROGRAM = """
import sys
import keras
import numpy as np
from sklearn.datasets import load_digits
from keras_cnns import registry

images, labels = load_digits(return_X_y=True)
images = np.round(images * 255 / 16).reshape(-1, 8, 8, 1).astype("float32")[:1280]
losses = []
for parallel in (False, True):
    if parallel:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    keras.utils.set_random_seed(0)
    model = registry.build_for_pixels("lenet", 10, (32, 32, 1))
    pixels = np.repeat(np.repeat(images, 4, 1), 4, 2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss)
    history = model.fit(pixels, labels[:1280], batch_size=64, epochs=2, shuffle=False, verbose=0)
    losses.append(history.history["loss"])
assert losses[0][1] < losses[0][0]
np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
print("trained", losses)
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_a_network_trains_on_jax_alone_and_on_two_devices():
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "trained" in done.stdout
