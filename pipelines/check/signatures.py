"""What a file is by its first bytes, whatever its name says."""

import re

IMAGES = (  # what can be used: (pattern of the first bytes, format as Pillow calls it)
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"GIF8[79]a", "GIF"),
    (rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP"),
    (rb"RIFF....WEBP", "WEBP"),
    (rb"II\*\0|MM\0\*", "TIFF"),
)
AS_JPEG, UNPACK = "; save it as JPEG", "; unpack it"
TEXT = rb"(\xef\xbb\xbf)?\s*"  # a byte order mark, blanks
COMMENT = rb"(<!--.*?-->\s*)?"
SVG = TEXT + rb"(<\?xml[^<]*)?" + COMMENT + rb"(<!doctype svg[^>]*>\s*)?<svg"
HTML = TEXT + COMMENT + rb"<(!doctype html|html|head|body)"
FOREIGN = (  # what people rename to .jpg: (pattern, what it is, what to do)
    (rb"II\*\0....CR|IIU\0|....ftypcrx ", "a camera's raw file", AS_JPEG),
    (rb"....ftyp(heic|heix|hevc|heim|heis|mif1|msf1)", "a HEIC image", AS_JPEG),
    (rb"....ftyp(avif|avis)", "an AVIF image", AS_JPEG),
    (rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", "a video", ""),
    (rb"\0\0\0\x0cjP  |\xffO\xffQ", "a JPEG 2000 image", AS_JPEG),
    (rb"\0\0\0\x0cJXL |\xff\x0a", "a JPEG XL image", AS_JPEG),
    (rb"8BPS", "a Photoshop file", AS_JPEG),
    (rb"\0\0[\x01\x02]\0", "an icon or cursor", "; save it as PNG"),
    (rb"%PDF", "a PDF", ""),
    (rb"%!PS", "a PostScript file", ""),
    (rb"PK\x03\x04", "a ZIP archive", UNPACK),
    (rb"\x1f\x8b|BZh|\xfd7zXZ\0|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd", "a compressed file", UNPACK),
    (rb"\0\x05\x16\x07", "macOS' notes on a file (AppleDouble)", "; remove it"),
    (rb"\x93NUMPY", "a NumPy array", ""),
    (rb"version https://git-lfs", "a pointer of Git LFS", "; fetch it with git lfs pull"),
    (SVG, "an SVG drawing", AS_JPEG),
    (HTML, "an HTML page", "; download it again"),
    (TEXT + rb"<\?xml", "an XML file", ""),
    (rb"\s*[{\[]\s*[\"{\[]", "a JSON file", ""),
)  # fmt: skip


def image_format(data):
    """The format of an image that can be used, else None."""
    if re.match(FOREIGN[0][0], data[:64], re.S):  # raw files begin as TIFF does
        return None
    return next((name for start, name in IMAGES if re.match(start, data[:64], re.S)), None)


def foreign(data):
    """(what the bytes are, what to do) of a file that is no image to be used, else None."""
    for pattern, what, advice in FOREIGN:
        if re.match(pattern, data[:1024], re.S | re.I):
            return what, advice
    if _is_text(data[:1024]):
        return "a text file", ""
    return None


def _is_text(start):
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # else a letter cut in two by our own cut
            return False
        text = start[: error.start].decode("utf-8")
    return all(c.isprintable() or c in "\t\r\n" for c in text)
