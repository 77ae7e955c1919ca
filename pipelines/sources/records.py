"""Where each image lies in TFRecord shards: an index, so that any image is one read away.

Nothing of a set is kept in memory but the index, whatever its size, and the order in which images
are read is free. A TFRecord is length (8 bytes), its checksum (4), the record, its checksum (4); a
record is a tf.train.Example, of whose protocol-buffer fields only places are noted, not the bytes.
"""

import mmap
import struct

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers


class Unreadable(Exception):
    """A shard that is cut short or no TFRecord file; the end of a sentence that names it."""


def index(path, image, label, digest):
    """[[offset, length, label, digest or None], ...] of the records of a shard.

    Args:
        path: a TFRecord file.
        image, label, digest: names of the features.

    Raises:
        Unreadable: the file is damaged.
    """
    found = []
    with open(path, "rb") as file:
        if not file.seek(0, 2):
            return found
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = 0
            while at < len(data):
                if at + 12 > len(data):
                    raise Unreadable("is cut short")
                (length,) = struct.unpack_from("<Q", data, at)
                start, end = at + 12, at + 12 + length
                if end + 4 > len(data):
                    raise Unreadable("is cut short")
                try:
                    features = _features(data, start, end)
                    found.append(_row(data, features, image, label, digest))
                except (KeyError, IndexError, ValueError) as error:
                    raise Unreadable(f"holds a record without what it should ({error})") from None
                at = end + 4
    return found


def _row(data, features, image, label, digest):
    offset, end = _first(data, *features[image], 1)
    text = None
    if digest in features:
        start, stop = _first(data, *features[digest], 1)
        text = data[start:stop].decode() or None
    return [offset, end - offset, _integer(data, *features[label]), text]


def _features(data, start, end):
    """{feature: (start, end) of its message} of an Example."""
    found = {}
    start, end = _only(data, start, end, 1)  # Example.features
    for field, (begin, stop) in _fields(data, start, end):
        if field == 1:  # an entry of the map: key, value
            entry = dict(_fields(data, begin, stop))
            found[bytes(data[slice(*entry[1])]).decode()] = entry[2]
    return found


def _first(data, start, end, field):
    """(start, end) of the first value of a feature's list."""
    return _only(data, *_only(data, start, end, field), 1)


def _integer(data, start, end):
    """The first value of an int64_list, as a signed number."""
    start, end = _only(data, start, end, 3)
    for _, value in _fields(data, start, end):
        number = value if isinstance(value, int) else _varint(data, value[0])[0]
        return number - (1 << 64) if number >> 63 else number
    raise ValueError("an empty label")


def _only(data, start, end, field):
    for number, value in _fields(data, start, end):
        if number == field:
            return value
    raise ValueError(f"no field {field}")


def _fields(data, start, end):
    """Yield (field number, value) of a message: (start, end) of bytes, or an integer."""
    at = start
    while at < end:
        tag, at = _varint(data, at)
        field, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = _varint(data, at)
        elif wire == BYTES:
            length, at = _varint(data, at)
            value, at = (at, at + length), at + length
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
            value, at = (at, at + size), at + size
        else:
            raise ValueError(f"wire type {wire}")
        if at > end:
            raise ValueError("a field over the end")
        yield field, value


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
