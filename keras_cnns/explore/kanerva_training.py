"""Store digits in memories of several sizes, and read them from clean, noisy and covered queries.

Cost: 2.5 million multiply-adds an image with four reads; 1,500 steps of 16 episodes of 16 images,
for each of four sizes, are about four minutes of one core.
"""

import keras
import numpy as np

from keras_cnns.explore import pictures, session
from keras_cnns.explore.kanerva import KanervaMachine, WarmUp, negative_log_likelihood

ITERATIONS = (1, 2, 4, 8)
EPISODES = 50  # of test images, for each number
QUERIES = {  # how a query differs from the image that was written; each harder than in training
    "clean": lambda rng, images: images,
    "noisy": lambda rng, images: corrupt(images, *draw_noise(rng, images.shape, 0.5)),
    "covered": lambda rng, images: covered(images),
}


def draw_noise(rng, shape, share):
    """Chance of a noisy query: which pixels are lost, and whether black or white replaces them.

    Args:
        share: of the pixels, a number or an array that broadcasts.
    """
    return rng.random(shape) < share, rng.integers(0, 2, shape)


def draw_shares(rng, shape):
    """How much noise a training's queries have: none in a third of them, then up to 30%."""
    return np.maximum(0, rng.uniform(-0.15, 0.3, (*shape, 1)))


def corrupt(images, lost, instead):
    """Images with their lost pixels replaced."""
    return np.where(lost, instead, images).astype("float32")


def covered(images):
    """Images (..., pixels) whose lower half is black."""
    upper = np.arange(images.shape[-1]) < images.shape[-1] // 2
    return np.where(upper, images, 0).astype("float32")


def error(answers, images):
    """Mean squared error of a pixel."""
    return float(np.square(answers - images).mean())


def read_errors(model, episodes, queries):
    """Errors of each number of ITERATIONS, and what was read."""
    memory = model.write(episodes)
    answers = [keras.ops.convert_to_numpy(model.read(memory, queries, i)) for i in ITERATIONS]
    return [error(answer, episodes) for answer in answers], answers


def train(source, settings, out):
    """Train a machine for each number of rows, measure how they read, and draw the largest.

    Args:
        source: a `pipelines.sources.Source`, brought to 28 x 28 grey.
        settings: a `settings.Kanerva`.
        out: the run's folder: kanerva.keras (the largest), denoising.png, errors.png.

    Returns:
        The contents of metrics.json.
    """
    begun = session.begin(source, settings, out, "kanerva_machine")
    images, test = session.values(source, "train"), session.values(source, "test")

    def batch(step):
        rng = np.random.default_rng([settings.seed, step])
        chosen = rng.integers(len(images), size=(settings.batch_size, settings.episode))
        episodes = images[chosen]
        noise = draw_noise(rng, episodes.shape, draw_shares(rng, chosen.shape))
        return (episodes, corrupt(episodes, *noise)), episodes

    rng = np.random.default_rng(settings.seed)
    episodes = test[rng.integers(len(test), size=(EPISODES, settings.episode))]
    queries = {name: make(rng, episodes) for name, make in QUERIES.items()}
    report = {"episodes": EPISODES, "episode": settings.episode, "iterations": list(ITERATIONS)}
    report |= {"query": {name: error(q, episodes) for name, q in queries.items()}, "rows": {}}
    for rows in (settings.rows // 8, settings.rows // 4, settings.rows // 2, settings.rows):
        model = KanervaMachine(
            rows, settings.code, images.shape[1], settings.width,
            reads=settings.reads, seed=settings.seed,
        )  # fmt: skip
        model.build()
        seconds = session.fit(
            model, negative_log_likelihood, batch, settings.steps, settings.learning_rate,
            f"{rows} rows", WarmUp(settings.steps),
        )  # fmt: skip
        read = {name: read_errors(model, episodes, q) for name, q in queries.items()}
        report["rows"][rows] = {name: found for name, (found, _) in read.items()}
        report["rows"][rows]["seconds"] = round(seconds, 1)
    session.save(model, out / "kanerva.keras")
    pictures.errors(report, list(QUERIES), out / "errors.png")
    shown = {name: (queries[name][0], [a[0] for a in read[name][1]]) for name in QUERIES}
    shown.pop("clean")
    pictures.denoising(episodes[0], shown, ITERATIONS, out / "denoising.png")
    return session.end(report, begun, out)


def show(report):
    """Print the table."""
    from pipelines import cli

    rows = [
        [rows, query, *(f"{number:.4f}" for number in [report["query"][query], *found[query]])]
        for query in report["query"]
        for rows, found in report["rows"].items()
    ]
    cli.table(["rows", "query", "not read", *(f"{i}x" for i in report["iterations"])], rows)
    print(
        f"mean squared error of a pixel, {report['episodes']} episodes of {report['episode']} test "
        "images; each read as often as the column says"
    )


NEXT = ()
