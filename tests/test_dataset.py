"""What the model is fed: every image once an epoch, in an order that seed and epoch decide."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import augment, dataset, decode, framing, recipes
from pipelines import mix as mixing
from pipelines.errors import UserError
from pipelines.mix import Mix
from pipelines.sources import Split

SHAPE = (8, 8, 1)
NONE = recipes.RECIPES["none"]


def batches(split, **options):
    options = {"batch_size": 32, "epochs": 2, "seed": 5, "recipe": NONE} | options
    found = dataset.training(split, SHAPE, **options)
    return [(images.tobytes(), labels.tolist()) for images, labels in found.as_numpy_iterator()]


def small(digits, n=100):
    return dataset.subset(digits.splits["train"], dataset.stratified(digits.splits["train"], n))


def test_an_epoch_holds_every_image_once_but_for_a_short_last_batch(digits):
    split = small(digits)
    images = dataset.training(split, SHAPE, batch_size=32, epochs=1, seed=0, recipe=NONE)
    seen = [image.tobytes() for batch, _ in images.as_numpy_iterator() for image in batch]
    own = [image.tobytes() for image in dataset.pixels(split, SHAPE)]
    assert len(seen) == 96
    assert len(set(seen)) >= len(set(own)) - 4  # no image twice
    assert set(seen) <= set(own)


def test_every_epoch_has_another_order_and_every_seed_too(digits):
    split = small(digits)
    first, second = np.split(np.array([labels for _, labels in batches(split)]), 2)
    assert (first != second).any()
    assert batches(split) != batches(split, seed=6)


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_run_taken_up_at_any_step_sees_what_it_would_have_seen(name, digits):
    split, recipe = small(digits), recipes.RECIPES[name]
    whole = batches(split, recipe=recipe)
    assert len(whole) == 2 * dataset.steps_per_epoch(split, 32)
    for step in range(len(whole) + 1):
        assert batches(split, recipe=recipe, first_step=step) == whole[step:]


MIXES = {"plain": {}, "mixed": {"mix": Mix(mixup=0.2, cutmix=1.0), "classes": 10}}


@pytest.mark.parametrize("mixed", MIXES)
@pytest.mark.parametrize("name", ["none", "lecture", "strong"])
def test_processes_together_get_what_one_gets(name, mixed, digits):
    options = {"recipe": recipes.RECIPES[name]} | MIXES[mixed]
    split = small(digits)
    whole = batches(split, first_step=1, **options)
    for count in (2, 4):
        parts = [
            batches(split, first_step=1, shard=(i, count), workers=1 + i % 2, **options)
            for i in range(count)
        ]
        for step, rows in zip(whole, zip(*parts, strict=True), strict=True):
            assert b"".join(images for images, _ in rows) == step[0]
            assert sum((labels for _, labels in rows), []) == step[1]


def test_a_batch_that_cannot_be_shared_is_refused(digits):
    with pytest.raises(UserError, match="multiple of 3"):
        batches(small(digits), shard=(0, 3))


@pytest.mark.parametrize("options", [{}, {"recipe": recipes.RECIPES["strong"]}, MIXES["mixed"]])
def test_the_number_of_steps_and_the_shapes_are_known(options, digits):
    options = {"batch_size": 32, "epochs": 3, "seed": 0, "recipe": NONE} | options
    found = dataset.training(small(digits), SHAPE, first_step=2, **options)
    assert int(found.cardinality()) == 7
    assert found.element_spec[0].shape == (32, *SHAPE)
    soft = "mix" in options
    assert found.element_spec[1].shape == ((32, 10) if soft else (32,))
    assert found.element_spec[1].dtype == ("float32" if soft else "int32")


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_images_and_labels_are_mixed_in_the_same_shares(kind, digits):
    split = small(digits)
    plain = batches(split)
    whole = dataset.training(
        split, SHAPE, batch_size=32, epochs=2, seed=5, recipe=NONE, classes=10,
        mix=Mix(**{kind: 0.7}),
    )  # fmt: skip
    seen = set()
    for step, (images, labels) in enumerate(whole.as_numpy_iterator()):
        x = np.frombuffer(plain[step][0], np.uint8).reshape(-1, *SHAPE).astype(float)
        y = np.eye(10)[plain[step][1]]
        name, share, *place = mixing.draw(Mix(**{kind: 0.7}), 5, step // 3, step % 3)
        assert name == kind
        other = np.roll(x, -1, axis=0)
        if kind == "mixup":
            expected = share * x + (1 - share) * other
        else:
            left, top, right, bottom = mixing.box(share, *place, 8, 8)
            expected = x.copy()
            expected[:, top:bottom, left:right] = other[:, top:bottom, left:right]
            share = 1 - (right - left) * (bottom - top) / 64
        assert np.abs(images - expected).max() <= 0.51
        np.testing.assert_allclose(labels, share * y + (1 - share) * np.roll(y, -1, 0), atol=1e-6)
        seen.add(share)
    assert len(seen) > 2


def test_mixing_draws_what_the_papers_say():
    drawn = [mixing.draw(Mix(mixup=0.4, cutmix=1.0), 0, 0, step) for step in range(2000)]
    shares = {kind: [d[1] for d in drawn if d[0] == kind] for kind in ("mixup", "cutmix")}
    assert len(shares["mixup"]) / 2000 == pytest.approx(0.5, abs=0.05)
    for kind, alpha in (("mixup", 0.4), ("cutmix", 1.0)):  # Beta(a, a): mean 1/2, 1 / (8 a + 4)
        assert np.mean(shares[kind]) == pytest.approx(0.5, abs=0.04)
        assert np.var(shares[kind]) == pytest.approx(1 / (8 * alpha + 4), abs=0.015)
    left, top, right, bottom = mixing.box(0.75, 0.5, 0.5, 100, 200)
    assert (left, top, right, bottom) == (50, 25, 150, 75)  # a quarter of the area


@pytest.fixture(scope="module")
def photograph():
    """A real photograph, 427 x 640."""
    from sklearn.datasets import load_sample_image

    return load_sample_image("china.jpg")


def encoded(pixels, kind="JPEG", **save):
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind, **save)
    return data.getvalue()


@pytest.mark.parametrize("side, least", [(224, 0), (32, 0.2)])
@pytest.mark.parametrize("name", ["alexnet", "inception", "strong"])
def test_decoding_at_the_scale_in_view_changes_nothing_one_can_see(
    name, side, least, photograph, monkeypatch
):
    data, shape, recipe = encoded(photograph, quality=90), (side, side, 3), recipes.RECIPES[name]
    full = decode.decode(tf.constant(data)).numpy()
    items = (np.array([data], object),)
    split = Split(np.zeros(1, np.int32), items, None, ["china"], lambda data: (data, 1, False))
    sizes = []
    decoder = framing.simplejpeg.decode_jpeg

    def noted(*words, **options):
        sizes.append(decoder(*words, **options).shape)
        return decoder(*words, **options)

    monkeypatch.setattr(framing.simplejpeg, "decode_jpeg", noted)
    ours = framing.reader(split, shape, recipe, 3)(np.arange(12), np.zeros(12, int))
    reduced = 0
    for epoch, image in enumerate(ours):
        whole = augment.augment(full, recipe, 3, epoch, 0, shape)
        values = augment.draw(recipe, 3, epoch, 0)
        if sizes[epoch] == full.shape:
            np.testing.assert_array_equal(image, whole)
        elif not {"equalize", "autocontrast", "solarize", "posterize"} & set(values):
            reduced += 1  # the same scale by another filter: small differences, if any
            gain = [max(values.get(k, 1), 1) for k in ("contrast", "brightness", "saturation")]
            assert np.abs(image - whole.astype(float)).mean() <= 5 * np.prod(gain)
    assert reduced >= least * len(ours)


@pytest.mark.parametrize("name", ["inception", "photos"])
@pytest.mark.parametrize("kind", ["upright", "turned", "png", "alpha", "grey", "cmyk"])
def test_every_kind_of_file_is_augmented_from_its_upright_image(kind, name, tmp_path, photograph):
    from pipelines.sources import open_source

    pixels = photograph[:100, :140]
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(4):
            part = pixels[i * 3 :, : 120 + i]
            image = Image.fromarray(part)
            if kind == "turned":
                exif = image.getexif()
                exif[274] = 6
                image.save(tmp_path / c / f"{i}.jpg", exif=exif, quality=95)
            elif kind == "alpha":
                image.putalpha(Image.fromarray(part[..., 0]))
                image.save(tmp_path / c / f"{i}.png")
            else:
                image = image.convert({"grey": "L", "cmyk": "CMYK"}.get(kind, "RGB"))
                image.save(tmp_path / c / f"{i}.{'png' if kind == 'png' else 'jpg'}")
    source = open_source(f"folder:{tmp_path}")
    split, shape = source.splits["train"], (32, 48, source.channels)
    recipe = recipes.RECIPES[name]
    found = dataset.training(split, shape, batch_size=1, epochs=4, seed=1, recipe=recipe, cache=0)
    upright = [split.read(*row).numpy() for row in zip(*split.items, strict=True)]
    if not recipe.frames():
        upright = [decode.to_size(tf.constant(image), shape).numpy() for image in upright]
    for step, (images, _) in enumerate(found.as_numpy_iterator()):
        epoch = step // len(split)
        options = [augment.augment(u, recipe, 1, epoch, i, shape) for i, u in enumerate(upright)]
        # A JPEG that is seen much smaller is decoded smaller; anything else is the same to the bit.
        slack = 3 if recipe.frames() and kind not in ("png", "alpha") else 0
        assert min(np.abs(images[0] - option.astype(float)).mean() for option in options) <= slack


def test_images_read_from_disk_equal_those_from_memory(photos):
    from pipelines.sources import open_source

    split = open_source(f"folder:{photos}").splits["train"]
    kinds = [
        [x.tolist() for x, _ in dataset.evaluation(split, (9, 7, 3), batch_size=4, cache=cache)
         .as_numpy_iterator()]
        for cache in (0, dataset.CACHE)
    ]  # fmt: skip
    assert kinds[0] == kinds[1]
    options = {"batch_size": 4, "epochs": 2, "seed": 1, "recipe": recipes.RECIPES["photos"]}
    kinds = [
        [x.tobytes() for x, _ in dataset.training(split, (9, 7, 3), cache=cache, workers=workers,
         **options).as_numpy_iterator()]
        for cache, workers in ((0, 1), (0, 2), (dataset.CACHE, 1), (dataset.CACHE, 2))
    ]  # fmt: skip
    assert all(kind == kinds[0] for kind in kinds)


def test_a_split_smaller_than_a_batch_is_one_step(digits):
    assert len(batches(small(digits, 10), batch_size=64, epochs=3)) == 3


def test_evaluation_keeps_order_and_leaves_nothing_out(digits):
    split = digits.splits["test"]
    found = list(dataset.evaluation(split, SHAPE, batch_size=100).as_numpy_iterator())
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in found]), split.labels)
    images = np.concatenate([images for images, _ in found])
    np.testing.assert_array_equal(images, dataset.pixels(split, SHAPE))
    assert images.dtype == np.uint8


@pytest.mark.parametrize("count", [1, 10, 200, 10_000])
def test_a_stratified_choice_has_its_share_of_every_class(digits, count):
    split = digits.splits["train"]
    chosen = dataset.stratified(split, count)
    assert len(set(chosen)) == len(chosen) == min(count, len(split))
    share = np.bincount(split.labels[chosen], minlength=10) - len(chosen) / 10
    assert np.abs(share).max() <= 1 + 0.01 * len(chosen)
