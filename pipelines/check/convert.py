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
BITS, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # tags of TIFF 6.0, and a value


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
        return Image.fromarray(_upper_8_bits(image))
    if image.mode == "CMYK" and image.format == "JPEG" and not says_adobe(data):
        # Pillow takes every CMYK JPEG for one of Adobe's, which are stored inverted.
        image = Image.fromarray(255 - np.asarray(image), "CMYK")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        pixels = np.asarray(image).astype(np.uint16)  # which holds 255 * 255, at half of a float
        colour, alpha = pixels[..., :3], pixels[..., 3:]
        return Image.fromarray(
            ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        )
    return image.convert("L" if image.mode in GREY else "RGB")


def _upper_8_bits(image):
    """The levels of a grey image of more than 8 bits; Pillow leaves TIFF's as they are stored."""
    tags = getattr(image, "tag_v2", {})
    bits = min(16, tags.get(BITS, (16,))[0])
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() >= 2**bits:
        raise ValueError(f"its pixels have more than {bits} bits")
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        levels = 2**bits - 1 - levels
    return (levels >> bits - 8).astype(np.uint8)


def to_png(image):
    """Encode an image as PNG, quickly rather than small."""
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=1, exif=b"")
    return data.getvalue()
