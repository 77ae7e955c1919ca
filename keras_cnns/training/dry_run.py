"""What a training would cost: parameters, memory and time, from a few measured steps."""

import math
import time
from pathlib import Path

from keras_cnns import complexity
from keras_cnns.training import devices, progress
from keras_cnns.training.job import Job
from pipelines import cli

MIB = 2**20


def estimate(name, source, settings):
    """Build the network, take a few steps, and throw them away.

    Args:
        name: a registered network.
        source: a `pipelines.sources.Source`.
        settings: a `recipes.Training`.

    Returns:
        Plain data: params, macs (of one image), steps, seconds of a step and of the whole, bytes
        of the weights, of the state (weights, optimizer, averages), of a checkpoint, and, where
        the system tells, the highest that the process took in these steps.
    """
    job = Job(name, source, settings)
    engine = job.engine(0)
    if job.strategy.num_replicas_in_sync == 1:
        step = devices.seconds_a_step(engine, job, xla=settings.devices.xla == "on")
    else:
        step = devices.seconds_a_step(engine, job, xla=False)
    from keras_cnns.training.loop import Validation

    validation = Validation(job, source.splits["val"])
    validation.judge(lambda: None)  # traces
    begun = time.perf_counter()
    validation.judge(lambda: None)
    judged = time.perf_counter() - begun
    weights = sum(array.nbytes for array in engine.serving)
    state = sum(array.nbytes for array in engine.state())
    return {
        "model": name,
        "params": complexity.params(job.serving),
        "macs": complexity.macs(job.serving),
        "steps": job.steps,
        "seconds_a_step": step,
        "seconds": step * job.steps + judged * settings.epochs,
        "weights_bytes": weights,
        "state_bytes": state,
        "checkpoint_bytes": state + weights,
        "peak_bytes": peak(),
    }


def peak():
    """The most memory that this process has held, in bytes; on a GPU, what the GPU held."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    import resource
    import sys

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024)  # Linux counts in KiB


def least(model, batch_size):
    """Bytes that a training takes at the least.

    Every layer's output for a whole batch, which the way back asks for, the weights and their
    gradients. What `estimate` measured was 0.8 to 2.6 times as much in outputs alone.
    """
    numbers = sum(
        math.prod(output.shape[1:])
        for layer in model.layers
        for output in (layer.output if isinstance(layer.output, list | tuple) else [layer.output])
    )
    return 4 * (batch_size * numbers + 2 * model.count_params())


def free():
    """Bytes of memory that processes may still ask for; None on a GPU, or if nothing says."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return None
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    told = dict(line.split(":") for line in lines)
    return 1024 * int(told["MemAvailable"].split()[0]) if "MemAvailable" in told else None


def show(report):
    """Print a report for a person."""
    cli.table(
        ["", report["model"]],
        [
            ["parameters", f"{report['params']:,}"],
            ["MACs of an image", f"{report['macs']:,}"],
            ["weights", f"{report['weights_bytes'] / MIB:.1f} MiB"],
            ["with optimizer", f"{report['state_bytes'] / MIB:.1f} MiB"],
            ["a checkpoint", f"{report['checkpoint_bytes'] / MIB:.1f} MiB"],
            ["memory at its highest", f"{report['peak_bytes'] / MIB:,.0f} MiB"],
            ["a step", f"{1e3 * report['seconds_a_step']:.1f} ms"],
            ["steps", f"{report['steps']:,}"],
            ["the training, about", progress.clock(report["seconds"])],
        ],
    )
