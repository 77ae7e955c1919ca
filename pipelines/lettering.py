"""Fonts for text of any language, out of those that the machine has."""

from functools import cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import ImageFont

USUAL = "DejaVu Sans"  # comes with matplotlib; Pillow's own has ASCII alone
LAST = "Last Resort"  # which has a box for every letter, with the name of its script


def font(text, size):
    """The font that shows most letters of a text, the usual one where it shows as many.

    Args:
        size: in pixels.
    """
    letters = frozenset(text) - frozenset(" …")
    return ImageFont.truetype(_best(letters), size)


@cache
def _best(letters):
    usual = font_manager.findfont(USUAL)
    if not _lacking(usual, letters):
        return usual
    others = {
        (entry.name.startswith(LAST), entry.fname) for entry in font_manager.fontManager.ttflist
    }
    paths = [usual, *(path for _, path in sorted(others))]
    return min(paths, key=lambda path: len(_lacking(path, letters)))


def _lacking(path, letters):
    return {letter for letter in letters if ord(letter) not in _letters(path)}


@cache
def _letters(path):
    """Code points that a font shows; none where it cannot be drawn at any size."""
    try:
        ImageFont.truetype(path, 15)  # coloured emoji come in one size alone
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
