"""Augmentation against numpy, eagerly and inside tf.data."""

import math
from dataclasses import fields

import numpy as np
import pytest
import tensorflow as tf

from pipelines import augment, recipes

IMAGE = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
every_recipe = pytest.mark.parametrize("name", recipes.RECIPES)


def applied(image, fill="constant", **changes):
    parameters = augment.NEUTRAL | changes
    parameters = {name: tf.constant(value, tf.float32) for name, value in parameters.items()}
    return augment.apply(tf.constant(image), parameters, fill=fill).numpy()


def by_numpy(image, *, shift_x=0, shift_y=0, rotate=0, scale=1, contrast=1):
    """Each pixel of the result, looked up one at a time."""
    height, width, channels = image.shape
    angle = math.radians(rotate)
    out = np.zeros(image.shape)
    for y in range(height):
        for x in range(width):
            u = x - (width - 1) / 2 - shift_x * width
            v = y - (height - 1) / 2 - shift_y * height
            from_x = (math.cos(angle) * u + math.sin(angle) * v) / scale + (width - 1) / 2
            from_y = (-math.sin(angle) * u + math.cos(angle) * v) / scale + (height - 1) / 2
            x0, y0 = math.floor(from_x), math.floor(from_y)
            for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
                if 0 <= x0 + dx < width and 0 <= y0 + dy < height:
                    share = (1 - abs(from_x - x0 - dx)) * (1 - abs(from_y - y0 - dy))
                    out[y, x] += share * image[y0 + dy, x0 + dx]
    return np.clip(out.mean() + (out - out.mean()) * contrast, 0, 255)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shift_x": 0.25},
        {"shift_y": -0.1},
        {"rotate": 30},
        {"scale": 1.3},
        {"scale": 0.7},
        {"contrast": 0.5},
        {"contrast": 1.5},
        {"shift_x": 0.1, "shift_y": 0.2, "rotate": -20, "scale": 0.9, "contrast": 1.2},
    ],
)
def test_every_range_does_what_its_formula_says(changes):
    ours = applied(IMAGE, **changes).astype(float)
    # Half a level of rounding, and float32 coordinates against float64.
    assert np.abs(ours - by_numpy(IMAGE, **changes)).max() <= 0.6


def test_a_quarter_turn_is_clockwise_and_exact():
    np.testing.assert_array_equal(applied(IMAGE, rotate=90), np.rot90(IMAGE, -1))


def test_reflection_fills_with_the_image_itself():
    shifted = applied(IMAGE, fill="reflect", shift_x=2 / 9)
    np.testing.assert_array_equal(shifted[:, 2:], IMAGE[:, :-2])
    np.testing.assert_array_equal(shifted[:, :2], IMAGE[:, 1::-1])


@every_recipe
def test_draws_stay_in_their_ranges_and_fill_them(name):
    recipe = recipes.RECIPES[name]
    drawn = [augment.draw(recipe, 3, epoch, i) for epoch in range(4) for i in range(60)]
    keys = {"shift": ("shift_x", "shift_y")}
    for field in fields(recipe):
        if field.name == "fill":
            continue
        low, high = getattr(recipe, field.name)
        for key in keys.get(field.name, (field.name,)):
            seen = np.array([float(d[key]) for d in drawn])
            assert ((seen >= low - 1e-6) & (seen <= high + 1e-6)).all()
            assert np.ptp(seen) >= 0.9 * (high - low)


@every_recipe
def test_the_same_seed_epoch_and_index_give_the_same_pixels_in_tf_data(name):
    recipe = recipes.RECIPES[name]
    images = tf.constant(np.stack([IMAGE] * 6))
    dataset = tf.data.Dataset.range(6).map(
        lambda i: augment.augment(images[i], recipe, 7, 2, i), num_parallel_calls=2
    )
    inside = np.stack(list(dataset.as_numpy_iterator()))
    eager = [augment.augment(images[i], recipe, 7, 2, tf.constant(i, tf.int64)) for i in range(6)]
    np.testing.assert_array_equal(inside, np.stack(eager))
    if recipe.active():
        assert len({image.tobytes() for image in inside}) == 6
        other = augment.augment(images[0], recipe, 7, 3, tf.constant(0, tf.int64))
        assert (other.numpy() != inside[0]).any()
    else:
        np.testing.assert_array_equal(inside, images)


@pytest.mark.parametrize("field", [f.name for f in fields(recipes.Augmentation)])
def test_every_option_does_something(field):
    base = {"shift": (0.3, 0.3)} if field == "fill" else {}
    value = "reflect" if field == "fill" else (0.5, 0.5)
    before = recipes.Augmentation(**base)
    after = recipes.Augmentation(**base, **{field: value})
    images = [augment.augment(tf.constant(IMAGE), r, 0, 0, 0).numpy() for r in (before, after)]
    assert (images[0] != images[1]).any()
