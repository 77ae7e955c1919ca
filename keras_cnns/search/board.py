"""What TensorBoard shows of a search: the table of hyperparameters, and each trial's curves."""

import time

import tensorflow as tf
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.plugins.hparams.api_pb2 import STATUS_SUCCESS
from tensorboard.plugins.hparams.summary import session_end_pb

from keras_cnns.search.objectives import OBJECTIVES

FOLDER = "tensorboard"


def introduce(session):
    """Say which hyperparameters there are and which numbers they are judged by, once."""
    folder = session.folder(FOLDER)
    if any(folder.glob("events.*")):
        return
    domains = [
        hparams.HParam(d.name, hparams.Discrete(list(d.values)))
        if d.values
        else hparams.HParam(d.name, hparams.RealInterval(d.low, d.high))
        for d in session.space.dimensions.values()
    ]
    metrics = [
        hparams.Metric(o.name, display_name=o.name, description=o.label)
        for o in OBJECTIVES.values()
    ]
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        hparams.hparams_config(hparams=domains, metrics=metrics)
    writer.close()


class Trial:
    """Watches the `Loop` of a trial; within a `with`, so that its file is closed."""

    def __init__(self, session, name, values):
        self.folder, self.values = session.folder(f"{FOLDER}/{name}"), values

    def __enter__(self):
        """Begin the trial's file anew: what a kill left is of a trial that is run again."""
        for old in self.folder.glob("events.*"):
            old.unlink()
        self.writer = tf.summary.create_file_writer(str(self.folder))
        with self.writer.as_default(step=0):
            hparams.hparams(self.values, trial_id=self.folder.name, start_time_secs=time.time())
        return self

    def began(self, loop):
        """Nothing: the file is open."""

    def stepped(self, loop, stats):
        """Nothing: an epoch is fine enough for a search."""

    def epoch_ended(self, loop, row):
        """Scalars of the epoch."""
        with self.writer.as_default(step=row["epoch"]):
            for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
                tf.summary.scalar(f"epoch/{name}", row[name])

    def ended(self, result):
        """The numbers that the table shows."""
        with self.writer.as_default(step=result["epochs_done"]):
            for name in OBJECTIVES:
                if name in result:
                    tf.summary.scalar(name, result[name])
            tf.summary.experimental.write_raw_pb(
                session_end_pb(STATUS_SUCCESS, time.time()).SerializeToString()
            )

    def close(self):
        """Nothing: the `with` closes the file."""

    def __exit__(self, *_):
        """Close the file."""
        self.writer.close()
