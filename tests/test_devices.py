"""Several devices and several processes train as one does, and stop together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

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
    _, errors = process.communicate(timeout=240)
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
    rows = [(out / "history.csv").read_text().splitlines()[1] for out in (alone, tmp_path / "run")]
    numbers = [[float(x) for x in row.split(",")[:7]] for row in rows]
    np.testing.assert_allclose(*numbers, rtol=1e-4, atol=1e-5)
    assert sorted(p.name for p in alone.iterdir()) == sorted(
        p.name for p in (tmp_path / "run").iterdir()
    )


def test_a_batch_that_devices_cannot_share_is_refused(run, tmp_path):
    words = f"train --model lenet --data digits --batch-size 63 --out {tmp_path / 'x'}"
    status, _, errors = run("keras_cnns", *words.split(), "devices.replicas=2")
    assert status == 2
    assert "shared evenly by 2 devices" in errors or "must be known first" in errors
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
        begun = time.monotonic()
        errors = finish(process, 4)
        assert time.monotonic() - begun < 30
        assert "was ended by SIGKILL; the others stop too" in errors
    assert "train --resume --out" in errors
    stopped = max(int(p.name[5:]) for p in (out / "checkpoints").glob("step-*"))
    assert stopped < 1200
    again = start(program, "launch train --resume", out)
    assert f"resumed at step {stopped:,} of 1,200" in finish(again)
    assert len((out / "history.csv").read_text().splitlines()) == 61
