"""Complete images from some of their pixels, by a conditional and by a latent neural process.

Cost: 87,000 multiply-adds a pixel and image; 8,000 steps of 16 images of 128 pixels, for both, are
about five minutes of one core.
"""

import numpy as np

from keras_cnns.explore import pictures, session
from keras_cnns.explore.neural_process import NeuralProcess, negative_log_likelihood

CONTEXTS = (1, 10, 40, 100, 200, 400)
SHOWN = (1, 10, 40, 100, 784)
DRAWS = 8  # of z, for the likelihood of the latent process
IMAGES = 200  # test images for each number


def grid(side=28):
    """Places of all pixels, (side * side, 2): row and column as numbers 0..1."""
    rows, columns = np.mgrid[:side, :side] / (side - 1)
    return np.stack([rows.ravel(), columns.ravel()], axis=-1).astype("float32")


def draw_points(rng, images, settings, total):
    """Chance of one step: which images, which pixels of each, how many of these are known.

    Args:
        images: how many there are.
        total: pixels of an image.

    Returns:
        int (batch,), int (batch, points), int.
    """
    chosen = rng.integers(images, size=settings.batch_size)
    points = min(settings.points, total)
    places = np.argsort(rng.random((settings.batch_size, total)), axis=1)[:, :points]
    return chosen, places, int(rng.integers(1, min(settings.context, points - 1) + 1))


def take(images, places, chosen, order, known):
    """The drawn pixels as inputs and targets: the first `known` of each row are the context."""
    values = np.take_along_axis(images[chosen], order, axis=1)[..., None]
    mask = np.zeros_like(values)
    mask[:, :known] = 1
    return (places[order], values, mask), values


def log_likelihood(model, images, known, rng):
    """Nats a pixel of the pixels that are not known, and their mean squared error.

    For a latent process the mean over DRAWS of z of the likelihood of an image's pixels together.
    """
    places, scores, errors = grid(), [], []
    for begin in range(0, len(images), 50):
        part = images[begin : begin + 50]
        order = np.argsort(rng.random(part.shape), axis=1)
        inputs, values = take(part, places, np.arange(len(part)), order, known)
        hidden = {"x": values[:, known:, 0]}
        answers = [model.predict(inputs, verbose=0) for _ in range(DRAWS if model.latent else 1)]
        each = [-negative_log_likelihood_of(hidden["x"], a[:, known:]) for a in answers]
        together = np.logaddexp.reduce(each, axis=0) - np.log(len(each))
        scores.append(together / hidden["x"].shape[1])
        mean = np.mean([a[:, known:, 0] for a in answers], axis=0)
        errors.append(np.square(mean - hidden["x"]).mean(axis=1))
    return float(np.concatenate(scores).mean()), float(np.concatenate(errors).mean())


def negative_log_likelihood_of(values, answers):
    """The loss summed over the points of each image, in numpy and double precision."""
    mean, deviation = answers[..., 0].astype(float), answers[..., 1].astype(float)
    density = -0.5 * np.square((values - mean) / deviation) - np.log(deviation)
    return -(density - 0.5 * np.log(2 * np.pi)).sum(axis=1)


def train(source, settings, out):
    """Train both processes, measure them against the number of known pixels, and draw them.

    Args:
        source: a `pipelines.sources.Source`, brought to 28 x 28 grey.
        settings: a `settings.NeuralProcess`.
        out: the run's folder: conditional.keras, latent.keras, completion.png, likelihood.png.

    Returns:
        The contents of metrics.json.
    """
    begun = session.begin(source, settings, out, "neural_process")
    images, test = session.values(source, "train"), session.values(source, "test")
    places = grid()

    def batch(step):
        rng = np.random.default_rng([settings.seed, step])
        return take(images, places, *draw_points(rng, len(images), settings, images.shape[1]))

    some = test[np.linspace(0, len(test) - 1, min(IMAGES, len(test))).astype(int)]
    report, models = {"test_images": len(some), "context": list(CONTEXTS), "processes": {}}, {}
    for name, latent in (("conditional", 0), ("latent", settings.latent)):
        model = models[name] = NeuralProcess(
            settings.width, latent, settings.frequencies, settings.seed
        )
        seconds = session.fit(
            model, negative_log_likelihood, batch, settings.steps, settings.learning_rate, name
        )
        rng = np.random.default_rng(settings.seed)
        found = [log_likelihood(model, some, k, rng) for k in CONTEXTS]
        report["processes"][name] = {
            "params": model.count_params(),
            "log_likelihood": [score for score, _ in found],
            "squared_error": [error for _, error in found],
            "seconds": round(seconds, 1),
        }
        session.save(model, out / f"{name}.keras")
    pictures.likelihood(report, out / "likelihood.png")
    two = some[[len(some) // 3, 2 * len(some) // 3]]  # of a folder: two classes
    pictures.completion(models, two, places, SHOWN, settings.seed, out / "completion.png")
    return session.end(report, begun, out)


def show(report):
    """Print the table."""
    from pipelines import cli

    rows = []
    for name, found in report["processes"].items():
        for key, title in (("log_likelihood", "nats a pixel"), ("squared_error", "squared error")):
            rows.append([f"{name}, {title}", *(f"{number:.3f}" for number in found[key])])
    cli.table(["known pixels", *map(str, report["context"])], rows)
    print(f"of the pixels that are not known, {report['test_images']} test images")


NEXT = ()
