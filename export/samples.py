"""Golden vectors: a few held-out images, and what each file of the bundle answers to them.

An app's own test decodes an image of `samples/`, brings it to the model's size, and finds the
sha256 of its bytes and, to within one step of the file's numbers, the scores in model.json.
"""

import io

import numpy as np
from PIL import Image

from export import models
from pipelines import dataset, decode
from pipelines.check import image as images

COUNT = 10  # held-out images, beside two odd files made from them
LONGEST = 320  # pixels of a side; larger pictures are shrunken to this, or to the model's size
LISTED = 20  # scores kept of each answer, the best ones
FLOAT_STEP = 1e-3  # by how much float files may differ from device to device
# Activations quantized while it runs: on a MobileNetV2 of flowers the browser's scores differed by
# up to 0.057 from those of the same library on a desk.
DYNAMIC, DYNAMIC_STEP = {"dynamic_wi8", "wi4"}, 0.1
ON_REFERENCE_KERNELS = {"int8"}  # for microcontrollers, whose kernels are those


def write(making):
    """Write samples/ and put "samples" into the card."""
    folder = making.folder / "samples"
    folder.mkdir()
    split = making.held_out
    chosen = dataset.subset(split, dataset.stratified(split, COUNT))
    longest = max(LONGEST, *making.image_shape[:2])
    pictures = [_picture(chosen, i, longest) for i in range(len(chosen))]
    labels = [making.labels[label] for label in chosen.labels]
    files = [(f"{i:02d}.png", _png(picture)) for i, picture in enumerate(pictures)]
    files += [("turned.jpg", _turned(pictures[0])), ("cut_out.png", _cut_out(pictures[-1]))]
    for name, content in files:
        (folder / name).write_bytes(content)
    formats = making.card["formats"]
    making.card["samples"] = {
        "within": {name: _step(name, entry) for name, entry in formats.items()},
        "images": [
            {"file": f"samples/{name}", "label": label}
            for (name, _), label in zip(files, [*labels, labels[0], labels[-1]], strict=True)
        ],
    }
    runners = _runners(making.folder, making.card)
    for entry in making.card["samples"]["images"]:
        entry |= _golden(making.folder / entry["file"], runners, making.labels)


def _step(name, entry):
    return entry["output"].get("scale", DYNAMIC_STEP if name in DYNAMIC else FLOAT_STEP)


def _picture(split, i, longest):
    """The upright image i of a split as a Pillow image, shrunken where it is large."""
    pixels = np.asarray(split.read(*(item[i] for item in split.items)))
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return picture


def _png(picture):
    # Written anew from pixels: exact in every decoder, and no place or name of the photographer.
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _turned(picture, longest=1024):
    """A large JPEG that lies on its side, and says so in its EXIF orientation."""
    scale = longest / max(picture.size)
    size = [max(1, round(side * scale)) for side in picture.size]
    picture = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[images.ORIENTATION] = 6  # to be shown, turn it to the right
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    turned.save(buffer, "JPEG", quality=90, subsampling=0, exif=exif)
    return buffer.getvalue()


def _cut_out(picture):
    """A PNG whose frame is transparent: it is to be laid on white."""
    frame = max(1, min(picture.size) // 16)
    alpha = np.zeros(picture.size[::-1], np.uint8)
    alpha[frame:-frame, frame:-frame] = 255
    picture = picture.convert("RGB")
    picture.putalpha(Image.fromarray(alpha))
    return _png(picture)


def _runners(folder, card):
    return {
        name: models.load(folder / entry["file"], reference_kernels=name in ON_REFERENCE_KERNELS)
        for name, entry in card["formats"].items()
    }


def _golden(file, runners, labels):
    """What the files make of one image: sha256 of its pixels by shape, and scores by format."""
    facts = images.inspect(file)
    shapes = sorted({runner.input_shape for runner in runners.values()})
    pixels = {shape: decode.load(file, facts, shape) for shape in shapes}
    vectors = {shape: decode.golden(file, shape) for shape in shapes}
    return {
        "pixels": {
            "x".join(map(str, shape)): {key: vector[key] for key in ("sha256", "sum")}
            for shape, vector in vectors.items()
        },
        "scores": {
            name: _best(runner.predict(pixels[runner.input_shape][None])[0], labels)
            for name, runner in runners.items()
        },
    }


def _best(scores, labels):
    best = np.argsort(-scores, kind="stable")[:LISTED]
    return {labels[i]: float(f"{scores[i]:.8g}") for i in best}


def check(folder, card):
    """Repeat the golden vectors of a bundle; what differs, as sentences by format.

    Returns:
        {format: [sentence, ...]}, an empty list where every score is within one step. Pixels that
        differ are a fault of each format.
    """
    runners = _runners(folder, card)
    failures = {name: [] for name in runners}
    for sample in card.get("samples", {}).get("images", ()):
        found = _golden(folder / sample["file"], runners, card["labels"])
        for name in runners:
            if found["pixels"] != sample["pixels"]:
                failures[name].append(f"{sample['file']} is decoded to other pixels")
                continue
            step, expected = card["samples"]["within"][name], sample["scores"][name]
            apart = max(
                abs(found["scores"][name].get(label, 0) - score)
                for label, score in expected.items()
            )
            if apart > step * (1 + 1e-6):
                failures[name].append(f"{sample['file']} scores differ by {apart:.2g}")
    return failures
