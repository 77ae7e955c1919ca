"""Golden vectors: what lies in samples/ is what model.json says of it."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from export import drawing, models, samples
from pipelines import decode
from pipelines.check.image import ORIENTATION, inspect


@pytest.fixture
def card(bundled):
    return json.loads((bundled / "model.json").read_text())


def test_each_sample_has_its_pixels_and_its_scores(bundled, card):
    images = card["samples"]["images"]
    assert {entry["label"] for entry in images} <= set(card["labels"])
    assert sorted(f"samples/{p.name}" for p in (bundled / "samples").iterdir()) == sorted(
        entry["file"] for entry in images
    )
    for name, entry in card["formats"].items():
        runner = models.load(
            bundled / entry["file"], reference_kernels=name in samples.ON_REFERENCE_KERNELS
        )
        height, width, channels = runner.input_shape
        for sample in images:
            file = bundled / sample["file"]
            pixels = decode.load(file, inspect(file), runner.input_shape)
            digest = hashlib.sha256(pixels.tobytes()).hexdigest()
            assert sample["pixels"][f"{height}x{width}x{channels}"] == {
                "sha256": digest,
                "sum": int(pixels.sum()),
            }
            scores = dict(zip(card["labels"], runner.predict(pixels[None])[0], strict=True))
            assert sample["scores"][name] == pytest.approx(scores, abs=1e-6)


def test_samples_are_held_out_images_of_every_class(bundled, card):
    labels = [entry["label"] for entry in card["samples"]["images"]]
    assert set(labels) == set(card["labels"])  # ten samples, ten digits


def test_the_odd_samples_are_odd(bundled):
    turned = Image.open(bundled / "samples" / "turned.jpg")
    assert turned.getexif()[ORIENTATION] == 6
    assert max(turned.size) == 1024
    cut_out = Image.open(bundled / "samples" / "cut_out.png")
    assert cut_out.mode == "RGBA" and cut_out.getextrema()[3] == (0, 255)


def test_samples_tell_nothing_of_the_photographer(bundled):
    for file in (bundled / "samples").iterdir():
        assert set(Image.open(file).getexif()) <= {ORIENTATION}


def test_a_sample_that_changed_is_named(bundled, card, tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(bundled, copy)
    assert not any(samples.check(copy, card).values())
    Image.new("L", (8, 8), 200).save(copy / "samples" / "00.png")
    failures = samples.check(copy, card)
    assert all(f == ["samples/00.png is decoded to other pixels"] for f in failures.values())
    card["samples"]["images"][1]["scores"]["uint8"] = {card["labels"][0]: 0.5}
    assert "samples/01.png scores differ" in samples.check(copy, card)["uint8"][1]


def strokes(shape, *, paper, ink, width, box, shift=(0, 0)):
    """A white cross of two strokes on a dark image, or the reverse."""
    image = np.full(shape, paper, np.float64)
    height, side = shape
    top, left = (height - box) // 2 + shift[1], (side - box) // 2 + shift[0]
    middle = (box - width) // 2
    image[top : top + box, left + middle : left + middle + width] = ink
    image[top + middle : top + middle + width, left : left + box] = ink
    return image


@pytest.mark.parametrize("paper, ink", [(0, 255), (255, 0), (30, 200)])
def test_the_lie_of_the_figures_is_measured(paper, ink):
    shifts = [(0, 0), (1, 0), (-1, 0), (0, 2)]
    images = [strokes((40, 40), paper=paper, ink=ink, width=4, box=24, shift=s) for s in shifts]
    found = drawing.measure(np.array(images))
    assert (found["paper"], found["ink"], found["size"]) == (paper, ink, [40, 40])
    assert found["extent"] == pytest.approx(24 / 40)
    assert found["centre"] == pytest.approx([0.5, 0.5 + 0.5 / 40], abs=0.01)
    assert found["stroke"] == pytest.approx(4 / 40, rel=0.2)


def test_blank_images_have_no_figures():
    assert drawing.measure(np.zeros((3, 8, 8))) is None
