"""The page of a bundle: index.html and what it loads; `python -m export serve` serves it."""

import shutil
from pathlib import Path

from export import drawing

WEB = Path(__file__).parent / "web"
INDEX = "index.html"


def write(making):
    """Write index.html and web/; they read model.json, and are the same in every bundle."""
    drawing.write(making)
    shutil.copyfile(WEB / INDEX, making.folder / INDEX)
    folder = making.folder / "web"
    folder.mkdir()
    for file in sorted(WEB.glob("*.*")):
        if file.name != INDEX:
            shutil.copyfile(file, folder / file.name)
