"""The evaluation transform against Pillow and numpy."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from pipelines import decode


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright_as_pillow_does(orientation):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.getexif()[274] = orientation
    data = io.BytesIO()
    image.save(data, "PNG", exif=image.getexif())
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data.getvalue()))))
    ours = decode.decode(tf.constant(data.getvalue()), orientation)
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("quality, subsampling", [(60, 2), (90, 1), (97, 0)])
def test_a_jpeg_is_decoded_as_pillow_and_every_browser_do(quality, subsampling):
    from sklearn.datasets import load_sample_image

    data = io.BytesIO()
    Image.fromarray(load_sample_image("china.jpg")).save(
        data, "JPEG", quality=quality, subsampling=subsampling
    )
    expected = np.asarray(Image.open(io.BytesIO(data.getvalue())))
    np.testing.assert_array_equal(decode.decode(tf.constant(data.getvalue())), expected)


def test_transparent_pixels_lie_on_white():
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = (200, 100, 0, 255)
    pixels[0, 1] = (200, 100, 0, 0)
    pixels[1, 0] = (200, 100, 0, 51)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    image = decode.decode(tf.constant(data.getvalue()), alpha=True).numpy()
    assert image[0, 0].tolist() == [200, 100, 0]
    assert image[0, 1].tolist() == [255, 255, 255]
    assert image[1, 0].tolist() == [244, 224, 204]  # a fifth of the colour, four of white


def test_grey_is_exact_for_grey_and_bt601_for_colour():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    grey = decode.to_size(tf.repeat(levels, 3, axis=-1), (16, 16, 1))
    np.testing.assert_array_equal(grey, levels)
    colour = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    expected = np.round(colour @ np.array([0.299, 0.587, 0.114]))[..., None]
    ours = decode.to_size(tf.constant(colour), (8, 8, 1)).numpy()
    assert np.abs(ours - expected).max() <= 1  # halves may round either way in float32
    np.testing.assert_array_equal(
        decode.to_size(tf.constant(levels), (16, 16, 3)), np.repeat(levels, 3, axis=-1)
    )


def bilinear(image, height, width):
    """Enlarge by bilinear interpolation, pixel centres at half."""
    for axis, size in ((0, height), (1, width)):
        length = image.shape[axis]
        place = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, length - 1)
        share = (place - low).reshape(-1, *[1] * (2 - axis))
        image = image.take(low, axis) * (1 - share) + image.take(high, axis) * share
    return image


def test_enlarging_is_bilinear():
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3)).astype(np.uint8)
    ours = decode.to_size(tf.constant(image), (16, 12, 3)).numpy()
    assert np.abs(ours - bilinear(image.astype(float), 16, 12)).max() <= 0.51


def test_shrinking_by_a_whole_factor_keeps_the_mean_and_does_not_alias():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))[..., None]
    ours = decode.to_size(tf.constant(stripes), (16, 16, 1)).numpy()
    assert np.abs(ours[:, 1:-1].astype(int) - 127.5).max() <= 1


@pytest.mark.parametrize("shape", [(24, 32, 3), (7, 9, 1)])
def test_a_golden_vector_is_of_the_pixels_that_evaluation_feeds(shape, tmp_path):
    from hashlib import sha256
    from pathlib import Path

    from pipelines import dataset
    from pipelines.sources import open_source

    rng = np.random.default_rng(0)
    for i in range(12):
        path = tmp_path / "data" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (40, 30) if shape[2] == 1 else (40, 30, 3)
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(path)
    split = open_source(f"folder:{tmp_path / 'data'}").splits["test"]
    fed, _ = next(iter(dataset.evaluation(split, shape, batch_size=len(split))))
    for name, pixels in zip(split.names, fed.numpy(), strict=True):
        found = decode.golden(name, shape)
        assert found["sha256"] == sha256(pixels.tobytes()).hexdigest()
        assert found["shape"] == list(shape)
        assert found["sum"] == pixels.sum()
        for place, value in found["pixels"].items():
            y, x = map(int, place.split(","))
            assert value == pixels[y, x].tolist()
        assert found["image_sha256"] == sha256(Path(name).read_bytes()).hexdigest()
        assert found == decode.golden(name, shape)
