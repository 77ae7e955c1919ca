"""Every augmentation against numpy, one pixel at a time; eagerly, in tf.data, in any thread."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from pipelines import augment, recipes
from pipelines.chance import words
from pipelines.errors import UserError
from pipelines.operations import OPERATIONS
from pipelines.policy import CHOICES, RandAugment, TrivialAugment

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (9, 11, 3), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (9, 11, 1), dtype=np.uint8)
every_recipe = pytest.mark.parametrize("name", recipes.RECIPES)
every_operation = pytest.mark.parametrize("name", OPERATIONS)
LUMA = np.array([0.299, 0.587, 0.114])


def sampled(image, places, fill):
    """Bilinear values of an image at places (height, width, 2) of (x, y)."""
    height, width = image.shape[:2]
    out = np.zeros((*places.shape[:2], image.shape[2]))
    for index in np.ndindex(*places.shape[:2]):
        x, y = places[index]
        for near_x in (math.floor(x), math.floor(x) + 1):
            for near_y in (math.floor(y), math.floor(y) + 1):
                share = (1 - abs(x - near_x)) * (1 - abs(y - near_y))
                if fill == "reflect":
                    folded_x = near_x % (2 * width)
                    folded_x = min(folded_x, 2 * width - 1 - folded_x)
                    folded_y = near_y % (2 * height)
                    folded_y = min(folded_y, 2 * height - 1 - folded_y)
                    out[index] += share * image[folded_y, folded_x]
                elif 0 <= near_x < width and 0 <= near_y < height:
                    out[index] += share * image[near_y, near_x]
    return out


# Where a point (x, y) about the centre was before, in closed form: the inverse of the formulas.
BEFORE = {
    "flip_x": lambda v, x, y, w, h: (-x if v else x, y),
    "flip_y": lambda v, x, y, w, h: (x, -y if v else y),
    "scale": lambda v, x, y, w, h: (x / v, y / v),
    "rotate": lambda v, x, y, w, h: (
        x * math.cos(math.radians(v)) + y * math.sin(math.radians(v)),
        y * math.cos(math.radians(v)) - x * math.sin(math.radians(v)),
    ),
    "shear_x": lambda v, x, y, w, h: (x - y * math.tan(math.radians(v)), y),
    "shear_y": lambda v, x, y, w, h: (x, y - x * math.tan(math.radians(v))),
    "perspective_x": lambda v, x, y, w, h: (x / (1 - 2 * v * x / w), y / (1 - 2 * v * x / w)),
    "perspective_y": lambda v, x, y, w, h: (x / (1 - 2 * v * y / h), y / (1 - 2 * v * y / h)),
    "pad_x": lambda v, x, y, w, h: (x - round(v * w), y),
    "pad_y": lambda v, x, y, w, h: (x, y - round(v * h)),
    "shift_x": lambda v, x, y, w, h: (x - v * w, y),
    "shift_y": lambda v, x, y, w, h: (x, y - v * h),
}


def moved(image, values, fill="constant"):
    """All geometry of `values`, undone in turn from the last to the first."""
    height, width = image.shape[:2]
    places = np.zeros((height, width, 2))
    for row, column in np.ndindex(height, width):
        x, y = column - (width - 1) / 2, row - (height - 1) / 2
        for name, value in reversed(values.items()):
            x, y = BEFORE[name](value, x, y, width, height)
        places[row, column] = x + (width - 1) / 2, y + (height - 1) / 2
    return sampled(image, places, fill)


def framed(image, wide, tall, x, y):
    """A part of an image, stretched over the size of the image; its border goes on for ever."""
    height, width = image.shape[:2]
    wide, tall = round(wide), round(tall)
    left, top = round(x * (width - wide)), round(y * (height - tall))
    x = np.clip((np.arange(width) + 0.5) * wide / width - 0.5, 0, wide - 1)
    y = np.clip((np.arange(height) + 0.5) * tall / height - 0.5, 0, tall - 1)
    part = image[top : top + tall, left : left + wide]
    return sampled(part, np.stack(np.meshgrid(x, y), -1), "constant")


def cropped(value, image):
    area, aspect, x, y = value
    height, width = image.shape[:2]
    wide = math.sqrt(area * width * height * aspect)
    tall = math.sqrt(area * width * height / aspect)
    return framed(image, wide, tall, x, y)


def windowed(value, image):
    share, x, y = value
    side = share * min(image.shape[:2])
    return framed(image, side, side, x, y)


def hue(degrees, image):
    """By complex numbers: I + iQ is turned."""
    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    y, i, q = np.moveaxis(image @ yiq.T, -1, 0)
    turned = (i + 1j * q) * np.exp(1j * math.radians(degrees))
    return np.stack([y, turned.real, turned.imag], -1) @ np.linalg.inv(yiq).T


def pca(weights, image):
    axes = [[-0.5675, -0.5808, -0.5836], [0.7192, -0.0045, -0.6948], [0.4009, -0.8140, 0.4203]]
    spreads = (55.46, 4.794, 1.148)
    return image + sum(w * s * np.array(a) for w, s, a in zip(weights, spreads, axes, strict=True))


def equalized(share, image):
    out = np.empty(image.shape)
    for c in range(image.shape[-1]):
        plane = image[..., c].astype(int)
        least = (plane == plane.min()).sum()
        ranks = np.array([(plane <= v).sum() for v in plane.ravel()]).reshape(plane.shape)
        out[..., c] = np.rint(255 * (ranks - least) / (plane.size - least))
    return image + share * (out - image)


def stretched(share, image):
    low, high = image.min((0, 1)), image.max((0, 1))
    return image + share * (np.rint((image - low) * 255 / (high - low)) - image)


def smoothed(kernel, image, mode):
    reach = len(kernel) // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode)
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape, (0, 1))
    return np.einsum("yxcij,ij->yxc", views, kernel)


def sharpened(factor, image):
    kernel = np.ones((3, 3)) + np.diag([0, 4, 0])
    smooth = smoothed(kernel / 13, image, "edge")
    return smooth + factor * (image - smooth)


def blurred(sigma, image):
    reach = math.ceil(3 * sigma)
    line = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    return smoothed(np.outer(line, line) / line.sum() ** 2, image, "symmetric")


def noisy(value, image):
    from scipy.special import ndtri

    sigma, key = value
    return image + sigma * ndtri((words(key, image.size) + 0.5) / 65536).reshape(image.shape)


def struck(value, image):
    share, key = value
    drawn = words(key, image.size // image.shape[-1]).reshape(*image.shape[:2], 1) / 65536
    return np.where(drawn < share / 2, 0, np.where(drawn >= 1 - share / 2, 255, image))


def erased(value, image):
    area, aspect, x, y, key = value
    height, width, channels = image.shape
    tall = round(math.sqrt(area * height * width * aspect))
    wide = round(math.sqrt(area * height * width / aspect))
    top, left = round(y * (height - tall)), round(x * (width - wide))
    out = image.copy()
    levels = words(key, tall * wide * channels) % 256
    out[top : top + tall, left : left + wide] = levels.reshape(tall, wide, channels)
    return out


TWINS = {name: lambda v, image, name=name: moved(image, {name: v}) for name in BEFORE} | {
    "crop": cropped,
    "window": windowed,
    "brightness": lambda v, image: v * image,
    "contrast": lambda v, image: (image @ LUMA).mean() * (1 - v) + v * image,
    "saturation": lambda v, image: (image @ LUMA)[..., None] * (1 - v) + v * image,
    "hue": hue,
    "pca": pca,
    "autocontrast": stretched,
    "equalize": equalized,
    "solarize": lambda v, image: np.where(image > 255 * (1 - v), 255 - image, image),
    "posterize": lambda v, image: image // 2**v * 2**v,
    "sharpness": sharpened,
    "blur": blurred,
    "noise": noisy,
    "impulse": struck,
    "erase": erased,
}
VALUES = {
    "crop": [(0.5, 1.2, 0.3, 0.9), (0.9, 11 / 9, 0, 1)],
    "window": [(0.6, 0.2, 0.7), (1, 0, 0)],
    "flip_x": [0, 1],
    "flip_y": [0, 1],
    "pca": [np.array([0.5, -0.7, 0.2])],
    "posterize": [0, 3, 7],
    "noise": [(0, 5), (20.0, 6)],
    "impulse": [(0, 5), (0.3, 2**53 - 1)],
    "erase": [(0.2, 0.5, 0.1, 1, 9), (0.01, 1, 0.5, 0.5, 3)],
    "blur": [0.6, 2.0],
}


def values(name):
    low, high = (
        OPERATIONS[name].full
        or {"hue": (-60, 90), "scale": (0.7, 1.4)}.get(name)
        or (OPERATIONS[name].limits)
    )
    return VALUES.get(name, [low, low + 0.37 * (high - low), high])


def test_every_augmentation_has_its_twin():
    assert set(TWINS) == set(OPERATIONS)


@pytest.mark.parametrize("name, value", [(n, v) for n in OPERATIONS for v in values(n)])
def test_every_augmentation_does_what_its_formula_says(name, value):
    ours = augment.apply(IMAGE, {name: value})
    expected = np.clip(TWINS[name](value, IMAGE.astype(float)), 0, 255)
    # Half a level of rounding; colour keeps 10 bits of a factor, what blends or blurs rounds twice.
    slack = {"frame": 1, "geometry": 0.6, "colour": 1, "texture": 1.5}[OPERATIONS[name].stage]
    assert np.abs(ours - expected).max() <= slack
    assert ours.shape == IMAGE.shape
    assert ours.dtype == np.uint8


@pytest.mark.parametrize(
    "name, value",
    [(n, v) for n in OPERATIONS for v in values(n) if n not in ("noise", "erase")],
)  # these two are drawn for each channel
def test_a_grey_image_is_a_colour_image_of_equal_channels(name, value):
    grey = augment.apply(GREY, {name: value})[..., 0].astype(float)
    colour = augment.apply(np.repeat(GREY, 3, axis=-1), {name: value})
    slack = 2 if name == "pca" else 1  # three channels are clipped each on their own
    inner = (colour > 0).all(-1) & (colour < 255).all(-1)
    assert np.abs(grey - colour @ LUMA)[inner].max(initial=0) <= slack


@pytest.mark.parametrize("fill", augment.BORDERS)
def test_all_geometry_at_once_is_one_warp(fill):
    given = {
        "flip_x": 1, "scale": 0.8, "rotate": 25, "shear_x": 10, "shear_y": -8,
        "perspective_x": 0.2, "perspective_y": -0.1, "pad_x": 0.2, "shift_x": 0.07, "shift_y": -0.2,
    }  # fmt: skip
    ours = augment.apply(IMAGE, given, fill=fill)
    assert np.abs(ours - moved(IMAGE, given, fill)).max() <= 0.6


def test_all_colour_at_once_is_rounded_and_clipped_once():
    given = {"brightness": 1.3, "contrast": 0.6, "saturation": 1.8, "hue": 40}
    given["pca"] = np.array([0.1, -0.2, 0.3])
    image = IMAGE.astype(float)
    for name, value in given.items():
        image = TWINS[name](value, image)
    ours = augment.apply(IMAGE, given)
    assert np.abs(ours - np.clip(image, 0, 255)).max() <= 1


@pytest.mark.parametrize(
    "name, value, pillow",
    [
        ("brightness", 1.4, lambda image: ImageEnhance.Brightness(image).enhance(1.4)),
        ("contrast", 0.4, lambda image: ImageEnhance.Contrast(image).enhance(0.4)),
        ("saturation", 0.4, lambda image: ImageEnhance.Color(image).enhance(0.4)),
        ("sharpness", 0.3, lambda image: ImageEnhance.Sharpness(image).enhance(0.3)),
        ("autocontrast", 1, ImageOps.autocontrast),
        ("solarize", 0.5, lambda image: ImageOps.solarize(image, 128)),
        ("posterize", 3, lambda image: ImageOps.posterize(image, 5)),
    ],
)
def test_the_names_of_randaugment_mean_what_pillow_means(name, value, pillow):
    ours = augment.apply(IMAGE, {name: value}).astype(int)
    theirs = np.asarray(pillow(Image.fromarray(IMAGE))).astype(int)
    if name == "sharpness":  # Pillow leaves the outermost pixels as they are
        ours, theirs = ours[1:-1, 1:-1], theirs[1:-1, 1:-1]
    assert np.abs(ours - theirs).max() <= 2  # Pillow rounds in between, and down


def test_a_quarter_turn_is_clockwise_and_exact():
    square = IMAGE[:, :9]
    np.testing.assert_array_equal(augment.apply(square, {"rotate": 90}), np.rot90(square, -1))


def test_reflection_fills_with_the_image_itself():
    shifted = augment.apply(IMAGE, {"shift_x": 2 / 11}, fill="reflect")
    np.testing.assert_array_equal(shifted[:, 2:], IMAGE[:, :-2])
    np.testing.assert_array_equal(shifted[:, :2], IMAGE[:, 1::-1])


@pytest.mark.parametrize("times", [2, 4, 8])
def test_a_much_larger_source_is_averaged_not_skipped(times):
    fine = np.zeros((16 * times, 16 * times, 3), np.uint8)
    fine[:, ::2] = 255
    ours = augment.apply(fine, {"rotate": 0.0}, (16, 16, 3))
    assert np.abs(ours.astype(int) - 127.5).max() <= 1
    upright = augment.apply(fine, {"rotate": 1e-9}, (16, 16, 3))  # by a warp, not by a resize
    assert np.abs(upright.astype(int) - ours).max() <= 1
    blocks = RANDOM.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    large = blocks.repeat(times, 0).repeat(times, 1)
    np.testing.assert_array_equal(augment.apply(large, {}, (16, 16, 3)), blocks)


def test_noise_is_normal_and_new_for_every_pixel_channel_and_image():
    flat = np.full((100, 100, 3), 128, np.uint8)
    one, two = (augment.apply(flat, {"noise": (10.0, key)}).astype(float) - 128 for key in (1, 2))
    assert abs(one.mean()) < 0.3
    assert abs(one.std() - 10) < 0.2
    assert (np.abs(one) > 20).mean() == pytest.approx(0.0455, abs=0.01)  # beyond two deviations
    pairs = [(one[..., 0], one[..., 1]), (one[:-1], one[1:]), (one[:, :-1], one[:, 1:]), (one, two)]
    for a, b in pairs:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.03


def first(value):
    return value[0] if isinstance(value, tuple) else value


@every_operation
def test_draws_stay_in_their_range_and_fill_it(name):
    idle = OPERATIONS[name].idle
    ranges = {"flip_x": 0.3, "flip_y": 0.3, "crop": (0.1, 0.9, 0.5, 2), "window": (0.4, 0.8)}
    given = ranges.get(name, (idle[0] + 0.1, idle[0] + 0.4))
    given = (1, 4) if name == "posterize" else given
    recipe = recipes.recipe(**{name: given})
    drawn = [augment.draw(recipe, 3, epoch, i)[name] for epoch in range(5) for i in range(80)]
    if name.startswith("flip"):
        assert np.mean(drawn) == pytest.approx(0.3, abs=0.08)
    elif name == "pca":
        drawn = np.ravel(drawn) / 0.25  # the middle of the deviations
        assert abs(drawn.mean()) < 0.1
        assert drawn.std() == pytest.approx(1, abs=0.15)
    else:
        seen = np.array([first(value) for value in drawn])
        low, high = given[:2]
        assert ((seen >= low) & (seen <= high)).all()
        assert np.ptp(seen) >= 0.9 * (high - low)
        assert seen.mean() == pytest.approx((low + high) / 2, abs=0.1 * (high - low))
    assert len({str(value) for value in drawn}) > (1 if name.startswith("flip") else 3)


def test_a_crop_has_the_area_and_the_aspect_that_were_drawn_wherever_both_fit():
    from pipelines.geometry import crop

    for i in range(300):
        drawn = augment.draw(recipes.RECIPES["inception"], 0, 0, i)["crop"]
        left, top, width, height = crop(drawn, 500, 375)
        assert width * height == pytest.approx(drawn[0] * 500 * 375, rel=0.01)  # whole pixels
        assert min(left, top) >= 0
        assert left + width <= 500
        assert top + height <= 375
        fits = drawn[0] * 375 / 500 < 1 / drawn[1] and drawn[1] < 500 / (drawn[0] * 375)
        if fits and drawn[1] > drawn[0] * 500 / 375:
            assert width / height == pytest.approx(drawn[1], rel=0.02)


@every_recipe
def test_the_same_seed_epoch_and_index_give_the_same_pixels_anywhere(name):
    recipe = recipes.RECIPES[name]
    images = np.stack([IMAGE] * 6)

    def one(i):
        return augment.augment(images[i], recipe, 7, 2, i)

    alone = [one(i) for i in range(6)]
    for threads in (1, 2, 4):
        mapped = tf.data.Dataset.range(6).map(
            lambda i: tf.numpy_function(one, [i], tf.uint8), num_parallel_calls=threads
        )
        np.testing.assert_array_equal(np.stack(list(mapped.as_numpy_iterator())), alone)
    if recipe.active():
        assert len({image.tobytes() for image in alone}) >= 3  # a flip alone has two outcomes
        assert any((augment.augment(IMAGE, recipe, 7, 3, i) != alone[i]).any() for i in range(6))
        assert any((augment.augment(IMAGE, recipe, 8, 2, i) != alone[i]).any() for i in range(6))
    else:
        np.testing.assert_array_equal(alone, images)


def test_another_process_draws_the_same():
    script = (
        "import numpy as np, hashlib\nfrom pipelines import augment, recipes\n"
        "image = np.arange(768, dtype=np.uint8).reshape(16, 16, 3)\n"
        "out = [augment.augment(image, r, 1, 2, i) for r in recipes.RECIPES.values() "
        "for i in range(5)]\n"
        "print(hashlib.sha256(np.stack(out).tobytes()).hexdigest())"
    )
    here = {}
    exec(script.replace("print(", "found = ("), here)
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert there.stdout.strip() == here["found"], there.stderr


@every_operation
def test_every_operation_of_a_recipe_does_something(name):
    low, high = {"crop": (0.2, 0.4), "window": (0.4, 0.5), "blur": (1, 2)}.get(name) or (
        OPERATIONS[name].full or OPERATIONS[name].limits
    )
    low = max(low, 0.3) if name in ("scale", "noise", "impulse", "erase") else low
    given = (low, high, 0.8, 1.25) if name == "crop" else (low, high)
    recipe = recipes.recipe(**{name: given})
    assert any((augment.augment(IMAGE, recipe, 0, 0, i) != IMAGE).any() for i in range(6))


@pytest.mark.parametrize(
    "one, other",
    [
        ({"shift": 0.3}, {"shift": 0.3, "fill": "reflect"}),
        ({"blur": 2}, {"blur": 2, "chances": {"blur": 0.1}}),
        ({}, {"policy": RandAugment()}),
        ({"policy": RandAugment(2, 0.5)}, {"policy": RandAugment(3, 0.5)}),
        ({"policy": RandAugment(2, 0.5)}, {"policy": RandAugment(2, 0.6)}),
        ({"policy": RandAugment(1, 0.5)}, {"policy": TrivialAugment()}),
    ],
)
def test_every_option_of_a_recipe_does_something(one, other):
    one, other = (
        np.stack([augment.augment(IMAGE, recipes.recipe(**options), 0, 0, i) for i in range(12)])
        for options in (one, other)
    )
    assert (one != other).any()


def test_a_chance_is_how_often_an_augmentation_is_used():
    recipe = recipes.recipe(erase=0.2, chances={"erase": 0.25})
    used = ["erase" in augment.draw(recipe, 0, 0, i) for i in range(600)]
    assert np.mean(used) == pytest.approx(0.25, abs=0.05)


def test_randaugment_picks_each_as_often_and_at_the_strength_asked_for():
    picked = [RandAugment(2, 0.5).ranges(1, 0, i) for i in range(2000)]
    counts = np.array([sum(name in ranges for ranges in picked) for name in CHOICES])
    assert counts / 2000 == pytest.approx(np.full(len(CHOICES), 2 / (len(CHOICES) + 1)), abs=0.03)
    turns = {ranges["rotate"] for ranges in picked if "rotate" in ranges}
    assert turns == {(-15, -15), (15, 15)}  # half of 30 degrees, either way
    assert len(CHOICES) == 13


def test_trivialaugment_picks_one_at_any_strength():
    picked = [TrivialAugment().ranges(1, 0, i) for i in range(3000)]
    assert {len(ranges) for ranges in picked} == {0, 1}
    turns = [abs(ranges["rotate"][0]) for ranges in picked if "rotate" in ranges]
    assert 0 < min(turns) < 3
    assert 27 < max(turns) < 30


@pytest.mark.parametrize(
    "given, word",
    [
        ({"rotat": (0, 5)}, "did you mean rotate"),
        ({"rotate": (5, -5)}, "from low"),
        ({"rotate": (0, 1000)}, "within -360 to 360"),
        ({"rotate": (0, 1, 2)}, "takes 2 numbers"),
        ({"crop": (0.1, 1)}, "takes 4 numbers"),
        ({"noise": (0, float("nan"))}, "within 0 to 128"),
        ({"fill": "mirror"}, "no fill"),
        ({"chances": {"blur": 0.5}}, "no range"),
        ({"crop": (0.1, 1, 1, 1), "window": 0.5}, "one of them"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(given, word):
    with pytest.raises(UserError, match=word):
        recipes.recipe(**given)


def test_the_page_of_augmentation_names_every_operation_and_recipe():
    page = (Path(__file__).parent.parent / "docs" / "augmentation.md").read_text()
    names = {row.split("|")[1].strip() for row in page.splitlines() if row.startswith("| ")}
    told = {name.strip() for cell in names for name in cell.split(",")}
    told |= {name.replace("_x", "_y") for name in told}
    assert not (set(OPERATIONS) | set(recipes.RECIPES)) - told
