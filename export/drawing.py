"""How the figures of a data set lie in their images, so that a drawn one can be laid likewise."""

import numpy as np

from pipelines import dataset, decode

COUNT = 200  # images to measure
DIGITS = {str(digit) for digit in range(10)}


def write(making):
    """Add "drawing" to the card of a network that reads grey digits."""
    if making.image_shape[-1] == 1 and set(making.labels) == DIGITS:
        making.card["drawing"] = measure(_native(making.source.splits["train"], making.image_shape))


def _native(split, shape):
    """Some images as float (n, height, width), at the size that all have, else at `shape`."""
    chosen = dataset.subset(split, dataset.stratified(split, COUNT))
    images = [np.asarray(split.read(*row)) for row in zip(*chosen.items, strict=True)]
    sizes = {image.shape[:2] for image in images}
    size = sizes.pop() if len(sizes) == 1 else shape[:2]
    grey = [decode.to_size(image, (*size, 1)).numpy()[..., 0] for image in images]
    return np.array(grey, np.float64)


def measure(images):
    """Where the ink lies, on average.

    Args:
        images: 0..255, (n, height, width), at the resolution at which they were made.

    Returns:
        "size": [height, width] in pixels; "paper" and "ink": their grey levels; as shares of the
        image: "extent", the longer side of a figure's box; "centre": [x, y], and "centred_by",
        "mass" or "box", whichever varies less; "stroke": the width of a stroke, twice its area
        over the length of its edge (the total variation of the ink).
    """
    height, width = images.shape[1:]
    edge = np.concatenate([images[:, [0, -1]].ravel(), images[:, :, [0, -1]].ravel()])
    paper = float(np.median(edge))
    ink = float(np.percentile(images, 99.5 if paper < 128 else 0.5))
    figures = [f for f in np.clip((images - paper) / ((ink - paper) or 1), 0, 1) if f.max() > 0.3]
    if not figures:
        return None
    boxes = np.array([_box(figure) for figure in figures])  # x, y, width, height
    centres = {
        "mass": np.array([_mass(figure) for figure in figures]),
        "box": boxes[:, :2] + boxes[:, 2:] / 2,
    }
    by = min(centres, key=lambda name: centres[name].std(axis=0).sum())
    sides = np.array([width, height])
    strokes = [2 * figure.sum() / _edge(figure) for figure in figures]
    return {
        "size": [height, width],
        "paper": round(paper),
        "ink": round(ink),
        "extent": float((boxes[:, 2:] / sides).max(axis=1).mean()),
        "centre": (centres[by].mean(axis=0) / sides).tolist(),
        "centred_by": by,
        "stroke": float(np.median(strokes) / max(height, width)),
    }


def _box(figure):
    rows, columns = np.flatnonzero(figure.max(1) > 0.3), np.flatnonzero(figure.max(0) > 0.3)
    return (
        columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1,
    )  # fmt: skip


def _mass(figure):
    y, x = np.indices(figure.shape) + 0.5
    return (x * figure).sum() / figure.sum(), (y * figure).sum() / figure.sum()


def _edge(figure):
    """Length of the edge of the ink: its total variation."""
    padded = np.pad(figure, 1)
    down, right = np.diff(padded, axis=0)[:, :-1], np.diff(padded, axis=1)[:-1]
    return np.hypot(down, right).sum()
