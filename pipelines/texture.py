"""What happens to the pixels of a uint8 image beyond geometry and colour: tone, blur, noise, holes.

Each function takes (image (h, w, 1 or 3), value) and returns an image of the same shape. Noise is
decided by a whole number `key` of its value, so that the same value gives the same pixels.
"""

import math
from functools import cache
from statistics import NormalDist

import cv2
import numpy as np

from pipelines.chance import words
from pipelines.colour import levels


def _like(image, shape):
    return image.reshape(shape)  # OpenCV drops the last axis of a grey image


def _blend(image, other, share):
    """Levels of image + share (other - image), rounded and clipped: beyond 1 it overshoots."""
    return _like(cv2.addWeighted(other, share, image, 1 - share, 0), image.shape)


def autocontrast(image, share):
    """Blend with the image whose darkest level in each channel is 0 and whose lightest is 255."""
    low, high = (part.reshape(-1).astype(float) for part in (image.min((0, 1)), image.max((0, 1))))
    span = np.where(high > low, high - low, 255)
    table = (np.arange(256)[:, None] - np.where(high > low, low, 0)) * 255 / span
    return _blend(image, _through(image, levels(table)), share)


def equalize(image, share):
    """Blend with the image whose levels are equally frequent in each channel.

    v' = 255 (c(v) - c0) / (n - c0), c counting the pixels up to a level, c0 those of the least.
    """
    counts = np.stack([np.bincount(plane.ravel(), minlength=256) for plane in cv2.split(image)], 1)
    up_to = counts.cumsum(0)
    total, least = up_to[-1], np.array([c[c > 0][0] for c in counts.T])
    table = np.where(total > least, (up_to - least) * 255 / np.maximum(total - least, 1), 0)
    flat = np.where(total > least, table, np.arange(256)[:, None])
    return _blend(image, _through(image, levels(flat)), share)


def solarize(image, share):
    """Invert the levels above 255 (1 - share): v' = 255 - v."""
    level = np.arange(256)
    table = np.where(level > 255 * (1 - share), 255 - level, level).astype(np.uint8)
    return _through(image, table[:, None])


def posterize(image, bits):
    """Keep the leading 8 - bits bits of each level."""
    table = (np.arange(256) >> round(bits) << round(bits)).astype(np.uint8)
    return _through(image, table[:, None])


def _through(image, table):
    """Look the levels up in a table (256, 1) or, for each channel, (256, channels)."""
    return _like(cv2.LUT(image, table.reshape(1, 256, -1)), image.shape)


def sharpness(image, factor):
    """Levels v' = s + factor (v - s), s being smoothed by [[1, 1, 1], [1, 5, 1], [1, 1, 1]] / 13.

    Pillow's ImageEnhance.Sharpness, which RandAugment names; above 1 sharpens.
    """
    kernel = np.ones((3, 3), np.float32)
    kernel[1, 1] = 5
    smooth = cv2.filter2D(image, -1, kernel / 13, borderType=cv2.BORDER_REPLICATE)
    return _blend(image, _like(smooth, image.shape), 1 - factor)


def blur(image, sigma):
    """Weigh neighbours by exp(-d^2 / 2 sigma^2); d and sigma in pixels, reflected at the border."""
    size = 2 * math.ceil(3 * sigma) + 1
    blurred = cv2.GaussianBlur(image, (size, size), sigma, borderType=cv2.BORDER_REFLECT)
    return _like(blurred, image.shape)


@cache
def _normal():
    """65,536 equally likely values of the normal distribution, by rank."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse((i + 0.5) / 65536) for i in range(65536)], np.float32)


def noise(image, value):
    """Levels v' = v + n, n normal with deviation `sigma` levels, drawn for each value anew.

    Args:
        value: (sigma, key).
    """
    sigma, key = value
    table = np.rint(sigma * _normal()).astype(np.int16)
    drawn = np.take(table, words(key, image.size)).reshape(image.shape)
    return _like(cv2.add(image, drawn, dtype=cv2.CV_8U), image.shape)


def impulse(image, value):
    """Turn a `share` of the pixels black or white, one as likely as the other.

    Args:
        value: (share, key).
    """
    share, key = value
    height, width, _ = image.shape
    drawn = words(key, height * width).reshape(height, width)
    limit = round(share * 32768)
    image = image.copy()
    image[drawn < limit] = 0
    image[drawn >= 65536 - limit] = 255
    return image


def erase(image, value):
    """Fill a rectangle with random levels (Zhong et al. 2017, "Random erasing", algorithm 1).

    Args:
        value: (area as a share of the image, aspect = height / width, x, y, key); x and y place
            it, 0 at the left or top, 1 at the other side.
    """
    area, aspect, x, y, key = value
    height, width, channels = image.shape
    tall = min(height, round(math.sqrt(area * height * width * aspect)))
    wide = min(width, round(math.sqrt(area * height * width / aspect)))
    top, left = round(y * (height - tall)), round(x * (width - wide))
    drawn = words(key, tall * wide * channels).astype(np.uint8).reshape(tall, wide, channels)
    image = image.copy()
    image[top : top + tall, left : left + wide] = drawn
    return image
