"""Several devices and several processes train as one does, and stop together."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

ROOT = Path(__file__).parent.parent
# The command line, with a small network of its own: batch normalization, and nothing by chance.
PROGRAM = """
import os
import sys
import time
from keras_cnns import registry
from pipelines import cli


def builder(x, *, classes, widths):
    from keras import layers
    for filters in (8, 16):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.MaxPooling2D()(layers.ReLU()(x))
    return layers.Dense(classes, name="fc")(layers.Flatten()(x))


registry.register(builder, paper="", year=2000, stages=1, input_shape=(8, 8, 1))("small", 0, 0)
if os.environ.get("LATE") and '"index": 1' in os.environ.get("TF_CONFIG", ""):
    from keras_cnns.training.checkpoint import Checkpoints
    load = Checkpoints.load
    Checkpoints.load = lambda self: time.sleep(5) or load(self)
from keras_cnns.__main__ import COMMANDS
if os.environ.get("SCALE"):
    from keras_cnns.training import optimization
    optimization.FIRST_SCALE = float(os.environ["SCALE"])
if sys.argv[1] == "launch":
    from keras_cnns.training.launch import launch
    sys.exit(launch(2, [__file__, *sys.argv[2:]]))
sys.exit(cli.main("keras_cnns", "", COMMANDS))
"""
# 1,259 images in batches of 62: 20 steps an epoch. Mixed labels, decay in both ways, averages.
TRAIN = (
    "train --model small --data digits --recipe digits --batch-size 62 checkpoint.every_steps=20 "
    "optimizer.name=sgd learning_rate=0.05 weight_decay=0.01 decoupled=no decay_all=no "
    "ema.decay=0.9 mix.mixup=0.2"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    file = tmp_path_factory.mktemp("program") / "program.py"
    file.write_text(PROGRAM)
    return file


def start(program, words, out, **environment):
    environment |= os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.Popen(
        [sys.executable, str(program), *words.split(), "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def finish(process, status=0):
    _, errors = process.communicate(timeout=600)
    assert process.returncode == status, errors[-2000:]
    assert "Traceback" not in errors
    return errors


def state(out, step):
    with np.load(out / "checkpoints" / f"step-{step:08}" / "state.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def alone(program, tmp_path_factory):
    """A training of 20 steps on one device."""
    out = tmp_path_factory.mktemp("alone") / "run"
    finish(start(program, TRAIN + " --epochs 1", out))
    return out


@pytest.mark.parametrize("way", ["devices", "processes", "processes, one late"])
def test_two_train_as_one_at_the_same_global_batch(way, program, alone, tmp_path):
    """Weights, optimizer, averages and batch statistics after 20 steps, to 1e-5."""
    words = TRAIN + " --epochs 1"
    words = f"{words} devices.replicas=2" if way == "devices" else f"launch {words}"
    # One that looked for a checkpoint after the chief wrote its first would train another way.
    finish(start(program, words, tmp_path / "run", **{"LATE": "1"} if "late" in way else {}))
    one, two = state(alone, 20), state(tmp_path / "run", 20)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(numbers(tmp_path / "run"), numbers(alone), rtol=1e-4, atol=1e-5)
    assert sorted(p.name for p in alone.iterdir()) == sorted(
        p.name for p in (tmp_path / "run").iterdir()
    )


def numbers(out, columns=7):
    """The first columns of the first epoch: loss, accuracy, and so on to the gradient's norm."""
    row = (out / "history.csv").read_text().splitlines()[1]
    return [float(number) for number in row.split(",")[:columns]]


def test_two_devices_in_float16_train_as_one_in_float32_but_for_rounding(program, alone, tmp_path):
    words = f"{TRAIN} --epochs 1 devices.replicas=2 devices.precision=mixed_float16"
    finish(start(program, words, tmp_path / "run"))
    np.testing.assert_allclose(numbers(tmp_path / "run"), numbers(alone), rtol=0.03)


@pytest.mark.slow
def test_processes_leave_out_the_same_steps_in_float16(program, tmp_path):
    words = f"launch {TRAIN} --epochs 1 devices.precision=mixed_float16"
    finish(start(program, words, tmp_path / "run", SCALE=str(2.0**24)))
    kept = state(tmp_path / "run", 20).values()
    single = [float(value) for value in kept if value.shape == ()]
    _, _, since, scale, taken, *_ = single  # of the optimizer that scales, then of the one within
    assert 0 < since == taken < 20
    assert scale == 2.0**24 / 2 ** (20 - taken)


def test_a_batch_that_devices_cannot_share_is_refused(program, tmp_path):
    words = "train --model small --data digits --batch-size 63 devices.replicas=2"
    errors = finish(start(program, words, tmp_path / "x"), 2)
    assert "a batch of 63 cannot be shared evenly by 2 devices; try --batch-size 62" in errors
    assert not (tmp_path / "x").exists()


def test_devices_that_are_asked_for_too_late_are_refused(run, tmp_path):
    tf.zeros(1)  # TensorFlow computes: its devices are fixed from here on
    words = f"train --model lenet --data digits --out {tmp_path / 'x'} devices.replicas=2"
    status, _, errors = run("keras_cnns", *words.split())
    assert status == 2
    assert "devices.replicas=2 must be known first" in errors
    assert not (tmp_path / "x").exists()


def workers_of(launcher):
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(launcher.pid)], capture_output=True, text=True
    )
    return [int(pid) for pid in found.stdout.split()]


@pytest.mark.slow
@pytest.mark.parametrize("event", ["SIGKILL of the second", "SIGKILL of the chief", "SIGTERM"])
def test_workers_stop_together_and_go_on_as_one_would(event, program, tmp_path):
    out, words = tmp_path / "run", f"launch {TRAIN} --epochs 60"
    process = start(program, words, out)
    while "epoch 2/" not in process.stdout.readline():
        assert process.poll() is None
    if event == "SIGTERM":
        process.send_signal(signal.SIGTERM)
        errors = finish(process, 143)
    else:
        workers = workers_of(process)
        os.kill(sorted(workers)[event.endswith("second")], signal.SIGKILL)
        errors = finish(process, 4)  # by itself: nobody has to end the other
        assert "was ended by SIGKILL; the others stop too" in errors
    assert "train --resume --out" in errors
    stopped = max(int(p.name[5:]) for p in (out / "checkpoints").glob("step-*"))
    assert stopped < 1200
    again = start(program, "launch train --resume", out)
    assert f"resumed at step {stopped:,} of 1,200" in finish(again)
    assert len((out / "history.csv").read_text().splitlines()) == 61
