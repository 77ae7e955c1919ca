"""Image files as users have them: whole and odd ones with their true pixels, and bad ones.

GOOD: {name: (bytes, true pixels (h, w, 3), largest difference, rules that warn)}; BAD: {name:
(bytes, rule)}. Pixels are computed from what was drawn, by numpy, not by any decoder.
"""

import io
import struct
import zlib

import numpy as np
import simplejpeg
from PIL import Image, TiffImagePlugin

SIZE = (64, 48)  # width, height
RNG = np.random.default_rng(0)


def smooth(seed=0):
    """A colour picture without fine detail, which JPEG keeps: uint8 (48, 64, 3)."""
    x, y = np.meshgrid(np.linspace(0, 1, SIZE[0]), np.linspace(0, 1, SIZE[1]))
    waves = [np.sin(3 * x + seed), np.cos(2 * y + seed), np.sin(2 * (x + y) + seed)]
    return np.round(127.5 + 100 * np.stack(waves, -1)).astype(np.uint8)


PICTURE = smooth()
GREY = PICTURE[..., 0]
NOISE = RNG.integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8)
THREE = np.repeat(GREY[..., None], 3, axis=-1)
FRAMES = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
RED = np.full((8, 8, 3), (255, 0, 0), np.uint8)


def saved(image, kind, **options):
    """The bytes of an image file."""
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def jpeg(pixels=PICTURE, **options):
    """A JPEG of high quality, without subsampling."""
    return saved(pixels, "JPEG", **({"quality": 95, "subsampling": 0} | options))


def chunk(kind, content):
    """One PNG chunk."""
    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png(width, height, depth, colour, rows, *extra):
    """A PNG of raw rows, each without filter."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    middle = b"".join(chunk(*e) for e in extra)
    return b"\x89PNG\r\n\x1a\n" + header + middle + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def deep_rows(pixels):
    return [row.astype(">u2").tobytes() for row in pixels]


def on_white(rgba):
    """What a transparent picture looks like on white paper."""
    rgba = rgba.astype(float)
    alpha = rgba[..., 3:] / 255
    return np.round(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def turned(orientation, kind="JPEG"):
    """(bytes, upright pixels) of a picture with an EXIF orientation."""
    exif = Image.Exif()
    exif[274] = orientation
    image = Image.fromarray(PICTURE)
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    options |= {"lossless": True} if kind == "WEBP" else {}
    data = saved(image, kind, exif=exif, **options)
    k, mirror = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (3, 0), 7: (1, 1),
                 8: (1, 0)}[orientation]  # fmt: skip
    upright = np.rot90(PICTURE, k)
    return data, upright[:, ::-1] if mirror else upright


def palette(colours=200):
    """A palette image and its true colours."""
    image = Image.fromarray(PICTURE).quantize(colours)
    table = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    return image, table[np.asarray(image)]


CMYK = np.concatenate([PICTURE, np.full((*SIZE[::-1], 1), 40, np.uint8)], -1)
FROM_CMYK = np.round((255.0 - CMYK[..., :3]) * (255.0 - CMYK[..., 3:]) / 255)


def without_adobe():
    """A CMYK JPEG that has no Adobe marker, so that its inks are stored as they are."""
    data = jpeg(Image.fromarray(255 - CMYK, "CMYK"))  # Pillow stores inverted
    at = data.index(b"\xff\xee")
    (length,) = struct.unpack_from(">H", data, at + 2)
    return data[:at] + data[at + 2 + length :]


RGBA = np.concatenate([NOISE, RNG.integers(0, 256, (*SIZE[::-1], 1), dtype=np.uint8)], -1)
DEEP = RNG.integers(0, 65536, (*SIZE[::-1], 3)).astype(np.uint16)
P, P_TRUE = palette()
BI, BI_TRUE = palette(4)
CLEAR = 3  # the transparent palette entry
P_CLEAR = np.where((np.asarray(P) == CLEAR)[..., None], 255, P_TRUE).astype(np.uint8)
L_CLEAR = np.where((GREY[0, 0] == GREY)[..., None], 255, THREE).astype(np.uint8)
BARS = np.where(np.arange(64)[None, :] // 8 % 2, 255, 0).astype(np.uint8).repeat(48, 0)
BIG = Image.effect_noise((200, 200), 90)
THUMB = TiffImagePlugin.ImageFileDirectory_v2()
THUMB[254] = 1


def bmp32():
    """A BMP of 32 bits, the fourth byte not used."""
    rows = [
        np.concatenate([r[:, ::-1], np.zeros((SIZE[0], 1), np.uint8)], 1) for r in PICTURE[::-1]
    ]
    body = b"".join(row.tobytes() for row in rows)
    info = struct.pack("<IiiHHIIiiII", 40, *SIZE, 1, 32, 0, len(body), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54) + info + body


def tiff(pixels, bits, white_is_zero=False, real=False):
    """A TIFF of one grey strip; levels under 16 bits are packed, most significant first."""
    rows, width = pixels.shape
    if real:
        body = pixels.astype(f"<f{bits // 8}").tobytes()
    elif bits == 16:
        body = pixels.astype("<u2").tobytes()
    else:
        ones = pixels.ravel()[:, None].astype(int) >> np.arange(bits)[::-1] & 1
        body = np.packbits(ones.astype(np.uint8)).tobytes()
    tags = {256: width, 257: rows, 258: bits, 259: 1, 262: int(not white_is_zero), 273: 0, 277: 1,
            278: rows, 279: len(body), 339: 3 if real else 1}  # fmt: skip
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + body


def scarred():
    """A JPEG with 64 zero bytes in the middle of its data."""
    data = bytearray(jpeg(NOISE))
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    return bytes(data)


def gif(*frames, **options):
    return saved(frames[0], "GIF", save_all=True, append_images=list(frames[1:]), **options)


PNG = saved(NOISE, "PNG")


def before_picture(*chunks):
    """A PNG with further chunks before its picture."""
    return PNG[:33] + b"".join(chunk(*c) for c in chunks) + PNG[33:]


LONG_TEXT = (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**21)))  # more than Pillow unpacks
EXIF_6 = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 274, 3, 1, 6, 0)
EXACT, LOSSY = 0, 6
GOOD = {
    "jpeg": (jpeg(), PICTURE, LOSSY, ()),
    "jpeg, grey": (jpeg(GREY), THREE, LOSSY, ()),
    "jpeg, progressive": (jpeg(progressive=True), PICTURE, LOSSY, ()),
    "jpeg, subsampled": (jpeg(subsampling=2), PICTURE, 12, ()),
    "jpeg, RGB inside": (jpeg(keep_rgb=True), PICTURE, LOSSY, ()),
    "jpeg, motion photo": (jpeg() + b"\0\0\0\x18ftypmp42" + bytes(5000), PICTURE, LOSSY, ()),
    "jpeg, CMYK of Adobe": (jpeg(Image.fromarray(CMYK, "CMYK")), FROM_CMYK, LOSSY, ()),
    "jpeg, YCCK of Adobe": (
        simplejpeg.encode_jpeg(255 - CMYK, 95, "CMYK", "444"), FROM_CMYK, LOSSY, ()),
    "jpeg, CMYK plain": (without_adobe(), FROM_CMYK, LOSSY, ()),
    "jpeg, no end marker": (jpeg()[:-2], PICTURE, LOSSY, ("no_end",)),
    "jpeg, restart markers": (jpeg(restart_marker_blocks=2), PICTURE, LOSSY, ()),
    **{f"jpeg, EXIF {k}": (*turned(k), LOSSY, ()) for k in range(1, 9)},
    "png": (saved(NOISE, "PNG"), NOISE, EXACT, ()),
    "png, grey": (saved(GREY, "PNG"), THREE, EXACT, ()),
    "png, 1 bit": (saved(Image.fromarray(BARS).convert("1"), "PNG"),
                   np.repeat(BARS[..., None], 3, -1), EXACT, ()),
    "png, palette": (saved(P, "PNG"), P_TRUE, EXACT, ()),
    "png, palette of 2 bits": (saved(BI, "PNG", bits=2), BI_TRUE, EXACT, ()),
    "png, 16-bit grey": (png(*SIZE, 16, 0, deep_rows(DEEP[..., 0])),
                         np.repeat(DEEP[..., :1] >> 8, 3, -1), 1, ()),
    "png, 16-bit colour": (png(*SIZE, 16, 2, deep_rows(DEEP)), DEEP >> 8, 1, ()),
    "png, 16-bit alpha": (
        png(*SIZE, 16, 6, deep_rows(np.concatenate([DEEP, DEEP[..., :1]], -1))),
        on_white(np.concatenate([DEEP >> 8, DEEP[..., :1] >> 8], -1)), 2, ()),
    "png, alpha": (saved(RGBA, "PNG"), on_white(RGBA), 1, ()),
    "png, grey and alpha": (saved(np.stack([GREY, RGBA[..., 3]], -1), "PNG"),
                            on_white(np.concatenate([THREE, RGBA[..., 3:]], -1)), 1, ()),
    "png, transparent palette": (saved(P, "PNG", transparency=CLEAR), P_CLEAR, 1, ()),
    "png, transparent grey": (saved(GREY, "PNG", transparency=int(GREY[0, 0])), L_CLEAR, 1, ()),
    "png, transparent colour": (
        png(*SIZE, 8, 2, [row.tobytes() for row in PICTURE],
            (b"tRNS", PICTURE[5, 5].astype(">u2").tobytes())),
        np.where((PICTURE[5, 5] == PICTURE).all(-1)[..., None], 255, PICTURE), 1, ()),
    "png, EXIF 6": (*turned(6, "PNG"), EXACT, ()),
    "png, EXIF at its end": (
        saved(PICTURE, "PNG")[:-12] + chunk(b"eXIf", EXIF_6) + chunk(b"IEND", b""),
        turned(6)[1], EXACT, ()),
    "png, animated": (saved(FRAMES[0].resize((9, 9)), "PNG", save_all=True, append_images=FRAMES),
                      np.full((9, 9, 3), (255, 0, 0)), EXACT, ("animated", "blank")),
    "png, trailing bytes": (saved(NOISE, "PNG") + b"more", NOISE, EXACT, ()),
    "png, long text": (before_picture(LONG_TEXT), NOISE, EXACT, ()),
    "png, EXIF of no meaning": (before_picture((b"eXIf", b"?")), NOISE, EXACT, ()),
    "png, EXIF 6 and long text": (
        before_picture(LONG_TEXT, (b"eXIf", EXIF_6)), np.rot90(NOISE, 3), EXACT, ()),
    "png, transparent all over": (
        saved(np.concatenate([NOISE, np.zeros_like(NOISE[..., :1])], -1), "PNG"),
        np.full_like(NOISE, 255), EXACT, ("blank",)),
    "webp": (saved(NOISE, "WEBP", lossless=True), NOISE, EXACT, ()),
    "webp, lossy": (saved(PICTURE, "WEBP", quality=95), PICTURE, 14, ()),
    "webp, alpha": (saved(RGBA, "WEBP", lossless=True, exact=True), on_white(RGBA), 1, ()),
    "webp, EXIF 6": (*turned(6, "WEBP"), EXACT, ()),
    "webp, animated": (saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:],
                             lossless=True), RED, EXACT, ("animated", "blank")),
    "gif": (saved(P, "GIF"), P_TRUE, EXACT, ()),
    "gif, animated": (gif(*FRAMES), RED, EXACT, ("animated", "blank")),
    "gif, transparent": (saved(P, "GIF", transparency=CLEAR), P_CLEAR, EXACT, ()),
    "bmp": (saved(NOISE, "BMP"), NOISE, EXACT, ()),
    "bmp, palette": (saved(P, "BMP"), P_TRUE, EXACT, ()),
    "bmp, grey": (saved(GREY, "BMP"), THREE, EXACT, ()),
    "bmp, 1 bit": (saved(Image.fromarray(BARS).convert("1"), "BMP"),
                   np.repeat(BARS[..., None], 3, -1), EXACT, ()),
    "bmp, 32 bits": (bmp32(), PICTURE, EXACT, ()),
    "tiff": (saved(NOISE, "TIFF"), NOISE, EXACT, ()),
    "tiff, LZW": (saved(NOISE, "TIFF", compression="tiff_lzw"), NOISE, EXACT, ()),
    "tiff, palette": (saved(P, "TIFF"), P_TRUE, EXACT, ()),
    "tiff, CMYK": (saved(Image.fromarray(CMYK, "CMYK"), "TIFF"), FROM_CMYK, 1, ()),
    "tiff, 16-bit grey": (saved(Image.fromarray(DEEP[..., 0]), "TIFF"),
                          np.repeat(DEEP[..., :1] >> 8, 3, -1), EXACT, ()),
    "tiff, 12-bit grey": (tiff(DEEP[..., 0] >> 4, 12), np.repeat(DEEP[..., :1] >> 8, 3, -1),
                          EXACT, ()),
    "tiff, 16-bit grey, white is 0": (tiff(DEEP[..., 0], 16, white_is_zero=True),
                                      np.repeat(65535 - DEEP[..., :1] >> 8, 3, -1), EXACT, ()),
    "tiff, places of 64 bits": (saved(NOISE, "TIFF", big_tiff=True), NOISE, EXACT, ()),
    "tiff, alpha": (saved(RGBA, "TIFF"), on_white(RGBA), 1, ()),
    "tiff, EXIF 6": (*turned(6, "TIFF"), EXACT, ()),
    "tiff, two pages": (saved(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), RED,
                        EXACT, ("animated", "blank")),
    "1 x 1": (saved(NOISE[:1, :1], "PNG"), NOISE[:1, :1], EXACT, ("tiny",)),
    "3000 x 1": (saved(np.resize(NOISE, (1, 3000, 3)), "PNG"), np.resize(NOISE, (1, 3000, 3)),
                 EXACT, ("tiny",)),
    "3000 x 5": (saved(np.resize(NOISE, (5, 3000, 3)), "PNG"), np.resize(NOISE, (5, 3000, 3)),
                 EXACT, ("narrow",)),
    "blank white": (saved(np.full((20, 20, 3), 255, np.uint8), "JPEG"),
                    np.full((20, 20, 3), 255), EXACT, ("blank",)),
}  # fmt: skip
SCARRED = scarred()  # used, with a warning; what it shows nobody can say


def header_only(width, height):
    """A PNG of few bytes that claims a size."""
    return png(width, height, 8, 0, [b"\0"])


def jpeg_claims(width, height):
    """A JPEG whose header claims another size."""
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def flipped(data, at):
    changed = bytearray(data)
    changed[at] ^= 0xFF
    return bytes(changed)


NOISY = jpeg(NOISE)
WEBP = saved(NOISE, "WEBP", lossless=True)
BAD = {
    "empty": (b"", "empty"),
    "zero bytes": (bytes(5000), "zeros"),
    "jpeg, 3 bytes": (NOISY[:3], "damaged"),
    "jpeg, header only": (NOISY[:20], "damaged"),
    **{f"jpeg, {k}%": (NOISY[: len(NOISY) * k // 100], "damaged") for k in (10, 50, 99)},
    "jpeg, 99% and an end": (NOISY[: len(NOISY) * 99 // 100] + b"\xff\xd9", "damaged"),
    "jpeg, progressive, half": (jpeg(NOISE, progressive=True)[:4000], "damaged"),
    "jpeg, progressive, no end": (jpeg(NOISE, progressive=True)[:-2], "damaged"),
    "jpeg, CMYK, half": (jpeg(Image.fromarray(CMYK, "CMYK"))[:1500], "damaged"),
    "jpeg, huge header": (jpeg_claims(65500, 65500), "huge"),
    "jpeg, more than it holds": (jpeg_claims(64, 4800), "damaged"),
    "jpeg, 12 bits": (NOISY.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"), "form"),
    "jpeg, lossless": (NOISY.replace(b"\xff\xc0", b"\xff\xc3", 1), "form"),
    "png, half": (PNG[: len(PNG) // 2], "damaged"),
    "png, no end": (PNG[:-12], "damaged"),
    "png, bad checksum": (flipped(PNG, 200), "damaged"),
    "png, bad header": (flipped(PNG, 30), "damaged"),
    "png, zero width": (header_only(0, 10), "damaged"),
    "png, no pixels": (header_only(10, 10), "damaged"),
    "png, no palette": (png(10, 10, 8, 3, [bytes(10)] * 10), "damaged"),
    "png, 60000 x 60000": (header_only(60_000, 60_000), "huge"),
    "png, 144 million pixels": (saved(Image.new("1", (12_000, 12_000)), "PNG"), "huge"),
    "png, 2,000,000 x 1": (header_only(2_000_000, 1), "huge"),
    "webp, half": (WEBP[: len(WEBP) // 2], "damaged"),
    "gif, half": (saved(BIG, "GIF")[:2000], "damaged"),
    "gif, half of an animation": (gif(*[BIG.rotate(k) for k in (0, 9, 20)])[:60_000], "damaged"),
    "bmp, half": (saved(NOISE, "BMP")[:3000], "damaged"),
    "tiff, half": (saved(NOISE, "TIFF")[:3000], "damaged"),
    "tiff, real numbers": (saved(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"), "form"),
    "tiff, real numbers of 64 bits": (tiff(np.ones((9, 9)), 64, real=True), "form"),
    "tiff, thumbnail of a raw file": (saved(NOISE, "TIFF", tiffinfo=THUMB), "form"),
    "html": (b"<!DOCTYPE html><html>not found</html>", "foreign"),
    "html after a line": (b"\n\n  <HTML><body>404</body>", "foreign"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "foreign"),
    "svg, XML": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "foreign"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(100), "foreign"),
    "avif": (b"\0\0\0\x18ftypavif" + bytes(100), "foreign"),
    "video": (b"\0\0\0\x18ftypmp42" + bytes(100), "foreign"),
    "pdf": (b"%PDF-1.7 ...", "foreign"),
    "zip": (b"PK\x03\x04" + bytes(50), "foreign"),
    "gzip": (b"\x1f\x8b\x08" + bytes(50), "foreign"),
    "photoshop": (b"8BPS\0\1" + bytes(50), "foreign"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(50), "foreign"),
    "jpeg xl": (b"\xff\x0a" + bytes(50), "foreign"),
    "apple double": (b"\0\x05\x16\x07\0\2\0\0Mac OS X" + bytes(50), "foreign"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "foreign"),
    "text": ("not found: naïve\n".encode(), "foreign"),
    "json": (b'{"error": 404}', "foreign"),
    "netpbm": (saved(NOISE, "PPM"), "foreign"),
    "tga": (saved(NOISE, "TGA"), "foreign"),
    "icon": (saved(NOISE, "ICO"), "foreign"),
    "sound": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(50), "foreign"),
    "image copied as text": (PNG.replace(b"\r\n", b"\n"), "foreign"),
    "text, UTF-16": ("not found".encode("utf-16"), "foreign"),
    "random": (np.random.default_rng(1).bytes(500), "unknown"),
}  # fmt: skip
