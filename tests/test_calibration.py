"""Intervals, calibration and crops against closed forms, numpy and scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from export.intervals import paired_difference
from keras_cnns.evaluation import calibration, crops
from pipelines.errors import UserError


def test_the_expected_calibration_error_of_a_model_that_boasts():
    """80 images at 0.9, of which 60 are right, and 20 at 0.6, all right: 0.8*0.15 + 0.2*0.4."""
    confidence = np.repeat([0.9, 0.6], [80, 20])
    right = np.arange(100) >= 20
    rows = calibration.reliability(confidence, right)
    assert calibration.expected_error(rows) == pytest.approx(0.8 * 0.15 + 0.2 * 0.4)
    assert sum(row["images"] for row in rows) == 100
    assert [row["accuracy"] for row in rows if row["images"]] == [1.0, 0.75]


@pytest.mark.parametrize("edge, number", [(0.2, 2), (0.2 + 1e-9, 3), (1.0, 14), (1e-9, 0)])
def test_a_bin_holds_its_upper_edge(edge, number):
    rows = calibration.reliability([edge], [True])
    assert rows[number]["images"] == 1
    assert rows[number]["low"] < edge <= rows[number]["high"]


def test_reliability_is_what_scikit_learn_says():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.01, 0.99, 2000)
    right = random.uniform(size=2000) < confidence**2
    ours = [row for row in calibration.reliability(confidence, right, 10) if row["images"]]
    accuracy, said = calibration_curve(right, confidence, n_bins=10)
    assert [row["accuracy"] for row in ours] == pytest.approx(accuracy.tolist())
    assert [row["confidence"] for row in ours] == pytest.approx(said.tolist())


def test_the_temperature_is_found_where_it_is_known():
    """Labels drawn from softmax(z) and scores 2.5 z: the temperature is 2.5 but for chance."""
    random = np.random.default_rng(1)
    logits = random.normal(size=(20_000, 5))
    chances = np.exp(calibration.tempered(logits, 1.0))
    labels = (random.uniform(size=(len(logits), 1)) > chances.cumsum(1)).sum(1)
    found = calibration.fit_temperature(2.5 * logits, labels)
    assert found == pytest.approx(2.5, rel=0.03)
    assert calibration.slope(2.5 * logits, labels, found) == pytest.approx(0, abs=1e-9)

    def loss(temperature):
        return log_loss(labels, np.exp(calibration.tempered(2.5 * logits, temperature)))

    assert loss(found) < min(loss(found * 1.01), loss(found / 1.01))


def test_the_slope_is_the_derivative_of_the_log_loss():
    random = np.random.default_rng(2)
    logits, labels = random.normal(size=(50, 4)), random.integers(4, size=50)

    def loss(beta):
        return log_loss(labels, np.exp(calibration.tempered(logits, 1 / beta)))

    numeric = (loss(0.7 + 1e-5) - loss(0.7 - 1e-5)) / 2e-5
    assert calibration.slope(logits, labels, 1 / 0.7) == pytest.approx(numeric, abs=1e-7)


@pytest.mark.parametrize("scores", [np.eye(3) * 5, np.zeros((3, 3)), -np.eye(3)])
def test_no_temperature_where_there_is_no_optimum(scores):
    assert calibration.fit_temperature(scores, np.arange(3)) is None


def test_a_paired_difference_counts_only_the_images_that_differ():
    ours = np.repeat([True, True, False, False], [80, 8, 2, 10])
    theirs = np.repeat([True, False, True, False], [80, 8, 2, 10])
    difference, (low, high) = paired_difference(ours, theirs)
    assert difference == pytest.approx(0.06)
    # Agresti and Min 2005 by hand: (8.5 - 2.5) / 102, its deviation from 11 and 6.
    reach = 1.959964 * np.sqrt(11 - 36 / 102) / 102
    assert (low, high) == pytest.approx((6 / 102 - reach, 6 / 102 + reach))
    assert paired_difference(ours, ours)[0] == 0
    swapped = paired_difference(theirs, ours)
    assert (-swapped[0], -swapped[1][1], -swapped[1][0]) == pytest.approx((difference, low, high))


def test_a_paired_interval_covers_the_truth_about_95_times_in_100():
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(2000):
        draw = random.uniform(size=200)
        ours, theirs = draw < 0.90, (draw < 0.85) | (draw > 0.98)  # 0.90 against 0.87
        low, high = paired_difference(ours, theirs)[1]
        covered += low <= 0.03 <= high
    assert 0.93 < covered / 2000 < 0.98


def places(way, image=(256, 256), model=(224, 224)):
    return [(v.top, v.left, v.mirrored) for v in crops.WAYS[way](image, model)]


@pytest.mark.parametrize(
    "way, views", [("flip", 2), ("ten-crop", 10), ("multi-crop", 150), ("144-crop", 144)]
)
@pytest.mark.parametrize("image", [(256, 256), (37, 500), (500, 375), (1, 5000), (8, 8)])
@pytest.mark.parametrize("model", [(224, 224), (32, 48)])
def test_every_view_lies_in_the_image_and_has_the_models_size(way, views, image, model):
    found = crops.WAYS[way](image, model)
    assert len(found) == views
    assert sum(view.mirrored for view in found) == views / 2
    for view in found:
        assert 0 <= view.top <= view.resized[0] - view.size[0]
        assert 0 <= view.left <= view.resized[1] - view.size[1]
        assert np.prod(view.resized) < 20_000_000


def test_ten_crops_of_a_256_square_are_those_of_alexnet():
    corners = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    assert places("ten-crop") == [(y, x, m) for y, x in corners for m in (False, True)]
    wide = crops.ten_crop((256, 300), (224, 224))  # the central square begins at 22
    assert {view.left for view in wide} == {22, 54, 38}


def test_the_views_of_vgg_are_a_grid_at_three_scales():
    views = crops.multi_crop((256, 256), (224, 224))
    assert [view.resized for view in views[::50]] == [(256, 256), (384, 384), (512, 512)]
    assert sorted({view.top for view in views[:50]}) == [0, 8, 16, 24, 32]
    assert sorted({view.left for view in views[100:]}) == [0, 72, 144, 216, 288]


def test_the_views_of_googlenet_are_three_squares_at_four_scales():
    views = crops.crops_144((256, 512), (224, 224))
    assert [v.resized for v in views[::36]] == [(s, 2 * s) for s in (256, 288, 320, 352)]
    whole = [view for view in views if view.size != (224, 224)]
    assert len(whole) == 4 * 3 * 2
    assert [view.left for view in whole[:6:2]] == [0, 128, 256]
    upright = [v for v in crops.crops_144((512, 256), (224, 224)) if v.size != (224, 224)]
    assert [view.top for view in upright[:6:2]] == [0, 128, 256]


@pytest.mark.parametrize("way", ["ten-crop", "multi-crop", "144-crop"])
def test_a_crop_holds_the_pixels_that_it_names(way):
    """On an image that needs no resizing at the first scale, crops are slices."""
    image = np.random.default_rng(4).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    views = [v for v in crops.WAYS[way]((256, 256), (224, 224)) if v.resized == (256, 256)]
    views = [v for v in views if v.size == (224, 224)]
    assert views
    found = crops.cut(image, views, (224, 224, 3))
    for view, crop in zip(views, found, strict=True):
        slice_ = image[view.top : view.top + 224, view.left : view.left + 224]
        np.testing.assert_array_equal(crop, slice_[:, ::-1] if view.mirrored else slice_)


def test_flip_shows_what_evaluation_shows_and_its_mirror_image():
    from pipelines.decode import to_size

    image = np.random.default_rng(5).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    one, other = crops.cut(image, crops.flip((40, 30), (20, 24)), (20, 24, 1))
    np.testing.assert_array_equal(one, to_size(image, (20, 24, 1)))
    np.testing.assert_array_equal(other, one[:, ::-1])


def test_an_unknown_way_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="did you mean ten-crop"):
        crops.find("tencrop")
