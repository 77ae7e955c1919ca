"""The loop of a training: steps, epochs, checkpoints, and how it ends early."""

import math
import time
from dataclasses import asdict, dataclass, field

import numpy as np
import tensorflow as tf

from keras_cnns.training import losses, optimization
from pipelines import dataset
from pipelines.errors import DamagedFile, TrainingFailed

CALL = 0.1  # seconds that one call of several steps should take: what a signal waits at most
LONGEST_CALL = 64  # steps
SHARE = 0.04  # of the time, that checkpoints may take
DIVERGED = 1000  # times the loss of the first step: no training comes back from there


@dataclass
class Progress:
    """How far a training is; with the engine's state, all that a checkpoint holds."""

    step: int = 0
    phase: int = 0
    first_loss: float | None = None
    loss: float = 0.0  # sums over the steps of this epoch
    right: float = 0.0
    gradient: float = 0.0
    skipped: int = 0  # steps of this epoch whose gradients were not finite in float16
    seconds: float = 0.0  # of this epoch, on the wall clock
    rows: list[dict] = field(default_factory=list)  # of the epochs done: history.csv
    best_epoch: int | None = None


class Interrupted(Exception):
    """A signal came between two steps; nothing of the state is half-done."""


class Loop:
    """Trains a `job.Job` to its end.

    Args:
        job: what to train.
        xla: whether the step is compiled.
        checkpoints: a `checkpoint.Checkpoints`, or None in a process that does not write.
        identity: what must be the same for a training to be taken up, as plain data.
        signals: a `stops.Signals`.
        watchers: objects with `began(loop)`, `stepped(loop, stats)`, `epoch_ended(loop, row)`.
    """

    def __init__(self, job, *, xla, checkpoints, identity, signals, watchers=()):
        self.job, self.xla, self.checkpoints = job, xla, checkpoints
        self.identity, self.signals, self.watchers = identity, signals, watchers
        self.progress = Progress()
        self.engine = job.engine(0, xla=xla)
        self.best = []  # the values of the best epoch, as `Engine.serving`
        self.alone = job.strategy.cluster_resolver is None
        self._call = 1
        self._saved = self._cost = None
        self._last_save = time.monotonic()
        part = job.source.splits["val"]
        self.validation = Validation(job, part)

    # The state

    def save(self):
        """Write a checkpoint of this moment."""
        if self.checkpoints is None or self._saved == self.progress.step:
            return
        begun = time.monotonic()
        arrays = {f"state/{i:05}": array for i, array in enumerate(self.engine.state())}
        arrays |= {f"best/{i:05}": array for i, array in enumerate(self.best)}
        facts = {"identity": self.identity, "shapes": self.engine.shapes()}
        self.checkpoints.save(self.progress.step, arrays, facts | asdict(self.progress))
        self._saved, self._last_save = self.progress.step, time.monotonic()
        self._cost = self._last_save - begun

    def restore(self, arrays, facts):
        """Take up a checkpoint.

        Raises:
            DamagedFile: it is of another network.
        """
        names = Progress.__dataclass_fields__
        self.progress = Progress(**{name: facts[name] for name in names if name in facts})
        self.engine = self.job.engine(self.progress.phase, xla=self.xla)
        if facts["shapes"] != self.engine.shapes():
            raise DamagedFile("the checkpoint is of another network than config.yaml tells")
        self.engine.restore([arrays[k] for k in sorted(arrays) if k.startswith("state/")])
        self.best = [arrays[k] for k in sorted(arrays) if k.startswith("best/")]
        self._follow_plateau()
        self._saved = self.progress.step

    def _follow_plateau(self):
        schedule = self.job.settings.schedule
        if schedule.name == "plateau":
            self.job.plateau.assign(optimization.plateau_factor(schedule, self.progress.rows))

    @property
    def due(self):
        """Whether it is time for a checkpoint."""
        every = self.job.settings.checkpoint.every_steps
        if every:
            return self.progress.step % every == 0
        return time.monotonic() - self._last_save >= max(1.0, (self._cost or 0) / SHARE)

    # The steps

    def run(self):
        """Take every step that is left, and the validation of every epoch.

        Raises:
            Interrupted: by a signal.
            TrainingFailed: the loss became NaN, infinite or absurd.
            EnvironmentFault: a checkpoint cannot be written.
        """
        job, progress = self.job, self.progress
        if self._saved is None:
            self.save()  # so that there is a finite model to go back to
        for watcher in self.watchers:
            watcher.began(self)
        batches = job.batches(progress.step)
        while True:
            self._clock = time.monotonic()
            if progress.step == (len(progress.rows) + 1) * job.steps_per_epoch:
                self._end_epoch()
            elif progress.step < job.steps:
                self._take_steps(batches)
            else:
                self.save()
                return
            self._look_at_signals()
            if self.due:
                self.save()

    def _take_steps(self, batches):
        progress = self.progress
        self._enter_phase()
        asked = self.signals.received is not None
        stats = self.engine.run(batches, self._count(), stop=asked)
        for loss, right, gradient, scale in zip(*stats[:4], strict=True):
            progress.step += 1
            self._check(float(loss), float(gradient), float(scale))
            progress.loss += float(loss)
            progress.right += float(right)
            if math.isfinite(gradient):
                progress.gradient += float(gradient)
            else:
                progress.skipped += 1
        self.told_to_stop = bool(stats.stop.any())
        spent = time.monotonic() - self._clock
        progress.seconds += spent
        if self.alone:
            wanted = int(CALL / (spent / len(stats.loss)))
            self._call = max(1, min(wanted, 2 * self._call, LONGEST_CALL))
        for watcher in self.watchers:
            watcher.stepped(self, stats)

    def _count(self):
        """How many steps the next call takes: none beyond a moment that matters."""
        job, step = self.job, self.progress.step
        ends = [(len(self.progress.rows) + 1) * job.steps_per_epoch, self.engine.phase.end]
        every = job.settings.checkpoint.every_steps
        ends += [step + every - step % every] if every else []
        ends += [n for w in self.watchers for n in getattr(w, "moments", ()) if n > step]
        return min(self._call, *(end - step for end in ends))

    def _enter_phase(self):
        index = self.job.phase(self.progress.step)
        if index != self.progress.phase:
            self.progress.phase = index
            self.engine = self.job.engine(index, self.engine.averages, self.xla)

    def _check(self, loss, gradient, scale):
        progress = self.progress
        if progress.first_loss is None:
            progress.first_loss = loss
        if self.is_absurd(loss):
            what = f"the loss became {loss:.4g}"
        elif not math.isfinite(gradient) and scale <= 1:  # above, the scale was too high
            what = f"the gradient became {gradient:.4g}"
        else:
            return
        raise self._failure(f"{what} at step", loss=loss, gradient=gradient)

    def is_absurd(self, loss):
        """Whether a loss is none that a training comes back from."""
        return not math.isfinite(loss) or loss > DIVERGED * max(
            1.0, self.progress.first_loss or 0.0
        )

    def _failure(self, what, **numbers):
        """What is to be raised, with the batch of the last step."""
        step = self.progress.step
        names = self.job.names_of(step - 1)
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
        error = TrainingFailed(f"{what} {step}, in the batch of {shown}")
        texts = {name: str(number) for name, number in numbers.items()}
        error.batch = {"step": step} | texts | {"images": names}
        return error

    def _look_at_signals(self):
        # Where several processes work together, all have to stop after the same step.
        if self.signals.received is not None if self.alone else self.told_to_stop:
            raise Interrupted

    told_to_stop = False

    # The epochs

    def _end_epoch(self):
        job, progress = self.job, self.progress
        values = self.engine.serving
        job.serve(values)
        loss, accuracy = self.validation.run(self._interrupt)
        if not math.isfinite(loss):  # the last update was one too many: no step is left to see it
            raise self._failure(f"the validation loss became {loss:.4g} after step", val_loss=loss)
        steps, taken = job.steps_per_epoch, int(self.engine.optimizer.iterations.numpy())
        trained = progress.seconds
        progress.seconds += time.monotonic() - self._clock
        epoch = len(progress.rows) + 1
        row = {
            "epoch": epoch,
            "loss": progress.loss / steps,
            "accuracy": progress.right / (steps * job.batch),
            "val_loss": loss,
            "val_accuracy": accuracy,
            "learning_rate": float(self.engine.rate(max(taken - 1, 0))),
            "gradient_norm": progress.gradient / max(steps - progress.skipped, 1),
            "seconds": round(progress.seconds, 3),
            "images_per_second": round(steps * job.batch / max(trained, 1e-9), 1),
        }
        progress.rows.append(row)
        progress.loss = progress.right = progress.gradient = progress.seconds = 0.0
        progress.skipped = 0
        if self._is_best(row):
            progress.best_epoch, self.best = epoch, values
        self._follow_plateau()
        for watcher in self.watchers:
            watcher.epoch_ended(self, row)

    def _interrupt(self):
        if self.alone and self.signals.received is not None:
            raise Interrupted

    def _is_best(self, row):
        """By validation accuracy, then by loss; the first epoch is the best so far."""
        best = self.progress.best_epoch
        if best is None:
            return True
        kept = self.progress.rows[best - 1]
        key = (row["val_accuracy"], -row["val_loss"])
        return key > (kept["val_accuracy"], -kept["val_loss"])


class Validation:
    """Loss and accuracy of the serving model on a split; each process takes its share."""

    def __init__(self, job, split):
        from keras_cnns.training import devices

        self.job, self.images = job, len(split)
        index, self.count = devices.shard(job.strategy)
        self.indices = np.arange(len(split))[index :: self.count]
        part = dataset.subset(split, self.indices) if self.count > 1 else split
        size = min(256, max(job.settings.batch_size, 32))
        self.batches = dataset.evaluation(part, job.shape, batch_size=size)
        self.values = self.answers = None  # loss and predicted class of each image, once run
        self._forward = tf.function(self._judge, reduce_retracing=True)

    def _judge(self, images, labels):
        logits = losses.main_head(self.job.serving(tf.cast(images, tf.float32), training=False))
        values = losses.LOSSES[self.job.variant.loss](labels, logits)
        return values, tf.argmax(logits, axis=-1), losses.right(labels, logits)

    def run(self, interrupt):
        """Return (mean loss, accuracy) over all images.

        Args:
            interrupt: called between batches; it may raise.
        """
        right = self.judge(interrupt)
        sums = np.array([self.values.sum(dtype=np.float64), right.sum(dtype=np.float64)])
        if self.count > 1:
            sums = self._over_processes(sums)
        return float(sums[0] / self.images), float(sums[1] / self.images)

    def judge(self, interrupt):
        """Fill `values` and `answers` for this process's share; return which are right."""
        seen = []
        for images, labels in self.batches:
            interrupt()
            seen.append([part.numpy() for part in self._forward(images, labels)])
        self.values, self.answers, right = map(np.concatenate, zip(*seen, strict=True))
        return right

    def _over_processes(self, sums):
        strategy = self.job.strategy

        @tf.function
        def total(values):
            return strategy.reduce("SUM", strategy.run(lambda: tf.identity(values)), axis=None)

        devices_here = strategy.num_replicas_in_sync // self.count
        return total(tf.constant(sums)).numpy() / devices_here
