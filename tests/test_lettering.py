"""Names of classes are drawn in whatever language they are, if the machine can."""

import warnings

import pytest
from matplotlib import font_manager
from PIL import Image, ImageDraw

from pipelines import lettering


def test_letters_that_the_usual_font_lacks_come_from_another():
    usual = font_manager.findfont(lettering.USUAL)
    other = font_manager.findfont("STIXNonUnicode")
    letter = chr(min(lettering._letters(other) - lettering._letters(usual)))
    found = lettering.font(letter, 15)
    assert ord(letter) in lettering._letters(found.path)
    assert not found.getname()[0].startswith(lettering.LAST)
    assert lettering.font("plain, chât, кот, γάτα", 15).path == usual


@pytest.mark.parametrize("text", ["猫", "قطة", "😀 x", "हिन्दी", "\u200b", "", "\U0010fffd"])
def test_no_text_fails_or_is_warned_of(text):
    pen = ImageDraw.Draw(Image.new("RGB", (200, 40)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pen.text((0, 0), text, "white", lettering.font(text, 15))
