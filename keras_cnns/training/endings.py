"""How a training ends before its time: what is saved, and what the user is told."""

import contextlib
import signal
from shlex import quote

import numpy as np
import tensorflow as tf

from export.trained import CHECKPOINTS
from keras_cnns.training import devices, stops
from keras_cnns.training.loop import Interrupted
from pipelines.errors import EnvironmentFault, TrainingFailed, of_disk, of_memory, reason_of
from pipelines.files import ENVIRONMENT, whole_file, write_json

LAST = "last.keras"  # in the checkpoints' folder: the model of a training that ended early


@contextlib.contextmanager
def told(loop, out):
    """Save what there is when a training ends early, and tell how to go on."""
    how = f"python -m keras_cnns train --resume --out {quote(str(out))}"
    try:
        with _saved(loop, out, how):
            # The chief's first checkpoint would be taken for one of before by who comes later.
            devices.meet(loop.job.strategy, "all have looked for a checkpoint")
            yield
            devices.leave_together(loop.job.strategy)
    except (EnvironmentFault, OSError, tf.errors.OpError) as error:
        if fault := _of_environment(error, loop, out):
            raise EnvironmentFault(f"{fault}; to go on: {how}") from error
        raise


@contextlib.contextmanager
def _saved(loop, out, how):
    try:
        yield
    except Interrupted:
        raise _stopped(loop, out, how) from None
    except TrainingFailed as error:
        raise _failed(loop, out, error) from None


def _of_environment(error, loop, out):
    """What an error tells of the disk or of the other workers; None where it tells of neither."""
    if isinstance(error, EnvironmentFault):
        return error
    if isinstance(error, OSError):
        place = error.filename or out
        return f"{place}: {error.strerror.lower()}" if error.errno in ENVIRONMENT else None
    if fault := of_disk(error):
        return fault
    if of_memory(error) or (loop.alone and not isinstance(error, tf.errors.UnavailableError)):
        return None
    return f"another worker of this training is gone ({reason_of(error)})"


def _stopped(loop, out, how):
    """Save what there is, once a signal came; return what is to be raised."""
    sentence = "the chief has saved the training"
    if loop.job.chief:
        loop.save()
        _keep_last(loop, out)
        sentence = f"the model so far is {out / CHECKPOINTS / LAST}; to go on: {how}"
    devices.leave_together(loop.job.strategy)
    return stops.Stopped(loop.signals.received or signal.SIGTERM, sentence)


def _failed(loop, out, error):
    """Go back to the last finite model, and return what is to be raised."""
    if loop.job.chief:
        step = _back_to_finite(loop)
        _keep_last(loop, out)
        write_json(out / "bad_batch.json", error.batch)
        error = TrainingFailed(
            f"{error}; the model of step {step}, the last one kept, is "
            f"{out / CHECKPOINTS / LAST}, the batch is in {out / 'bad_batch.json'}; try a lower "
            "learning_rate, and look at these images"
        )
    devices.leave_together(loop.job.strategy)
    return error


def _back_to_finite(loop):
    """Restore the newest checkpoint whose model has no absurd loss; return its step.

    The newest may hold the update that made the next loss what it was.
    """
    for arrays, facts in loop.checkpoints.whole():
        loop.restore(arrays, facts)
        loop.job.serve(loop.engine.serving)
        loop.validation.judge(lambda: None)
        if not loop.is_absurd(float(loop.validation.values.mean(dtype=np.float64))):
            break
    return loop.progress.step


def _keep_last(loop, out):
    loop.job.serve(loop.engine.serving)
    with whole_file(out / CHECKPOINTS / LAST) as temporary:
        loop.job.serving.save(temporary)
