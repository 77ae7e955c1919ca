"""What input costs: CPU time an image, beside others who do the same work.

Every contestant has the same images and makes batches of the same size, in one thread. They run
in turn, round after round, the order rotated, and a ratio is the median over the rounds of the
quotient within a round, so that a busy machine slows both sides of it. Times are of the process:
all its threads.
"""

import io
import statistics
import time

import numpy as np
from PIL import Image

from pipelines.sources.base import Split

BATCH = 32
SIDE = 224  # of the result
SIZES = {"large": (500, 375, 97), "small": (224, 224, 75)}  # width, height, JPEG quality


def photographs(size, count):
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


def split_of(files):
    """The files as a split of a source."""
    items = (np.array(files, object),)
    names = [f"photograph {i}" for i in range(len(files))]
    return Split(np.zeros(len(files), np.int32), items, None, names, lambda data: (data, 1, False))


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
