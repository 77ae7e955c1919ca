"""Look at image files before anything is trained on them: each is really decoded, each fault named.

Only files that TensorFlow decodes right are let through. Measured on TensorFlow 2.21: a palette
BMP comes out in wrong colours, an animated WebP can abort the process, a damaged file ends the
epoch without its name.
"""

import hashlib
import io
import os
import stat
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipelines import cli
from pipelines.errors import UserError, did_you_mean

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
EXTENSIONS = (".jpg", ".jpeg", ".jfif", ".png", ".gif", ".bmp", ".webp")
MEGAPIXELS = 50  # a small file can claim to be huge; the header is asked before anything is decoded
ORIENTATION = 274  # the EXIF tag
GREY = ("1", "L", "LA", "I;16", "I;16B", "I")
SIGNATURES = {  # what people rename to .jpg, by its first bytes
    b"<!do": "an HTML page",
    b"<htm": "an HTML page",
    b"<svg": "an SVG drawing",
    b"<?xm": "an XML or SVG file",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"8BPS": "a Photoshop file",
}


@dataclass(frozen=True)
class ImageFacts:
    """What must be known of a file to decode it right and to recognise it again."""

    width: int  # as stored, before the EXIF orientation
    height: int
    orientation: int  # EXIF, 1..8
    grey: bool
    alpha: bool  # declares transparency
    digest: str  # of the file's bytes


class Fault(Exception):
    """Why a file cannot be used, as the end of a sentence that begins with its name."""


def inspect(path):
    """Decode one file fully and return its ImageFacts.

    Raises:
        Fault: the file cannot be used.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for ever
            raise Fault("is not a regular file")
        data = Path(path).read_bytes()
    except OSError as error:
        raise Fault(f"cannot be read: {error.strerror}") from None
    if not data:
        raise Fault("is empty")
    try:
        return _decoded(data)
    except Fault:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error and more
        raise Fault(_reason(data, error)) from None


def _decoded(data):
    with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        warnings.simplefilter("ignore")  # the cap below is stricter than Pillow's warning
        width, height = image.size
        if width * height > MEGAPIXELS * 1_000_000:
            raise Fault(f"claims {width} x {height} pixels, over the limit of {MEGAPIXELS} million")
        if image.format == "WEBP" and getattr(image, "is_animated", False):
            raise Fault("is an animated WebP; save one frame of it")
        if image.format == "BMP" and image.mode != "RGB":
            raise Fault("is a BMP with a palette or alpha; save it as PNG")
        image.load()
        alpha = image.has_transparency_data
        if alpha and image.format == "GIF" and image.convert("RGBA").getextrema()[3][0] < 255:
            raise Fault("is a GIF with transparent pixels; save it as PNG")
        orientation = image.getexif().get(ORIENTATION, 1)
        if orientation not in range(1, 9):
            orientation = 1
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        return ImageFacts(
            width,
            height,
            orientation,
            grey=image.mode in GREY,
            alpha=alpha and image.format != "GIF",
            digest=digest,
        )


def _reason(data, error):
    if isinstance(error, Image.DecompressionBombError):
        return f"claims a size far over the limit of {MEGAPIXELS} million pixels"
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return "is a HEIC or AVIF image; save it as JPEG"
    what = SIGNATURES.get(data[:4].lower()) or SIGNATURES.get(data[:4])
    if what:
        return f"is {what}, not an image that can be used"
    if "cannot identify" in str(error):
        return "is not an image that can be used"
    return f"is cut short or damaged ({str(error).splitlines()[0][:80] or type(error).__name__})"


def inspect_all(paths):
    """Inspect files in parallel; return their facts, or raise with every fault at once.

    Raises:
        UserError: some file cannot be used; all of them are named.
    """

    def one(path):
        try:
            return inspect(path)
        except Fault as fault:
            return fault

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(cli.progress(pool.map(one, paths), len(paths), "checking images"))
    faults = [(path, f) for path, f in zip(paths, found, strict=True) if isinstance(f, Fault)]
    if faults:
        lines = [f"  {display(path)} {fault}" for path, fault in faults]
        count = "1 file" if len(faults) == 1 else f"{len(faults)} files"
        raise UserError(
            f"{count} of {len(paths)} cannot be used; mend or remove:\n" + "\n".join(lines)
        )
    return found


def display(path):
    """A path as text that any terminal and JSON file can hold, on one line."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return text.encode("unicode_escape").decode() if not text.isprintable() else text


def find_image(path):
    """Refuse an image that is not there, with its near misses.

    Raises:
        UserError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        folder = path.parent
        near = [str(folder / p.name) for p in folder.iterdir()] if folder.is_dir() else []
        what = "is a folder" if path.is_dir() else "is not there"
        raise UserError(f"{display(path)} {what}; {did_you_mean(path, near)}")
