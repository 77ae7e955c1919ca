"""What input costs: CPU time an image, beside others who do the same work.

Contestants make uint8 batches of 32 images of 224 x 224 pixels of the same files. They run in
turn, round after round, the order rotated; a ratio is the median over the rounds of the quotient
within a round, so that a busy machine slows both sides of it. Times are the process' CPU time,
all threads together.
"""

import dataclasses
import io
import multiprocessing
import os
import resource
import signal
import statistics
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from PIL import Image

from pipelines import dataset, peers, recipes
from pipelines.policy import RandAugment
from pipelines.sources.base import Split

SHAPE = (peers.SIDE, peers.SIDE, 3)
SIZES = {"large": (500, 375, 97), "small": (224, 224, 75)}  # width, height, JPEG quality
FILES = 64  # different ones
MEBIBYTE = 2**20


def photographs(size, count=FILES):
    """JPEG files, in memory: parts of the two photographs inside scikit-learn."""
    from sklearn.datasets import load_sample_images

    width, height, quality = SIZES[size]
    pictures = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    rng = np.random.default_rng(0)
    files = []
    for i in range(count):
        picture = pictures[i % 2]
        tall = int(picture.height * rng.uniform(0.8, 1))
        wide = min(picture.width, tall * width // height)
        left, top = rng.integers(picture.width - wide + 1), rng.integers(picture.height - tall + 1)
        part = picture.crop((left, top, left + wide, top + tall)).resize((width, height))
        data = io.BytesIO()
        part.save(data, "JPEG", quality=quality)
        files.append(data.getvalue())
    return files


def split_of(items, encoded):
    """A split of a source, of one class."""
    names = [f"photograph {i}" for i in range(len(items))]
    return Split(np.zeros(len(items), np.int32), (items,), None, names, encoded)


def from_memory(files):
    """The split of JPEG files in memory."""
    return split_of(np.array(files, object), lambda data: (data, 1, False))


def ours(split, recipe, count, **options):
    """The contestant: `dataset.training`, as a training gets it, first batch to last."""
    split = dataset.subset(split, np.arange(count) % len(split))
    options = {"batch_size": peers.BATCH, "epochs": 1, "seed": 0, "workers": 1} | options
    batches = dataset.training(split, SHAPE, recipe=recipe, **options)

    def run():
        for _ in batches:
            pass
        return count

    return run


def race(contestants, rounds):
    """Let every contestant run in turn.

    Args:
        contestants: {name: function without arguments that returns how many images it made}.
        rounds: how often; one more, which fills caches, is not counted.

    Returns:
        {name: [CPU seconds an image, for each round]}.
    """
    names, times = list(contestants), {name: [] for name in contestants}
    for turn in range(rounds + 1):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            begun = time.process_time()
            images = contestants[name]()
            times[name].append((time.process_time() - begun) / images)
    return {name: seen[1:] for name, seen in times.items()}


def ratio(times, name, base):
    """The median over the rounds of what `name` costs, divided by what `base` costs."""
    quotients = [a / b for a, b in zip(times[name], times[base], strict=True)]
    return statistics.median(quotients)


@dataclasses.dataclass(frozen=True)
class Work:
    """One comparison."""

    title: str
    recipe: recipes.Augmentation
    peers: dict  # {name: a function of `peers`}
    goals: dict  # {name: ("at most", ours / theirs) or ("at least", theirs / ours)}
    size: str = "small"
    files: bool = False  # from files, not from pixels in memory


INCEPTION = {
    "albumentations": peers.albumentations_inception,
    "torchvision": peers.torchvision_inception,
    "keras layers": peers.keras_inception,
    "decoding alone": peers.turbo,
}
WORKS = {
    "inception-large": Work(
        "recipe inception, from JPEG files of 500 x 375", recipes.RECIPES["inception"], INCEPTION,
        {"albumentations": ("at most", 1.0), "keras layers": ("at least", 2.5)}, "large", True,
    ),
    "inception-small": Work(
        "recipe inception, from JPEG files of 224 x 224", recipes.RECIPES["inception"], INCEPTION,
        {"albumentations": ("at most", 1.2), "keras layers": ("at least", 2.5)}, "small", True,
    ),
    "lecture": Work(
        "recipe lecture, from pixels in memory", recipes.RECIPES["lecture"],
        {"keras layers": peers.keras_lecture}, {"keras layers": ("at least", 4)},
    ),
    "randaugment": Work(
        "RandAugment, two at half strength, from pixels in memory",
        recipes.recipe(policy=RandAugment(2, 0.5)),
        {"keras layers": peers.keras_randaugment, "torchvision": peers.torchvision_randaugment},
        {"keras layers": ("at least", 15)},
    ),
}  # fmt: skip


def compare(work, *, rounds, count):
    """Run one comparison.

    Returns:
        Plain data: {"title", "images", "rounds", "rows": [{"name", "us", "to_ours", "goal",
        "met"}, ...], "missing": {peer: why}}; us is the median CPU time of an image in
        microseconds, to_ours the ratio of theirs to ours.
    """
    files, missing = photographs(work.size), {}
    split = from_memory(files)
    given = (
        files if work.files else np.stack([np.asarray(Image.open(io.BytesIO(f))) for f in files])
    )
    if not work.files:
        split = dataclasses.replace(
            split_of(given, None), read=lambda pixels: tf.ensure_shape(pixels, SHAPE)
        )
    contestants = {"ours": ours(split, work.recipe, count)}
    for name, peer in work.peers.items():
        try:
            contestants[name] = peer(given, count)
        except ImportError as error:
            missing[name] = str(error).splitlines()[0]
    times = race(contestants, rounds)
    rows = [_row(name, times, work.goals.get(name)) for name in contestants]
    return {"title": work.title, "images": count, "rounds": rounds, "rows": rows} | {
        "missing": missing
    }


def _row(name, times, goal):
    row = {"name": name, "us": 1e6 * statistics.median(times[name])}
    row["to_ours"] = ratio(times, name, "ours")
    if goal:
        word, limit = goal
        back = ratio(times, "ours", name)
        row["goal"] = f"ours {word} {limit:g} of it" if word == "at most" else f"{limit:g} of ours"
        row["met"] = back <= limit if word == "at most" else row["to_ours"] >= limit
    return row


def _spin(seconds):
    """Work that needs no Python, on one core: the images warped in `seconds` of wall time."""
    image, turn, done = np.zeros(SHAPE, np.uint8), np.eye(3) * 1.01, 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        cv2.warpPerspective(image, turn, SHAPE[:2])
        done += 1
    return done


def _spun(threads):
    done, each = [], 0.3
    pool = [threading.Thread(target=lambda: done.append(_spin(each))) for _ in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return sum(done) / each


def scaling(*, rounds, count):
    """How many more images two workers make than one, in the same wall time.

    Beside it, what two threads of plain OpenCV work gain at that moment: on a machine that is
    busy with other things, that is all there is to be had.

    Returns:
        Plain data: {"two_to_one", "possible", "rounds", "images", "cores"}.
    """
    split = from_memory(photographs("large"))
    runs = {n: ours(split, recipes.RECIPES["inception"], count, workers=n) for n in (1, 2)}
    gains, possible = [], []
    for _ in range(rounds + 1):
        seconds = {}
        for n, run in runs.items():
            begun = time.perf_counter()
            run()
            seconds[n] = time.perf_counter() - begun
        gains.append(seconds[1] / seconds[2])
        possible.append(_spun(2) / _spun(1))
    return {
        "two_to_one": statistics.median(gains[1:]),
        "possible": statistics.median(possible[1:]),
        "rounds": rounds,
        "images": count,
        "cores": os.cpu_count(),
    }


def waiting(*, steps=40):
    """The share of a training's time that its steps wait for input, decoding being cheaper.

    The step stands for an accelerator: it sleeps twice as long as a batch takes to be made.

    Returns:
        Plain data: {"share", "step_ms", "input_ms", "steps"}.
    """
    split, count = from_memory(photographs("large")), peers.BATCH * 8
    run = ours(split, recipes.RECIPES["inception"], count, workers=tf.data.AUTOTUNE)
    run()
    begun = time.perf_counter()
    run()
    batch = (time.perf_counter() - begun) / 8
    batches = iter(
        dataset.training(
            split, SHAPE, batch_size=peers.BATCH, epochs=1 + steps, seed=0,
            recipe=recipes.RECIPES["inception"],
        )
    )  # fmt: skip
    next(batches)  # the first is waited for in any case
    begun, waited = time.perf_counter(), 0.0
    for _ in range(steps):
        asked = time.perf_counter()
        next(batches)
        waited += time.perf_counter() - asked
        time.sleep(2 * batch)
    share = waited / (time.perf_counter() - begun)
    return {"share": share, "step_ms": 2e3 * batch, "input_ms": 1e3 * batch, "steps": steps}


def memory(*, count, cap):
    """Stream `count` images from disk in a process that may grow by `cap` bytes and no more.

    Returns:
        Plain data: {"images", "encoded_mib", "decoded_mib", "cap_mib", "grown_mib", "finished"}.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        encoded = 0
        for i, data in enumerate(photographs("large")):
            Path(folder, f"{i}.jpg").write_bytes(data)
            encoded += len(data) * (count // FILES)
        ask, answer = context.Pipe()
        child = context.Process(target=_stream, args=(folder, count, cap, answer))
        child.start()
        answer.close()
        try:
            grown = ask.recv()
        except EOFError:  # it died of its cap
            grown = None
        finally:  # before its files go, also where we are stopped
            child.kill()
            child.join()
    width, height, _ = SIZES["large"]
    return {
        "images": count,
        "encoded_mib": encoded / MEBIBYTE,
        "decoded_mib": count * width * height * 3 / MEBIBYTE,
        "cap_mib": cap / MEBIBYTE,
        "grown_mib": grown and grown / MEBIBYTE,
        "finished": grown is not None,
    }


def _stream(folder, count, cap, answer):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends it
    paths = np.array([os.path.join(folder, f"{i}.jpg") for i in range(FILES)], object)
    split = split_of(paths, lambda path: (Path(path).read_bytes(), 1, False))
    ours(split, recipes.RECIPES["inception"], 4 * peers.BATCH, workers=2)()  # threads, buffers
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    status = Path("/proc/self/status").read_text()
    data = int(status.split("VmData:")[1].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (data + cap, data + cap))
    ours(split, recipes.RECIPES["inception"], count, workers=2)()
    answer.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before)
