"""How fast, how large and how hungry .tflite files are, measured in turn on this machine.

Files run interleaved, one image each in every round, and what counts are the ratios within a
round, of CPU time where there is one thread: a busy machine slows both sides alike. Median and p95
are by the clock. Peak memory is measured in a process of its own.
"""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from export import models
from export.intervals import of_median
from pipelines import cli
from pipelines.errors import EnvironmentFault, UserError

WARM_UP = 5


def times(runners, runs):
    """Seconds of each call: in every round all in turn, each time one later.

    Returns:
        (by the clock, of this process' CPU), each (runs, runners).
    """
    seconds = np.empty((2, runs, len(runners)))
    for _ in range(WARM_UP):
        for run in runners:
            run()
    for i in range(runs):
        for j in np.roll(range(len(runners)), i):
            start, cpu = time.perf_counter(), time.process_time()
            runners[j]()
            seconds[:, i, j] = time.perf_counter() - start, time.process_time() - cpu
    return seconds


def ratios(contents, image, *, runs):
    """{name: median CPU time of an image as a share of float32's, or the first's}."""
    runners = [runner(models.TFLiteModel(content), image) for content in contents.values()]
    _, seconds = times(runners, runs)
    base = list(contents).index("float32") if "float32" in contents else 0
    shares = np.median(seconds / seconds[:, base, None], axis=0)
    return {name: round(float(share), 4) for name, share in zip(contents, shares, strict=True)}


def runner(model, image=None):
    """A function that runs a `models.TFLiteModel` on one image.

    Args:
        image: uint8 (height, width, channels); default, noise, the same each time.

    Raises:
        UserError: the model's kernels would end the process on it.
    """
    if image is None:
        image = np.random.default_rng(0).integers(0, 256, model.input_shape, np.uint8)
    if not model.survives(image[None])[0]:
        raise UserError(
            "the reference kernels end the process on an image of noise, to which all of the "
            f"{model.classes:,} classes are about equally likely; leave out --reference-kernels"
        )
    model.predict(image[None])
    return model.interpreter.invoke


def measure(files, *, against=None, threads=1, runs=200, reference_kernels=False):
    """Measure .tflite files side by side.

    Args:
        files: paths.
        against: the path that ratios are taken to; default, of each file the model_float32.tflite
            beside it, else the first file.
        threads: of each interpreter.
        runs: rounds.
        reference_kernels: the kernels that define each operation, in place of XNNPACK.

    Returns:
        A list of {"file", "base", "bytes", "size_ratio", "median_ms", "median_ms_95", "p95_ms",
        "latency_ratio", "latency_ratio_95", "peak_bytes", "threads", "kernels", "runs"}; times are
        milliseconds of one image, those of _95 the 95% interval of the median: (low, high), or
        None of fewer than 6 rounds.
    """
    bases = {file: Path(against) if against else _yardstick(file, files) for file in files}
    all_files = list(dict.fromkeys([*bases.values(), *files]))
    options = {"threads": threads, "reference_kernels": reference_kernels}
    runners = [runner(models.load(file, **options)) for file in all_files]
    clock, cpu = (dict(zip(all_files, t.T, strict=True)) for t in times(runners, runs))
    # One thread's CPU time is its latency on an idle machine; several are not idle in turn.
    work = cpu if threads == 1 else clock
    how = {
        "threads": threads,
        "kernels": "reference" if reference_kernels else "XNNPACK",
        "runs": runs,
    }
    return [
        _row(file, base, clock[file], work[file] / work[base])
        | {"peak_bytes": peak_memory(file, threads)}
        | how
        for file, base in ((file, bases.get(file, file)) for file in all_files)
    ]


def _row(file, base, seconds, ratios):
    size = file.stat().st_size
    return {
        "file": str(file),
        "base": str(base),
        "bytes": size,
        "size_ratio": round(size / base.stat().st_size, 4),
        **_median("median_ms", 1e3 * seconds),
        "p95_ms": round(float(np.percentile(seconds, 95)) * 1e3, 4),
        **_median("latency_ratio", ratios),
    }


def _median(name, values):
    interval = of_median(values)
    return {
        name: round(float(np.median(values)), 4),
        f"{name}_95": interval and [round(end, 4) for end in interval],
    }


def _yardstick(file, files):
    beside = file.with_name("model_float32.tflite")
    return beside if beside.is_file() else files[0]


# Linux forgets a process's peak when asked to; elsewhere the peak of the imports hides small files.
PEAK = """
import resource, sys, numpy
from ai_edge_litert.interpreter import Interpreter
def memory(what):
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(what)) * 1024
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
try:
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
except OSError:
    pass
before = memory("VmRSS")
run = Interpreter(sys.argv[1], num_threads=int(sys.argv[2]))
run.allocate_tensors()
details = run.get_input_details()[0]
run.set_tensor(details["index"], numpy.zeros(details["shape"], details["dtype"]))
run.invoke()
print(max(0, memory("VmHWM") - before))
"""


def peak_memory(file, threads=1):
    """Bytes by which loading and running a file raises a process's peak, measured in its own.

    Raises:
        EnvironmentFault: that process did not come through.
    """
    command = [sys.executable, "-c", PEAK, str(file), str(threads)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise EnvironmentFault(f"{file} could not be run in a process of its own")
    return int(result.stdout.split()[-1])


def show(rows):
    """Print the table of `measure`, ratios first."""
    names = _short([row["file"] for row in rows])
    short = dict(zip([row["file"] for row in rows], names, strict=True))
    cli.table(
        ["file", "latency x (95%)", "size x", "of", "median", "p95", "peak memory", "size"],
        [
            [
                short[row["file"]],
                _ratio(row),
                f"{row['size_ratio']:.2f}",
                "itself" if row["base"] == row["file"] else short[row["base"]],
                f"{row['median_ms']:.3f} ms",
                f"{row['p95_ms']:.3f} ms",
                f"{row['peak_bytes'] / 2**20:.1f} MiB",
                f"{row['bytes'] / 1024:,.1f} KiB",
            ]
            for row in rows
        ],
    )
    row = rows[0]
    what = "CPU time" if row["threads"] == 1 else "latency"
    print(
        f"one image, {row['threads']} thread(s), {row['kernels']} kernels, {row['runs']} "
        f"interleaved rounds; ratios of {what}: median of each round's"
    )


def _ratio(row):
    ratio, interval = row["latency_ratio"], row["latency_ratio_95"]
    if interval is None or row["base"] == row["file"]:
        return f"{ratio:.2f}"
    return f"{ratio:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


def _short(paths):
    """File names, with the folder where two are called alike."""
    names = [Path(path).name for path in paths]
    return [
        name if names.count(name) == 1 else str(Path(Path(path).parent.name, name))
        for name, path in zip(names, paths, strict=True)
    ]
