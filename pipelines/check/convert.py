"""Odd files as plain PNG: what no decoder but Pillow reads right is handed on as what all do.

Measured on TensorFlow 2.21: a palette BMP comes out in wrong colours, an animated WebP can abort
the process. The first frame is taken, turned upright, laid on white; 16 bits keep their upper 8.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from pipelines.check.facts import AS_IS, MEND
from pipelines.check.jpeg import END, says_adobe

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")
GREY = ("1", "L", "LA", "La", *DEEP)
REFUSED = {"F": "its pixels are real numbers"}


def plain(data, form):
    """The bytes that a decoder is to be handed, for the bytes of a file and its `facts.form`."""
    if form == AS_IS:
        return data
    if form == MEND:
        return data + END
    return to_png(first_frame(data))


def open_image(data):
    """Open bytes by Pillow, of the formats that are used alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cap on pixels is ours, and stricter
        return Image.open(io.BytesIO(data), formats=FORMATS)


def first_frame(data):
    """The first frame as an upright, opaque image of mode L or RGB."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = open_image(data)
        image.load()
        flat = _flat(image, data)
        flat.getexif().update(image.getexif())
        return ImageOps.exif_transpose(flat)


def _flat(image, data):
    if image.mode in REFUSED:
        raise ValueError(REFUSED[image.mode])
    if image.mode in DEEP:
        levels = np.asarray(image).astype(np.int64)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError("its pixels have more than 16 bits")
        return Image.fromarray((levels >> 8).astype(np.uint8))
    if image.mode == "CMYK" and image.format == "JPEG" and not says_adobe(data):
        # Pillow takes every CMYK JPEG for one of Adobe's, which are stored inverted.
        image = Image.fromarray(255 - np.asarray(image), "CMYK")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        pixels = np.asarray(image).astype(np.float32)
        colour, alpha = pixels[..., :3], pixels[..., 3:] / 255
        on_white = np.round(colour * alpha + 255 * (1 - alpha))
        return Image.fromarray(on_white.astype(np.uint8))
    return image.convert("L" if image.mode in GREY else "RGB")


def to_png(image):
    """Encode an image as PNG, quickly rather than small."""
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=1, exif=b"")
    return data.getvalue()
