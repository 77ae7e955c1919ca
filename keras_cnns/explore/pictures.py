"""Pictures of what was explored."""

import numpy as np
from matplotlib.figure import Figure

from keras_cnns.plots import save

SIDE = 28


def tiled(images, columns, gap=1, fill=np.nan):
    """Images (n, height, width) laid out in rows, as one."""
    count, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), fill)
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def kernels(named, path):
    """Kernels (height, width, inputs, outputs) side by side: a row an input, a column an output."""
    figure = Figure(figsize=(4.2 * len(named), 4.5), layout="constrained")
    for axes, (name, kernel) in zip(figure.subplots(1, len(named)), named.items(), strict=True):
        height, width, inputs, outputs = kernel.shape
        parts = kernel.transpose(2, 3, 0, 1).reshape(inputs * outputs, height, width)
        limit = np.abs(kernel).max()
        axes.imshow(tiled(parts, outputs), cmap="RdBu", vmin=-limit, vmax=limit)
        axes.set(title=f"{name}, {inputs} x {outputs} of {height} x {width}", xticks=[], yticks=[])
    save(figure, path)


def likelihood(report, path):
    """Log-likelihood and squared error of the unknown pixels against the known ones."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    titles = {"log_likelihood": "log-likelihood, nats a pixel", "squared_error": "squared error"}
    for axes, (key, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        for name, found in report["processes"].items():
            axes.plot(report["context"], found[key], marker="o", label=name)
        axes.set(xscale="log", xlabel="known pixels", ylabel=title)
        axes.legend()
    save(figure, path)


def completion(models, images, places, contexts, seed, path):
    """Rows of growing context: what is known, and what each process makes of it."""
    columns = ["known", "mean", "deviation", "draw 1", "draw 2", "draw 3"]
    figure = Figure(figsize=(1.05 * 6 * len(images), 1.12 * len(contexts)), layout="constrained")
    grid = figure.subplots(len(contexts), 6 * len(images))
    for i, image in enumerate(images):
        order = np.random.default_rng([seed, i]).permutation(image.size)
        for row, known in enumerate(contexts):
            mask = np.zeros((1, image.size, 1), "float32")
            mask[0, order[:known]] = 1
            inputs = (places[None], image[None, :, None], mask)
            conditional = models["conditional"].predict(inputs, verbose=0)[0]
            draws = [models["latent"].predict(inputs, verbose=0)[0, :, 0] for _ in range(3)]
            seen = np.where(mask[0, :, 0] > 0, image, np.nan)
            cells = [seen, conditional[:, 0], conditional[:, 1], *draws]
            for axes, title, cell in zip(grid[row, 6 * i :], columns, cells, strict=False):
                axes.set_facecolor("#6aaed6")
                axes.imshow(cell.reshape(SIDE, SIDE), cmap="gray", vmin=0, vmax=1)
                axes.set(xticks=[], yticks=[], title=title if row == 0 else "")
            if i == 0:
                grid[row, 0].set_ylabel(known)
    save(figure, path)


def errors(report, queries, path):
    """Errors of each kind of query against rows, and of the largest memory against iterations."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    sizes = list(report["rows"])
    for query in queries:
        best = [min(report["rows"][rows][query]) for rows in sizes]
        left.plot(sizes, best, marker="o", label=f"{query} queries")
        last = report["rows"][sizes[-1]][query]
        right.plot(report["iterations"], last, marker="o", label=f"{query} queries")
    left.set(xlabel="rows of the memory", ylabel="squared error, best of the iterations")
    right.set(xlabel=f"times read, {sizes[-1]} rows", ylabel="squared error")
    for axes, ticks in ((left, sizes), (right, report["iterations"])):
        axes.set(xscale="log", ylim=(0, None))
        axes.set_xticks(ticks, ticks)
        axes.minorticks_off()
    left.legend()
    save(figure, path)


def denoising(images, queries, iterations, path, count=12):
    """Rows of stored images, of queries of each kind, and of what was read of them.

    Args:
        images: (n, pixels).
        queries: {kind: (queries, [what was read after each number of iterations])}.
    """
    rows = [("stored", images)]
    for kind, (query, answers) in queries.items():
        rows.append((kind, query))
        rows += [(f"read {i}x", answer) for i, answer in zip(iterations, answers, strict=True)]
    count = min(count, len(images))
    figure = Figure(figsize=(1 + 0.72 * count, 0.74 * len(rows)), layout="constrained")
    for axes, (name, row) in zip(figure.subplots(len(rows), 1), rows, strict=True):
        parts = row[:count].reshape(-1, SIDE, SIDE)
        axes.imshow(tiled(parts, count, gap=2, fill=1.0), cmap="gray", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
    save(figure, path)
