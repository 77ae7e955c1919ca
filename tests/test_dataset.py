"""What the model is fed: every image once an epoch, in an order that seed and epoch decide."""

import numpy as np
import pytest

from pipelines import dataset, recipes

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


def test_images_read_from_disk_equal_those_from_memory(photos):
    from pipelines.sources import open_source

    split = open_source(f"folder:{photos}").splits["train"]
    kinds = [
        [x.tolist() for x, _ in dataset.evaluation(split, (9, 7, 3), batch_size=4, cache=cache)
         .as_numpy_iterator()]
        for cache in (0, dataset.CACHE)
    ]  # fmt: skip
    assert kinds[0] == kinds[1]


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
