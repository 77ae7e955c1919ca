"""The chunks of a PNG file, each with its checksum proved (W3C PNG specification, section 5)."""

import struct
import zlib

SIGNATURE = 8
COLOUR_PALETTE, GREY = 3, (0, 4)
WITH_ALPHA = (4, 6)
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def chunks(data):
    """Yield (type, content) of each chunk up to IEND.

    Raises:
        ValueError: cut short, or a checksum is wrong.
    """
    at = SIGNATURE
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at) if at + 8 <= len(data) else (0, b"")
        end = at + 12 + length
        if not kind or end > len(data):
            raise ValueError("it ends in the middle")
        content = memoryview(data)[at + 8 : end - 4]
        if zlib.crc32(content, zlib.crc32(kind)) != struct.unpack_from(">I", data, end - 4)[0]:
            raise ValueError(f"the checksum of {kind.decode('latin-1')} is wrong")
        yield kind, content
        if kind == b"IEND":
            return
        at = end
    raise ValueError("its end is missing")


def header(content):
    """(width, height, depth, colour type) of IHDR.

    Raises:
        ValueError: values that no PNG has.
    """
    if len(content) != 13:
        raise ValueError("its header has a wrong length")
    width, height, depth, colour = struct.unpack_from(">IIBB", content)
    if not width or not height or depth not in DEPTHS.get(colour, ()):
        raise ValueError(f"its header says {width} x {height}, depth {depth}, colour {colour}")
    return width, height, depth, colour
