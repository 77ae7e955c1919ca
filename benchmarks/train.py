"""What a training step costs beside a bare `keras.Model.fit` of the same network, data and batch.

Interleaved rounds, medians of ratios of CPU time: `everything` is `train` with all that it does
besides (augmentation apart, which the bare fit lacks too), with XLA as `devices.choose_xla` picks
it; `torch` is an eager step of the same network where torch and torchvision's ResNet are at hand.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

from pipelines import cli
from pipelines.quiet import quiet

WARM = 3  # steps that are taken before any is timed


def synthetic(shape, classes, count):
    """A source of random images: speed does not depend on what they show."""
    import numpy as np

    from pipelines.sources.base import Source, Split

    rng = np.random.default_rng(0)

    def split(n):
        images = rng.integers(0, 256, (n, *shape), np.uint8)
        labels = (np.arange(n) % classes).astype(np.int32)
        return Split(labels, (images,), lambda image: image, [f"image {i}" for i in range(n)])

    parts = {"train": split(count), "val": split(classes), "test": split(classes)}
    names = tuple(f"class {i}" for i in range(classes))
    return Source("synthetic", names, shape[-1], parts, {})


class Ours:
    """The whole of `train`: loop, checkpoints, TensorBoard, history, signals."""

    def __init__(self, name, source, settings, xla):
        from keras_cnns.run import SHEET
        from keras_cnns.training import progress, stops
        from keras_cnns.training.board import Board
        from keras_cnns.training.checkpoint import Checkpoints
        from keras_cnns.training.history import Rows
        from keras_cnns.training.job import Job
        from keras_cnns.training.loop import Loop
        from keras_cnns.training.train import _config
        from pipelines.preview import write as write_preview

        self.folder = tempfile.TemporaryDirectory()
        out = Path(self.folder.name)
        job = Job(name, source, settings)
        write_preview(source, settings.augment, out / SHEET, size=32)
        config = _config(job, "plain", xla=xla)
        self.loop = Loop(
            job, xla=xla, checkpoints=Checkpoints(out / "checkpoints"), identity=config,
            signals=stops.Signals(),
            watchers=(progress.Lines(), Rows(out / "history.csv"), Board(out / "board", config)),
        )  # fmt: skip
        self.loop.save()
        for watcher in self.loop.watchers:
            watcher.began(self.loop)
        self.batches = job.batches()

    def run(self, steps):
        """Take steps as `Loop.run` does."""
        end = self.loop.progress.step + steps
        while self.loop.progress.step < end:
            self.loop._clock = time.monotonic()
            self.loop._call = min(self.loop._call, end - self.loop.progress.step)
            self.loop._take_steps(self.batches)
            if self.loop.due:
                self.loop.save()


class Fit:
    """A bare `fit` with a loss, an accuracy and nothing else."""

    def __init__(self, name, source, settings, xla=False):
        import keras

        from keras_cnns.training import optimization
        from keras_cnns.training.job import Job

        job = Job(name, source, settings)
        self.model, self.data = job.whole, job._dataset(0)  # the layers as Keras has them
        rate = optimization.peak_rate(settings)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = optimization.make(settings, rate, self.model.trainable_variables)
        self.model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=xla)

    def run(self, steps):
        """One call of fit."""
        self.model.fit(self.data.take(steps), epochs=1, steps_per_epoch=steps, verbose=0)


class Torch:
    """An eager step of a torch module."""

    def __init__(self, module, source, settings, channels_last=False):
        import torch

        images = torch.tensor(source.splits["train"].items[0][: settings.batch_size])
        self.images = images.permute(0, 3, 1, 2).float() / 255
        self.labels = torch.tensor(source.splits["train"].labels[: settings.batch_size]).long()
        self.module = module
        if channels_last:
            self.images = self.images.contiguous(memory_format=torch.channels_last)
            self.module = module.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(module.parameters(), 0.01, momentum=0.9)
        self.torch = torch

    def run(self, steps):
        """Take steps on the same batch."""
        for _ in range(steps):
            self.optimizer.zero_grad()
            loss = self.torch.nn.functional.cross_entropy(self.module(self.images), self.labels)
            loss.backward()
            self.optimizer.step()


def resnet20(classes=10):
    """He et al. 2015, section 4.2, in torch: shortcuts of option A, as `resnet20_cifar`."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, before, after, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.norm1, self.norm2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
            self.stride, self.more = stride, after - before

        def forward(self, x):
            y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
            x = x[:, :, :: self.stride, :: self.stride]
            pad = (0, 0, 0, 0, self.more // 2, self.more // 2)
            return torch.relu(y + nn.functional.pad(x, pad))

    layers, before = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for after in (16, 32, 64):
        for i in range(3):
            layers.append(Block(before, after, 2 if i == 0 and after > 16 else 1))
            before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def contestants(source, settings, name):
    """{name: contestant}."""
    found = {
        "bare fit": Fit(name, source, settings),
        "everything": Ours(name, source, settings, False),
        "bare fit, XLA": Fit(name, source, settings, True),
        "everything, XLA": Ours(name, source, settings, True),
    }
    try:
        import torch
    except ModuleNotFoundError:
        return found
    torch.set_num_threads(2)
    found["torch eager"] = Torch(resnet20(), source, settings)
    found["torch channels_last"] = Torch(resnet20(), source, settings, channels_last=True)
    return found


def main():
    """Print the ratios to a bare fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    with quiet():
        with contextlib.suppress(ModuleNotFoundError):
            import torch  # noqa: F401  (before TensorFlow: the other way round it may crash)
        from keras_cnns.training.recipes import Optimizer, Training

        # One epoch: its end, with validation and pictures, is no step.
        source = synthetic((32, 32, 3), 10, 32 * (WARM + args.rounds * args.steps))
        settings = Training(epochs=1000, batch_size=32, optimizer=Optimizer("sgd", 0.01))
        found = contestants(source, settings, "resnet20_cifar")
        for one in found.values():
            one.run(WARM)
    cpu, wall = ({name: [] for name in found} for _ in range(2))
    order = list(found)
    for k in range(args.rounds):
        for name in order[k % len(order) :] + order[: k % len(order)]:
            before = time.process_time(), time.perf_counter()
            found[name].run(args.steps)
            cpu[name].append(time.process_time() - before[0])
            wall[name].append(time.perf_counter() - before[1])
    rows = []
    for name in found:
        row = [name]
        for times in (cpu, wall):
            ratios = [b / t for b, t in zip(times["bare fit"], times[name], strict=True)]
            row.append(f"{statistics.median(ratios):.2f}")
        rows.append([*row, f"{args.steps * 32 / statistics.median(cpu[name]):.0f}"])
    cli.table(["resnet20_cifar, 32 px, batch 32", "by CPU", "by clock", "images/CPU s"], rows)
    print(f"speed, bare fit = 1; n = {args.rounds} rounds of {args.steps} steps, interleaved")


if __name__ == "__main__":
    main()
