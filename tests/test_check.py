"""Every fault of an image file is named before training (what TensorFlow does: see check.py)."""

import io
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import check
from pipelines.decode import decode
from pipelines.errors import UserError
from tests.conftest import draw


def jpeg(size=(64, 48)):
    data = io.BytesIO()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(data, "JPEG")
    return data.getvalue()


def png_header(width, height):
    data = bytearray(io.BytesIO().getvalue())
    small = io.BytesIO()
    Image.new("L", (1, 1)).save(small, "PNG")
    data = bytearray(small.getvalue())
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def saved(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


FRAMES = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
BAD = {
    "empty": (b"", "is empty"),
    "header only": (jpeg()[:20], "is"),
    "a tenth": (jpeg()[: len(jpeg()) // 10], "cut short or damaged"),
    "half": (jpeg()[: len(jpeg()) // 2], "cut short or damaged"),
    "html": (b"<!DOCTYPE html><html>not found</html>", "HTML"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    "random": (np.random.default_rng(0).bytes(500), "is not an image"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC"),
    "tiff": (saved(FRAMES[0], "TIFF"), "TIFF"),
    "bomb": (png_header(60_000, 60_000), "over the limit"),
    "animated webp": (
        saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]),
        "animated WebP",
    ),
    "palette bmp": (saved(FRAMES[0].convert("P"), "BMP"), "BMP with a palette"),
    "half a png": (saved(FRAMES[0].resize((200, 200)), "PNG")[:150], "cut short or damaged"),
    "half a gif": (
        saved(Image.effect_noise((200, 200), 90), "GIF")[:2000],
        "cut short or damaged",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_named_with_what_it_is(what, tmp_path):
    content, reason = BAD[what]
    file = tmp_path / "photo.jpg"
    file.write_bytes(content)
    with pytest.raises(check.Fault, match=reason):
        check.inspect(file)


def test_what_cannot_be_opened_is_named_and_nothing_waits(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nothing")
    with pytest.raises(check.Fault, match="not a regular file"):
        check.inspect(tmp_path / "pipe.jpg")
    with pytest.raises(check.Fault, match="No such file"):
        check.inspect(tmp_path / "dangling.jpg")


def test_all_faults_are_told_at_once(tmp_path):
    good = tmp_path / "good.png"
    draw(good)
    bad = [tmp_path / f"bad{i}.jpg" for i in range(3)]
    for file in bad:
        file.write_bytes(b"")
    with pytest.raises(UserError) as caught:
        check.inspect_all([good, *bad])
    assert "3 files of 4" in str(caught.value)
    assert all(str(file) in str(caught.value) for file in bad)
    assert str(good) not in str(caught.value)


GOOD = {
    "jpeg": ("JPEG", "RGB", {}),
    "grey jpeg": ("JPEG", "L", {}),
    "cmyk jpeg": ("JPEG", "CMYK", {}),
    "png": ("PNG", "RGB", {}),
    "palette png": ("PNG", "P", {}),
    "1-bit png": ("PNG", "1", {}),
    "16-bit png": ("PNG", "I;16", {}),
    "gif": ("GIF", "P", {}),
    "bmp": ("BMP", "RGB", {}),
    "webp": ("WEBP", "RGB", {"lossless": True}),
}


@pytest.mark.parametrize("what", GOOD)
def test_what_passes_is_decoded_by_tensorflow_as_by_pillow(what, tmp_path):
    kind, mode, options = GOOD[what]
    smooth = Image.effect_noise((40, 30), 60).resize((80, 60))  # JPEG keeps what is smooth
    image = Image.merge("RGB", [smooth, smooth.rotate(90).resize((80, 60)), smooth.rotate(180)])
    if mode == "I;16":
        image = Image.fromarray(np.asarray(smooth, np.uint16) * 257)
    else:
        image = image.convert(mode)
    file = tmp_path / "image"
    image.save(file, kind, **options)
    facts = check.inspect(file)
    assert (facts.width, facts.height) == (80, 60)
    assert facts.grey == (mode in ("L", "1", "I;16"))
    assert not facts.alpha
    ours = decode(tf.io.read_file(str(file))).numpy().astype(int)
    theirs = smooth.convert("RGB") if mode == "I;16" else Image.open(file).convert("RGB")
    # JPEG decoders may round differently; a wrong palette or range is off by dozens.
    assert np.abs(ours - np.asarray(theirs, int)).max() <= 4


CLEAR = {
    "rgba png": ("RGBA", "PNG", {}),
    "grey and alpha png": ("LA", "PNG", {}),
    "palette png": ("P", "PNG", {"transparency": 3}),
    "palette png of 4 colours": ("P", "PNG", {"transparency": 1, "bits": 2}),
    "1-bit png": ("1", "PNG", {"transparency": 0}),
    "grey png": ("L", "PNG", {"transparency": 7}),
    "webp": ("RGBA", "WEBP", {"lossless": True, "exact": True}),
}


@pytest.mark.parametrize("what", CLEAR)
def test_transparency_is_laid_on_white_whatever_says_it(what, tmp_path):
    mode, kind, options = CLEAR[what]
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    image = Image.fromarray(pixels)
    colours = 4 if "bits" in options else 200
    image = image.convert("RGB").quantize(colours) if mode == "P" else image.convert(mode)
    image.save(tmp_path / "image", kind, **options)
    facts = check.inspect(tmp_path / "image")
    assert facts.alpha
    expected = Image.new("RGBA", image.size, "white")
    expected.alpha_composite(Image.open(tmp_path / "image").convert("RGBA"))
    ours = decode(tf.io.read_file(str(tmp_path / "image")), 1, facts.alpha).numpy().astype(int)
    assert np.abs(ours - np.asarray(expected.convert("RGB"), int)).max() <= 1


def test_a_gif_is_refused_only_where_its_transparency_shows(tmp_path):
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).convert("P")
    image.save(tmp_path / "clear.gif", transparency=int(np.asarray(image)[0, 0]))
    with pytest.raises(check.Fault, match="GIF with transparent pixels"):
        check.inspect(tmp_path / "clear.gif")
    image.save(tmp_path / "solid.gif")
    assert not check.inspect(tmp_path / "solid.gif").alpha


def test_a_file_name_is_shown_on_one_line_whatever_it_holds():
    assert check.display("a\nb") == "a\\nb"
    assert check.display(os.fsdecode(b"caf\xe9.jpg")) == "caf\\xe9.jpg"
    assert check.display("chat ✓.jpg") == "chat ✓.jpg"
