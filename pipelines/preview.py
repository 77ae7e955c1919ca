"""A contact sheet: what augmentation does to the user's own images, to be looked at."""

import numpy as np
import tensorflow as tf
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from pipelines import augment, recipes
from pipelines.dataset import pixels, stratified, subset
from pipelines.files import whole_file

COLUMNS = 8
TILE = 96  # pixels
MARGIN = 150  # room for the label of a row
LINE = 34  # height of a title


def sheet(source, recipe_name, *, size, seed=0):
    """Draw the sheet and return it as an image.

    The first rows show each augmentation of the recipe alone, from the least to the most of its
    range; the rest show the whole recipe on images of different classes, the original first.

    Args:
        source: a `sources.Source`; its train split is shown.
        recipe_name: a key of RECIPES.
        size: height and width at which the model sees the images.
    """
    recipe = recipes.find(recipe_name)
    split = subset(source.splits["train"], stratified(source.splits["train"], 6))
    images = pixels(split, (size, size, source.channels))
    rows = [(label, tiles) for label, tiles in _alone(images[0], recipe)]
    for i, image in enumerate(images):
        name = source.classes[split.labels[i]]
        drawn = [augment.augment(image, recipe, seed, e, i) for e in range(COLUMNS - 1)]
        rows.append((name, [image, *map(np.asarray, drawn)]))
    return _draw(f"{source.spec}: recipe {recipe_name}, {size} x {size} pixels", rows)


def _alone(image, recipe):
    """For each active range: (label, tiles from its low end to its high end)."""
    image = tf.constant(image)
    for name in recipe.active():
        low, high = getattr(recipe, name)
        keys = ("shift_x", "shift_y") if name == "shift" else (name,)
        tiles = []
        for value in np.linspace(low, high, COLUMNS):
            parameters = augment.NEUTRAL | dict.fromkeys(keys, float(value))
            parameters = {key: tf.constant(v, tf.float32) for key, v in parameters.items()}
            tiles.append(np.asarray(augment.apply(image, parameters, fill=recipe.fill)))
        yield f"{name}\n{low:g} to {high:g}", tiles


def _font(size):
    # Pillow's own has ASCII alone, and classes are named in every language.
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)


def _draw(title, rows):
    width, height = MARGIN + COLUMNS * TILE, LINE + len(rows) * TILE
    canvas = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(canvas)
    pen.text((10, 8), title, "black", _font(16))
    for i, (label, tiles) in enumerate(rows):
        top = LINE + i * TILE
        pen.multiline_text((10, top + TILE // 3), label[:60], "black", _font(14))
        for j, tile in enumerate(tiles):
            image = Image.fromarray(tile[..., 0] if tile.shape[-1] == 1 else tile)
            image = image.resize((TILE - 4, TILE - 4), Image.Resampling.NEAREST)
            canvas.paste(image, (MARGIN + j * TILE, top + 2))
    return canvas


def write(source, recipe_name, path, *, size, seed=0):
    """Write the sheet to `path`, a PNG file, whole or not at all."""
    with whole_file(path) as temporary:
        sheet(source, recipe_name, size=size, seed=seed).save(temporary, "PNG")
