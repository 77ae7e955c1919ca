"""The builders run on every backend of Keras, and give the same logits."""

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
# The cheapest network of each file of `models`: what is built of keras alone there, is everywhere.
PROGRAM = """
import sys
import zlib
import numpy as np
import keras_cnns
from keras_cnns import registry

cheapest = {}
for name in keras_cnns.names():
    variant = registry.VARIANTS[name]
    family = variant.builder.__module__
    if family not in cheapest or variant.macs < cheapest[family].macs:
        cheapest[family] = variant
answers = {}
for variant in cheapest.values():
    model = keras_cnns.build(variant.name, 5)
    for weight in model.weights:  # by a rule, since each backend draws in its own way
        rng = np.random.default_rng(zlib.crc32(weight.path.encode()))
        shape = weight.shape
        value = rng.standard_normal(shape) * (2 / max(1, np.prod(shape[:-1]))) ** 0.5
        weight.assign(1 + 0.1 * rng.random(shape) if len(shape) == 1 else value)
    image = np.random.default_rng(0).standard_normal((1, *variant.input_shape)).astype("float32")
    answer = model.predict(image, verbose=0)
    answers[variant.name] = answer[0] if isinstance(answer, list) else answer
np.savez(sys.argv[1], **answers)
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"tensorflow", "jax", "torch"}))
"""


@functools.cache
def answers(backend):
    """Logits of the cheapest networks under a backend, and which frameworks it loaded."""
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.npz"
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(file)],
            cwd=ROOT, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        with np.load(file) as found:
            return dict(found), done.stdout.splitlines()[-1]


def with_packages(*packages):
    """A backend as a parameter, skipped where one of the packages is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    reason = f"{', '.join(missing)} is not installed"
    return pytest.param(packages[0], marks=pytest.mark.skipif(bool(missing), reason=reason))


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend", [with_packages("jax", "tensorflow"), with_packages("torch", "tensorflow")]
)
def test_other_backends_give_the_logits_of_tensorflow(backend):
    expected, _ = answers("tensorflow")
    found, _ = answers(backend)
    assert found.keys() == expected.keys()
    for name, logits in expected.items():
        assert np.abs(found[name] - logits).max() <= 5e-4 * np.abs(logits).max(), name


@pytest.mark.slow
@pytest.mark.parametrize("backend", [with_packages("jax"), with_packages("torch")])
def test_the_builders_do_without_tensorflow(backend):
    found, loaded = answers(backend)
    assert "tensorflow" not in loaded
    assert all(np.isfinite(logits).all() for logits in found.values())
