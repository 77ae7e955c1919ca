"""Look at one image file as training will: its bytes are really decoded, its faults are named.

Runs in a child process (see `children`): a decoder may crash, or never come back. The decoders are
those of training: libjpeg-turbo for JPEG, in strict mode, which alone says that data are damaged;
TensorFlow's for PNG and WebP; Pillow for what is converted.
"""

import contextlib
import dataclasses
import hashlib
import io
import os
import stat
import struct

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from pipelines.check import convert, jpeg, png
from pipelines.check.facts import AS_IS, CONVERT, MEND, Fault, ImageFacts
from pipelines.check.signatures import foreign, image_format

MEBIBYTES = 512
SIDE = 65_535  # pixels; no JPEG has more, and TensorFlow refuses more in PNG
ORIENTATION = 274  # the EXIF tag
TINY, NARROW = 4, 10  # pixels; sides' ratio


def inspect(path, *, megapixels=50, offset=None, length=None):
    """Decode one image fully and return its ImageFacts.

    Args:
        path: the file.
        megapixels: most pixels, in millions, that its header may claim.
        offset, length: where the image lies in the file, in bytes; default, the whole of it.

    Raises:
        Fault: the image cannot be used.
    """
    data = _read(path, offset, length)
    if not data:
        raise Fault("empty")
    kind = image_format(data)
    if kind is None:
        raise _no_image(data)
    try:
        width, height, facts, pixels = LOOKS[kind](data, megapixels)
    except Fault:
        raise
    except Exception as error:  # Pillow alone raises OSError, SyntaxError, struct.error and more
        raise Fault("damaged", kind=kind, why=_short(error)) from None
    warnings = facts.pop("warnings", ())
    if min(width, height) < TINY:
        warnings += ("tiny",)
    elif max(width, height) > NARROW * min(width, height):
        warnings += ("narrow",)
    if _blank(pixels):
        warnings += ("blank",)
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    return ImageFacts(width, height, digest=digest, warnings=warnings, **facts)


def _read(path, offset, length):
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            raise Fault("irregular", what=_kind(found.st_mode))
        size = found.st_size if offset is None else length
        if size > MEBIBYTES * 2**20:
            raise Fault("heavy", mebibytes=size // 2**20)
        with open(path, "rb") as file:
            if offset is None:
                return file.read()
            file.seek(offset)
            return file.read(length)
    except OSError as error:
        raise Fault("unreadable", why=error.strerror) from None


def _kind(mode):
    kinds = {"a folder": stat.S_ISDIR, "a pipe": stat.S_ISFIFO, "a socket": stat.S_ISSOCK}
    return next((name for name, test in kinds.items() if test(mode)), "a device")


def _no_image(data):
    if not data.strip(b"\0"):
        return Fault("zeros")
    found = foreign(data)
    return Fault("foreign", what=found[0], advice=found[1]) if found else Fault("unknown")


def _short(error):
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, UnidentifiedImageError):
        return "its header makes no sense"
    lines = str(error).strip().splitlines() or [""]
    text = lines[0].split("} ")[-1].split(" [Op:")[0]  # without TensorFlow's {{...}} preamble
    return text.rstrip(".")[:80] or type(error).__name__


def _cap(width, height, megapixels):
    if width * height > megapixels * 1_000_000 or max(width, height) > SIDE:
        raise Fault("huge", width=width, height=height, limit=megapixels)


def _orientation(data, exif=b""):
    """What a file says of its orientation, 1..8; 1 where what it says makes no sense.

    Args:
        exif: the EXIF data alone, where they are known, should Pillow stumble over the rest.
    """
    for read in (lambda: convert.open_image(data).getexif(), lambda: _loaded(exif)):
        with contextlib.suppress(Exception):  # the picture may be whole all the same
            found = read().get(ORIENTATION, 1)
            return found if found in range(1, 9) else 1
    return 1


def _loaded(exif):
    found = Image.Exif()
    found.load(bytes(exif))
    return found


def _blank(pixels):
    """Whether all pixels are the same; most images are not, which a few of them show."""
    if pixels.shape[-1] == 4 and not pixels[..., 3].any():  # what is under it nobody sees
        return True
    few = pixels[:: max(1, len(pixels) // 16), :: max(1, pixels.shape[1] // 16)]
    first = pixels[0, 0]
    return bool((few == first).all() and (pixels == first).all()) and pixels.shape[:2] != (1, 1)


def _jpeg(data, megapixels):
    import simplejpeg

    marker, bits, height, width, channels = jpeg.frame(data)
    _cap(width, height, megapixels)
    if bits != 8 or marker not in jpeg.BASELINE + jpeg.PROGRESSIVE:
        why = f"{bits} bits, frame {marker:#x}"
        raise Fault("form", kind="JPEG", why=why)
    space = "Gray" if channels == 1 else "RGB"
    form, warnings = AS_IS if channels in (1, 3) else CONVERT, ()
    try:
        pixels = simplejpeg.decode_jpeg(data, space)
    except ValueError as error:
        form, pixels = _mended(data, marker, space, form, error)
        warnings = ("no_end",) if form == MEND else ("scan",)
    orientation = _orientation(data)
    grey = channels == 1
    if form == CONVERT:
        _same_size(convert.first_frame(data), width, height)
        orientation = 1
    facts = {"orientation": orientation, "grey": grey, "alpha": False}
    return width, height, facts | {"form": form, "warnings": warnings}, pixels


def _mended(data, marker, space, form, error):
    """(form, pixels) of a JPEG that strict decoding refuses, if it is whole or only scarred."""
    import simplejpeg

    if "Premature end of JPEG" in str(error):
        if marker in jpeg.PROGRESSIVE or form != AS_IS:
            raise error  # of a progressive file nobody can say whether scans are missing
        try:
            return MEND, simplejpeg.decode_jpeg(data + jpeg.END, space)
        except ValueError:
            raise error from None
    if "premature end of data segment" in str(error) or "Corrupt JPEG data" not in str(error):
        raise error
    # Pillow repairs what it can without a word, as every decoder but the strict one does.
    return CONVERT, np.asarray(convert.first_frame(data))


def _same_size(image, width, height):
    if sorted(image.size) != sorted((width, height)):
        raise ValueError("its header and its picture differ in size")


def _png(data, megapixels):
    found = {}
    for kind, content in png.chunks(data):
        if kind == b"IHDR":
            width, height, depth, colour = png.header(content)
            _cap(width, height, megapixels)  # before anything is unpacked
        found.setdefault(kind, content)
    if b"IHDR" not in found or b"IDAT" not in found:
        raise ValueError("it has no picture")
    if colour == png.COLOUR_PALETTE and b"PLTE" not in found:
        raise ValueError("its palette is missing")
    alpha = colour in png.WITH_ALPHA or b"tRNS" in found
    spoken = {b"eXIf", b"iTXt", b"tEXt", b"zTXt"} & found.keys()  # where EXIF can stand
    orientation = _orientation(data, found.get(b"eXIf", b"")) if spoken else 1
    pixels = _tensorflow(data, 4 if alpha else 3)
    warnings = ("animated",) if b"acTL" in found and _frames(found[b"acTL"]) > 1 else ()
    facts = {"orientation": orientation, "grey": colour in png.GREY, "alpha": alpha}
    return width, height, facts | {"warnings": warnings}, pixels


def _frames(content):
    return struct.unpack_from(">I", content)[0] if len(content) >= 4 else 0


def _webp(data, megapixels):
    image = convert.open_image(data)
    _cap(*image.size, megapixels)
    if getattr(image, "n_frames", 1) > 1 or (data[12:16] == b"VP8X" and data[20] & 2):
        return _converted(data, megapixels)  # TensorFlow must never see it
    alpha = image.mode == "RGBA"
    pixels = _tensorflow(data, 4 if alpha else 3)
    orientation = _orientation(data)
    return *image.size, {"orientation": orientation, "grey": False, "alpha": alpha}, pixels


def _tiff(data, megapixels):
    try:
        return _converted(data, megapixels)
    except UnidentifiedImageError as error:
        try:
            TiffImagePlugin.TiffImageFile(io.BytesIO(data))  # which says why
        except SyntaxError as reason:
            if "unknown pixel mode" in str(reason):
                raise Fault("form", kind="TIFF", why="pixels of an unusual kind") from None
        raise error


def _converted(data, megapixels):
    image = convert.open_image(data)
    width, height = image.size
    _cap(width, height, megapixels)
    if image.format == "TIFF" and image.tag_v2.get(254, 0) & 1:
        raise Fault("form", kind="TIFF", why="its first picture is a thumbnail, as in raw files")
    many = getattr(image, "n_frames", 1) > 1
    try:
        frame = convert.first_frame(data)
    except ValueError as error:
        raise Fault("form", kind=image.format, why=str(error)) from None
    _same_size(frame, width, height)
    if image.format == "GIF":
        _all_frames(image)
    facts = {"orientation": 1, "grey": frame.mode == "L", "alpha": False, "form": CONVERT}
    warnings = ("animated",) if many else ()
    return width, height, facts | {"warnings": warnings}, np.asarray(frame)


def _all_frames(image):
    """Decode every frame: the first is shown whole by a file that breaks off later."""
    for frame in range(getattr(image, "n_frames", 1)):
        image.seek(frame)
        image.load()


def _tensorflow(data, channels):
    """Decode as training does; see `pipelines.decode`."""
    import tensorflow as tf

    return tf.io.decode_image(data, channels=channels, expand_animations=False).numpy()


LOOKS = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "GIF": _converted,
    "BMP": _converted,
    "TIFF": _tiff,
}


def inspect_item(path, offset, length, megapixels):
    """`inspect` as plain data, for a child process."""
    try:
        facts = inspect(path, megapixels=megapixels, offset=offset, length=length)
    except Fault as fault:
        return {"fault": fault.rule, "blanks": fault.blanks}
    return {"facts": dataclasses.astuple(facts)}
