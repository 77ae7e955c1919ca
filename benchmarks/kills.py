"""Kill a training by SIGKILL at many moments, resume it, and compare it with one left alone.

Augmentation, dropout and batch normalization are on. Each try is one training that is killed once
and then resumed to its end; it counts as equal where weights, optimizer, all other state, the best
weights and the history (its clocks left aside) are those of the training left alone, to the bit.
"""

import argparse
import csv
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from pipelines import cli
from pipelines.quiet import quiet

CLOCKS = {"seconds", "images_per_second"}  # columns of history.csv that no two trainings share
MOMENTS = ("start", "middle", "saving", "validation", "end")
SETTINGS = (
    "--model kills --data digits --recipe digits --epochs 3 "
    "checkpoint.every_steps=4 ema.decay=0.99 tensorboard.every_steps=5"
)
LAST = "step-00000117"


def register():
    """Add a small network that has all of it to the catalogue of this process."""
    from keras import layers

    from keras_cnns import registry

    def builder(x, *, classes, widths):
        for filters in (8, 16):
            x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.ReLU()(x)
        x = layers.Dropout(0.3)(layers.Flatten()(x))
        return layers.Dense(classes, name="fc")(x)

    add = registry.register(builder, paper="", year=2000, stages=1, input_shape=(8, 8, 1))
    add("kills", 0, 0)


def start(words):
    """Run `python -m keras_cnns WORDS` in a fork of this process, which has imported everything.

    TensorFlow's runtime starts in the child; the import alone is shared.
    """
    child = os.fork()
    if child:
        return child
    os.setsid()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    from keras_cnns.__main__ import COMMANDS

    os._exit(cli.main("keras_cnns", "", COMMANDS, words))


def finish(words):
    """Run a command to its end."""
    _, status = os.waitpid(start(words), 0)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise RuntimeError(f"{' '.join(words)} ended with {code}")


def moment_comes(name, run, rng):
    """Wait for the moment to kill; False if the training ended before it came."""
    checkpoints = run / "checkpoints"
    if name == "start":
        return Wait(lambda: run.exists(), rng.uniform(0, 1.0))
    if name == "saving":
        wanted = rng.randrange(1, 100)
        return Wait(
            lambda: (checkpoints / f".step-{wanted // 4 * 4:08}").exists(), rng.uniform(0, 0.01)
        )
    if name == "validation":
        rows = rng.randrange(1, 4)
        return Wait(lambda: _lines(run / "history.csv") > rows, rng.uniform(0, 0.02))
    if name == "end":
        return Wait(lambda: (checkpoints / LAST).exists(), rng.uniform(0, 2.0))
    wanted = rng.randrange(1, 110)
    return Wait(lambda: _newest(checkpoints) >= wanted, rng.uniform(0, 0.1))


class Wait:
    """A condition, and how long after it to strike."""

    def __init__(self, condition, delay):
        self.condition, self.delay = condition, delay

    def strike(self, child):
        """Kill `child` when the moment has come; False if it ended before."""
        while True:
            done, _ = os.waitpid(child, os.WNOHANG)
            if done:
                return False
            if self.condition():
                break
            time.sleep(0.0005)
        time.sleep(self.delay)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)


def _lines(path):
    try:
        return len(path.read_text().splitlines())
    except OSError:
        return 0


def _newest(folder):
    return max((int(p.name[5:]) for p in folder.glob("step-*")), default=-1)


def outcome(run):
    """What has to be equal: digests of the last state and of the model's weights, and the rows."""
    last = max((run / "checkpoints").glob("step-*"))
    with np.load(last / "state.npz") as state:
        content = b"".join(name.encode() + state[name].tobytes() for name in sorted(state.files))
    with open(run / "history.csv", newline="") as file:
        rows = [{k: v for k, v in row.items() if k not in CLOCKS} for row in csv.DictReader(file)]
    metrics = json.loads((run / "metrics.json").read_text())
    metrics.pop("seconds")
    return hashlib.sha256(content).hexdigest(), last.name, rows, metrics


def is_whole(run):
    """Whether the newest checkpoint is what its SHA256SUMS say; None where there is none yet."""
    folders = sorted((run / "checkpoints").glob("step-*"))
    if not folders:
        return None
    for line in (folders[-1] / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split(maxsplit=1)
        if hashlib.sha256((folders[-1] / name).read_bytes()).hexdigest() != digest:
            return False
    return True


def compare(kills, seed=0, say=print):
    """Run the experiment.

    Returns:
        {"tried", "equal", "destroyed", "late": trainings that ended before their kill}.
    """
    with quiet():
        import keras_cnns.training.train  # noqa: F401  (so that forks need not import it)
    register()
    rng, count = random.Random(seed), Counter(tried=0, equal=0, destroyed=0, late=0)
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "alone"
        words = ["train", *SETTINGS.split(), "--out"]
        finish([*words, str(alone)])
        wanted = outcome(alone)
        while count["tried"] < kills:
            name = MOMENTS[count["tried"] % len(MOMENTS)]
            run = Path(folder) / "killed"
            shutil.rmtree(run, ignore_errors=True)
            if not moment_comes(name, run, rng).strike(start([*words, str(run)])):
                count["late"] += 1
                continue
            count["tried"] += 1
            count["destroyed"] += is_whole(run) is False
            begun = (run / "config.yaml").exists()
            reached = _newest(run / "checkpoints")
            finish(["train", "--resume", "--out", str(run)] if begun else [*words, str(run)])
            same = outcome(run) == wanted
            count["equal"] += same
            word = "equal" if same else "NOT EQUAL"
            say(f"{name:<10} killed after checkpoint {reached:>4}: {word}")
    return count


def main():
    """Print how many of `--kills` trainings ended as if nothing had happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    count = compare(args.kills, args.seed, say=lambda line: print(line, flush=True))
    print(
        f"bit-equal {count['equal']} of {count['tried']} tried, "
        f"checkpoints destroyed {count['destroyed']}"
    )
    return count["equal"] < count["tried"] or count["destroyed"] > 0


if __name__ == "__main__":
    sys.exit(main())
