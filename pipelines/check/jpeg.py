"""The frame header of a JPEG file (ITU-T T.81, annex B)."""

import struct

BASELINE, PROGRESSIVE = (0xC0, 0xC1), (0xC2,)
END = b"\xff\xd9"
STANDALONE = {0x01, *range(0xD0, 0xD9)}
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def frame(data):
    """(marker, bits a sample, height, width, components) of the first frame header.

    Raises:
        ValueError: there is none.
    """
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker in STANDALONE or marker in (0x00, 0xFF):
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in FRAMES:
            if at + 10 > len(data):
                break
            return marker, *struct.unpack_from(">BHHB", data, at + 4)
        if marker in (0xD9, 0xDA):
            break
        at += 2 + length
    raise ValueError("it has no picture")


def says_adobe(data):
    """Whether an Adobe marker (APP14) comes before the picture."""
    start = data.find(b"\xff\xda")
    return b"\xff\xee" in data[:start] and b"Adobe" in data[:start]
