"""What TensorBoard shows of a training.

All of it costs well under a hundredth of the time: scalars of single steps now and then, weights
a few times in a training, pictures at the beginning and at the end.
"""

import time

import numpy as np
import tensorflow as tf
import yaml
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.plugins.hparams.api_pb2 import STATUS_SUCCESS
from tensorboard.plugins.hparams.summary import session_end_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from keras_cnns.run import SHEET
from pipelines.check import display
from pipelines.errors import UserError
from pipelines.settings import flat

MISTAKES = 16  # images shown
EPOCH = {  # scalar of an epoch: column of history.csv, by the run that TensorBoard lists it under
    "train": {
        "epoch_loss": "loss",
        "epoch_accuracy": "accuracy",
        "epoch_learning_rate": "learning_rate",
        "epoch_gradient_norm": "gradient_norm",
        "images_per_second": "images_per_second",
    },
    "validation": {"epoch_loss": "val_loss", "epoch_accuracy": "val_accuracy"},
}


class Board:
    """Watches a `loop.Loop` and writes event files.

    Args:
        folder: where they go, with `train` and `validation` below it.
        config: the run's config.yaml.
        first_step: 0, or the step at which a training is taken up: what lies beyond it in older
            files is then shown no more.
    """

    def __init__(self, folder, config, first_step=0):
        self.folder, self.config, self.first_step = folder, config, first_step
        self.steps = 0
        self.moments = profiled(config["tensorboard"]["profile"])
        self.profiling = False

    def began(self, loop):
        """Open the files; at the first step, tell what the training is."""
        for name in EPOCH:
            restart(self.folder / name, self.first_step)
        self.writers = {
            name: tf.summary.create_file_writer(str(self.folder / name)) for name in EPOCH
        }
        if not self.first_step:
            self._introduce(loop.job)

    def _introduce(self, job):
        with self.writers["train"].as_default(step=0):
            config = yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True)
            tf.summary.text("config", "".join(f"    {line}\n" for line in config.splitlines()))
            sheet = tf.io.decode_png((self.folder.parent / SHEET).read_bytes(), 3)
            tf.summary.image("augmentation", sheet[None])
            tf.summary.image("first batch, augmented", job.sample(), max_outputs=8)
            metadata = tf.compat.v1.SummaryMetadata(
                plugin_data={"plugin_name": "graph_keras_model", "content": b"1"}
            )
            tf.summary.write("keras", job.serving.to_json(), metadata=metadata)
            values = {
                name: display(value) if isinstance(value, str) else value
                for name, value in flat(self.config).items()
                if isinstance(value, int | float | str)
            }
            hparams.hparams(values, trial_id=self.folder.parent.name, start_time_secs=time.time())

    def stepped(self, loop, stats):
        """Scalars of the step every so often, and the profile that was asked for."""
        step = loop.progress.step
        self._profile(step)
        every = self.config["tensorboard"]["every_steps"]
        if step // every == (step - len(stats.loss)) // every:
            return
        with self.writers["train"].as_default(step=step):
            tf.summary.scalar("step_loss", stats.loss[-1])
            if np.isfinite(stats.gradient[-1]):  # else it is a step left out, in float16
                tf.summary.scalar("step_gradient_norm", stats.gradient[-1])
            if loop.job.precision == "mixed_float16":
                tf.summary.scalar("loss_scale", stats.scale[-1])
            tf.summary.scalar("learning_rate", loop.engine.rate(loop.engine.optimizer.iterations))

    def _profile(self, step):
        if not self.moments:
            return
        first, last = self.moments
        if step == first and not self.profiling:
            tf.profiler.experimental.start(str(self.folder))
            self.profiling = True
        if step >= last and self.profiling:
            tf.profiler.experimental.stop()
            self.profiling = False

    def epoch_ended(self, loop, row):
        """Scalars of the epoch, and the weights a few times."""
        for name, columns in EPOCH.items():
            with self.writers[name].as_default(step=loop.progress.step):
                for tag, column in columns.items():
                    tf.summary.scalar(tag, row[column])
        times, epochs = self.config["tensorboard"]["histograms"], loop.job.settings.epochs
        if times * row["epoch"] // epochs > times * (row["epoch"] - 1) // epochs:
            with self.writers["train"].as_default(step=loop.progress.step):
                for weight in loop.job.whole.weights:
                    tf.summary.histogram(weight.path, _sample(weight))
        for writer in self.writers.values():
            writer.flush()

    def ended(self, loop):
        """Show the mistakes that cost most, and close the trial."""
        job, validation = loop.job, loop.validation
        job.serve(loop.best)
        validation.judge(lambda: None)
        # Beyond the last step, so that a training taken up there shows them once.
        step = loop.progress.step + 1
        with self.writers["validation"].as_default(step=step):
            mistakes = worst(validation, job.source.splits["val"])
            if len(mistakes):
                from pipelines import dataset

                part = dataset.subset(job.source.splits["val"], mistakes)
                lines = [
                    f"- {name}: {job.source.classes[label]}, taken for {job.source.classes[answer]}"
                    for name, label, answer in zip(
                        part.names, part.labels, validation.answers[mistakes], strict=True
                    )
                ]
                images = dataset.pixels(part, job.shape)
                tf.summary.image("mistakes", images, max_outputs=MISTAKES)
                tf.summary.text("mistakes, in the order of their pictures", "\n".join(lines))
        with self.writers["train"].as_default(step=step):
            end = session_end_pb(STATUS_SUCCESS, time.time())
            tf.summary.experimental.write_raw_pb(end.SerializeToString())

    def close(self):
        """Close the files."""
        if self.profiling:
            tf.profiler.experimental.stop()
        for writer in getattr(self, "writers", {}).values():
            writer.close()


def _sample(weight, most=100_000):
    """The weights, or every n-th of very many."""
    values = np.asarray(weight.numpy()).ravel()
    return values[:: max(1, values.size // most)]


def worst(validation, split):
    """Indices of the wrongly answered images of the highest loss, worst first."""
    labels = split.labels[validation.indices]
    wrong = np.flatnonzero(validation.answers != labels)
    order = np.argsort(-validation.values[wrong], kind="stable")[:MISTAKES]
    return wrong[order]


def restart(folder, step):
    """Tell TensorBoard that a training starts after `step`.

    Of the first such event in a run it takes note; with each later one it drops what it has read
    of the steps that are to come again.
    """
    writer = EventFileWriter(str(folder))
    log = SessionLog(status=SessionLog.START)
    # What `Board` tells before the first step lies at step 0.
    first = step + 1 if step else 0
    writer.add_event(Event(wall_time=time.time(), step=first, session_log=log))
    writer.close()


def profiled(steps):
    """(first, last) of a text such as "10-15", or ().

    Raises:
        UserError: it is no such text.
    """
    if not steps:
        return ()
    first, _, last = steps.partition("-")
    if not (first.isdigit() and last.isdigit() and 0 < int(first) < int(last)):
        raise UserError(f"tensorboard.profile is two steps such as 10-15, not {steps!r}")
    return int(first), int(last)
