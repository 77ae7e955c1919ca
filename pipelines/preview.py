"""A contact sheet: what augmentation does to the user's own images, to be looked at."""

import numpy as np
from PIL import Image, ImageDraw

from pipelines import augment, recipes
from pipelines.check import display
from pipelines.dataset import stratified, subset
from pipelines.decode import to_size
from pipelines.files import whole_file
from pipelines.lettering import font
from pipelines.operations import OPERATIONS, UNIFORMS

COLUMNS = 8
TILE = 96  # pixels
MARGIN = 190  # room for the label of a row
LINE = 34  # height of a title
TALL = 20  # rows that stand in one block
GREY = 110  # of explanations
# What the rows of all augmentations show where no recipe says a range: as far as one would go.
SHOWN = {
    "crop": (0.08, 1, 3 / 4, 4 / 3), "window": (0.4, 1), "flip_x": (0, 0.5), "flip_y": (0, 0.5),
    "scale": (0.6, 1.6), "rotate": (-45, 45), "shear_x": (-25, 25), "shear_y": (-25, 25),
    "perspective_x": (-0.4, 0.4), "perspective_y": (-0.4, 0.4), "pad_x": (-0.25, 0.25),
    "pad_y": (-0.25, 0.25), "shift_x": (-0.3, 0.3), "shift_y": (-0.3, 0.3),
    "brightness": (0.3, 1.7), "contrast": (0.2, 1.8), "saturation": (0, 2), "hue": (-90, 90),
    "pca": (0, 0.5), "autocontrast": (0, 1), "equalize": (0, 1), "solarize": (0, 1),
    "posterize": (0, 7), "sharpness": (0, 4), "blur": (0, 3), "noise": (0, 40),
    "impulse": (0, 0.2), "erase": (0, 0.33),
}  # fmt: skip


def sheet(source, recipe_name, *, size, seed=0):
    """Draw the sheet and return it as an image.

    With a recipe: first each of its augmentations alone, from the least to the most of its range,
    then the whole recipe on images of different classes, the original first. With "all": every
    augmentation alone, then every recipe on one image.

    Args:
        source: a `sources.Source`; its train split is shown.
        recipe_name: a key of RECIPES, or "all".
        size: height and width at which the model sees the images.

    Returns:
        A PIL.Image, RGB.
    """
    split = source.splits["train"]
    split = subset(split, stratified(split, 6))
    shape = (size, size, source.channels)
    rows = zip(*split.items, strict=True)
    images = [np.asarray(split.read(*row)) for row in rows]
    everything = recipe_name == "all"
    recipe = recipes.Augmentation(SHOWN) if everything else recipes.find(recipe_name)
    middle = len(images) // 2
    rows = list(_alone(images[middle], recipe, shape))
    shown = [(name, middle) for name in recipes.RECIPES] if everything else []
    shown = shown or [(recipe_name, i) for i in range(len(images))]
    for name, i in shown:
        label = name if everything else source.classes[split.labels[i]]
        note = "whole recipe" if everything else "the original, then drawn"
        rows.append((label, note, _drawn(images[i], recipes.find(name), shape, seed, i)))
    what = "all augmentations and recipes" if everything else f"recipe {recipe_name}"
    return _draw(f"{display(source.spec)}: {what}, {size} x {size} pixels", rows)


def _at_hand(image, recipe, shape):
    """The image as `recipe` gets it: its own size if it takes a part, else the model's."""
    return image if recipe.frames() else to_size(image, shape).numpy()


def _drawn(image, recipe, shape, seed, index):
    """The image as it is evaluated, and as the first epochs of a training see it."""
    given = _at_hand(image, recipe, shape)
    epochs = range(COLUMNS - 1)
    drawn = [augment.augment(given, recipe, seed, epoch, index, shape) for epoch in epochs]
    return [to_size(image, shape).numpy(), *drawn]


def _alone(image, recipe, shape):
    """For each range: (name, what it says, tiles from its low end to its high end)."""
    for name, ends in recipe.ranges.items():
        alone = recipes.Augmentation({name: ends}, fill=recipe.fill)
        given = _at_hand(image, alone, shape)
        tiles = []
        for most in np.linspace(0, 1 - 1e-9, COLUMNS).tolist():
            # All but the first decide of place and kind: the same for every tile, off the centre.
            u = [most, 0.85, 0.3, 0.6, 0.5, 0.5][:UNIFORMS]
            value = OPERATIONS[name].draw(u, *ends)
            tiles.append(augment.apply(given, {name: value}, shape, fill=recipe.fill))
        if any((tile != tiles[0]).any() for tile in tiles):  # a grey image has no hue to turn
            yield name, f"{ends[0]:g} to {ends[1]:g}\n{OPERATIONS[name].unit}", tiles


def _draw(title, rows):
    blocks = 2 if len(rows) > TALL else 1  # side by side, so that a screen holds them
    high, wide = -(-len(rows) // blocks), MARGIN + COLUMNS * TILE
    canvas = Image.new("RGB", (blocks * wide + 2, LINE + high * TILE + 2), "white")
    pen = ImageDraw.Draw(canvas)
    _text(pen, (10, 8), title, 16, "black", canvas.width - 20)
    for i, row in enumerate(rows):
        _row(canvas, pen, (i // high * wide, LINE + i % high * TILE), *row)
    return canvas


def _row(canvas, pen, place, label, note, tiles):
    left, top = place
    _text(pen, (left + 10, top + 18), label, 15, "black", MARGIN - 20)
    for j, line in enumerate(note.splitlines()):
        _text(pen, (left + 10, top + 42 + 16 * j), line, 11, (GREY,) * 3, MARGIN - 20)
    for j, tile in enumerate(tiles):
        image = Image.fromarray(tile[..., 0] if tile.shape[-1] == 1 else tile)
        # Pixels of a small image are to be seen as they are, a large one without jags.
        how = Image.Resampling.NEAREST if image.width < TILE else Image.Resampling.BOX
        image = image.resize((TILE - 4, TILE - 4), how)
        canvas.paste(image, (left + MARGIN + j * TILE, top + 2))


def _text(pen, place, text, size, colour, width):
    """Write one line, in a smaller size or cut short where it does not fit."""
    text = " ".join(text.split())
    while size > 9 and pen.textlength(text, font(text, size)) > width:
        size -= 1
    while pen.textlength(text, font(text, size)) > width:
        text = text[:-2].rstrip() + "…"
    pen.text(place, text, colour, font(text, size))


def write(source, recipe_name, path, *, size, seed=0):
    """Write the sheet to `path`, a PNG file, whole or not at all; return the image."""
    image = sheet(source, recipe_name, size=size, seed=seed)
    with whole_file(path) as temporary:
        image.save(temporary, "PNG", optimize=True)
    return image
