"""Which devices compute, in which precision, compiled or not."""

import contextlib
import hashlib
import json
import os
import platform
import sys
import time
from importlib.metadata import version

import tensorflow as tf
from tensorflow.python.eager import context

from pipelines.errors import UserError
from pipelines.files import cache_folder

# XLA has to repay its compiler, which takes about a quarter of a second for each layer.
SECONDS_A_LAYER = 2.0
WAIT = 600_000  # milliseconds that processes wait for each other, such as for the chief to write
SHORT = 100  # steps that are sooner taken than timed
TOO_SHORT = "XLA off: this training is too short to repay compiling"
PROBED, GAIN = 5, 0.97  # timed steps of each kind; the time below which XLA is worth it


def strategy(settings, batch_size):
    """The strategy of this process: several machines, several devices, or one.

    Args:
        settings: a `recipes.Devices`.

    Raises:
        UserError: the batch cannot be shared out evenly, or there are fewer GPUs.
    """
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    if len(cluster.get("worker", ())) + len(cluster.get("chief", ())) > 1:
        chosen = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        chosen = _one_machine(settings.replicas)
    _refuse_uneven(batch_size, chosen.num_replicas_in_sync)
    return chosen


def _refuse_uneven(batch_size, replicas):
    if batch_size % replicas:
        raise UserError(
            f"a batch of {batch_size} cannot be shared evenly by {replicas} devices; "
            f"try --batch-size {max(1, batch_size // replicas) * replicas}"
        )


def _one_machine(replicas):
    gpus = tf.config.list_physical_devices("GPU")
    if gpus and (replicas or len(gpus)) > len(gpus):
        raise UserError(f"there are {len(gpus)} GPUs, not devices.replicas={replicas}")
    replicas = replicas or max(1, len(gpus))
    if replicas == 1:
        return tf.distribute.get_strategy()
    kind = "GPU" if gpus else "CPU"
    if not gpus and len(tf.config.list_logical_devices("CPU")) < replicas:
        raise UserError(
            f"TensorFlow has started with one CPU; devices.replicas={replicas} must be known first"
        )
    return tf.distribute.MirroredStrategy([f"{kind}:{i}" for i in range(replicas)])


def split_cpu(settings, batch_size):
    """Cut the CPU of a machine without GPU into replicas; before TensorFlow computes anything.

    Raises:
        UserError: the batch cannot be shared out evenly.
    """
    replicas = settings.replicas or 1
    _refuse_uneven(batch_size, replicas)
    if replicas > 1 and not tf.config.list_physical_devices("GPU"):
        [cpu] = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * replicas
        try:
            tf.config.set_logical_device_configuration(cpu, parts)
        except RuntimeError:  # it has started; `strategy` says what that means
            return


def is_chief():
    """Whether this process is the one that writes, as TF_CONFIG has it."""
    configured = json.loads(os.environ.get("TF_CONFIG") or "{}")
    task = configured.get("task", {})
    kinds = configured.get("cluster", {})
    return (task.get("type"), int(task.get("index", 0))) in {
        (None, 0), ("chief", 0), *([] if "chief" in kinds else [("worker", 0)]),
    }  # fmt: skip


def shard(chosen):
    """(index, count): which part of each global batch this process feeds."""
    resolver = chosen.cluster_resolver
    if resolver is None:
        return 0, 1
    spec = resolver.cluster_spec().as_dict()
    chiefs, workers = len(spec.get("chief", ())), len(spec.get("worker", ()))
    if resolver.task_type == "chief":
        return 0, chiefs + workers
    return chiefs + resolver.task_id, chiefs + workers


def meet(chosen, where):
    """Wait until every process of a training has come to this place; each is met at once.

    Raises:
        tf.errors.OpError: another is gone.
    """
    if shard(chosen)[1] > 1:
        # TensorFlow has no public word for the barrier of the service that its own strategy starts.
        context.context().wait_at_barrier(where, WAIT)


def leave_together(chosen):
    """Wait until every process of a training is here, before any ends.

    One that ended at once could take with it the answer of the last reduction that another still
    waits for. Where another is gone already, nothing is waited for.
    """
    with contextlib.suppress(tf.errors.OpError):
        meet(chosen, "the training has ended")


def precision(settings):
    """The dtype policy: "auto" is mixed on a GPU with tensor cores, float32 elsewhere."""
    gpus = tf.config.list_physical_devices("GPU")
    if settings.precision != "auto":
        if settings.precision != "float32" and not gpus:
            warn(
                f"{settings.precision} is slower than float32 on a CPU (bfloat16 took 11 times "
                "as long where this was measured); try devices.precision=float32"
            )
        return settings.precision
    if not gpus:
        return "float32"
    details = tf.config.experimental.get_device_details(gpus[0])
    capability = details.get("compute_capability", (0, 0))
    if capability >= (8, 0):
        return "mixed_bfloat16"  # float32's range: no scaling of the loss
    return "mixed_float16" if capability >= (7, 0) else "float32"


def warn(sentence):
    """Tell the user, on the error output."""
    print(f"warning: {sentence}", file=sys.stderr, flush=True)


def choose_xla(job, settings):
    """Decide whether the step is compiled, by timing both where that can pay.

    The decision is remembered for this machine, network and length of training, since the two
    round differently: the same command gives the same weights.

    Args:
        job: a `job.Job`; its state is as before afterwards.
        settings: the `recipes.Training`.

    Returns:
        (whether to compile, a sentence on why).
    """
    wanted = settings.devices.xla
    if job.strategy.num_replicas_in_sync > 1:
        if wanted == "on":
            warn("XLA is off: it does not work across devices")
        return False, "XLA off: several devices"
    if wanted != "auto":
        if wanted == "on" and not tf.config.list_physical_devices("GPU"):
            warn("XLA compiles for minutes on a CPU, and gains 0 to 30%")
        return wanted == "on", f"XLA {wanted}, as asked"
    engine = job.engine(0)
    kept = _memory(engine, job.steps)
    found = _recall(kept)
    if found is None:
        state = engine.state()
        found = _timed(engine, job)
        engine.restore(state)
        found = _remember(kept, found)
    return found["xla"], found["reason"]


def _timed(engine, job):
    if job.steps < SHORT:
        return {"xla": False, "reason": TOO_SHORT}
    plain = seconds_a_step(engine, job, xla=False)
    layers = len(engine.model.layers)
    gpu = bool(tf.config.list_physical_devices("GPU"))
    if not gpu and plain * job.steps < SECONDS_A_LAYER * layers:
        return {"xla": False, "reason": TOO_SHORT}
    try:
        compiled = seconds_a_step(engine, job, xla=True)
        again = seconds_a_step(engine, job, xla=False, warm=True)
    except tf.errors.OpError as error:
        reason = " ".join(str(error).split())[:80]
        return {"xla": False, "reason": f"XLA off: it cannot compile this network ({reason})"}
    plain = min(plain, again)
    gain = plain / compiled
    word = "on" if compiled < GAIN * plain else "off"
    reason = f"XLA {word}: a step takes {1e3 * compiled:.0f} ms with it, {1e3 * plain:.0f} without"
    return {"xla": word == "on", "reason": f"{reason} ({gain:.2f} times)"}


def seconds_a_step(engine, job, *, xla, warm=False):
    """The shortest of a few steps, which other processes disturbed least; they change the state."""
    engine.xla = xla
    batches = job.batches()
    short = job.steps < 2 + PROBED  # it ends before the probe does, and is begun anew
    if not warm:
        engine.run(batches, min(2, job.steps))  # traces and compiles
    times = []
    for _ in range(PROBED):
        batches = job.batches() if short else batches
        begun = time.perf_counter()
        engine.run(batches, 1)
        times.append(time.perf_counter() - begun)
    return min(times)


def _memory(engine, steps):
    cpu = platform.processor() + str(os.cpu_count())
    facts = [
        engine.shapes(),
        repr(engine.settings),
        steps,
        cpu,
        platform.node(),
        version("tensorflow"),
    ]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]
    return cache_folder() / f"xla-{digest}.json"


def _recall(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _remember(path, found):
    """Keep a decision; where another process was first, take its decision."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(found))
        try:
            os.link(temporary, path)
        finally:
            temporary.unlink()
    except OSError:
        return _recall(path) or found
    return found
