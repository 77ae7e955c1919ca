"""What a file is by its first bytes, whatever its name says."""

import re

IMAGES = (  # what can be used: (pattern of the first bytes, format as Pillow calls it)
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"GIF8[79]a", "GIF"),
    (rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP"),
    (rb"RIFF....WEBP", "WEBP"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF"),  # + where places have 64 bits
)
AS_JPEG, UNPACK = "; save it as JPEG", "; unpack it"
RARE = "an image of another kind (DDS, EXR, QOI, ...)"
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
    (rb"\0\0[\x01\x02]\0(?!\0\0)|icns", "an icon or cursor", "; save it as PNG"),
    (rb".[\0\x01][\x01-\x03\x09-\x0b]\0{5}", "a TGA image", AS_JPEG),
    (rb"P[1-7]\s+(#[^\n]*\n\s*)*\d", "a Netpbm image (PPM, PGM, ...)", AS_JPEG),
    (rb"\x0a[\0-\x05]\x01[\x01\x02\x04\x08]", "a PCX image", AS_JPEG),
    (rb"DDS |qoif|v/1\x01|#\?RADIANCE|gimp xcf|[\x8a\x8b][MJ]NG\r|\x01\xda[\0\x01]", RARE, AS_JPEG),
    (rb"SIMPLE  =|.{128}DICM|\x89HDF", "a scientific data file (FITS, DICOM, HDF5)", ""),
    (rb"ID3|OggS|fLaC|RIFF....WAVE|FORM....AIFF", "a sound", ""),
    (rb"FLV\x01|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\0\0\x01[\xba\xb3]", "a video", ""),
    (rb"\x7fELF|MZ.{62}|\xcf\xfa\xed\xfe", "a program", ""),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office or Thumbs.db file", ""),
    (rb"SQLite format 3\0", "a database", ""),
    (rb".{257}ustar", "a TAR archive", UNPACK),
    (rb"\x89PNG\n|\xef\xbf\xbd\xef\xbf\xbd", "an image that was copied as text", "; copy it again"),
    (rb"\xff\xfe|\xfe\xff", "a text file", ""),
    (rb"%PDF", "a PDF", ""),
    (rb"%!PS", "a PostScript file", ""),
    (rb"PK(\x03\x04|\x05\x06)", "a ZIP archive", UNPACK),
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
