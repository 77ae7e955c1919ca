"""The data doctor: look at image files before anything is trained on them.

Each is really decoded, in a child process; each fault is named, all at once; what was found is
remembered until a file or a rule changes. The rules: `rules`, and docs/data.md.
"""

import dataclasses
import os
from dataclasses import dataclass

from pipelines import cli
from pipelines.check.cache import Cache, stamp
from pipelines.check.children import SECONDS, Died, shared
from pipelines.check.facts import Fault, ImageFacts
from pipelines.check.findings import BadSource, Findings
from pipelines.check.names import display, find_file, shell
from pipelines.settings import knob

__all__ = [
    "EXTENSIONS", "BadSource", "Checks", "Fault", "Findings", "ImageFacts", "Place",
    "display", "find_file", "inspect_all", "inspect_each", "shell",
]  # fmt: skip

JPEG = (".jpg", ".jpeg", ".jfif", ".jpe")
BY_PILLOW = (".gif", ".bmp", ".dib", ".tif", ".tiff")
EXTENSIONS = (*JPEG, ".png", ".apng", ".webp", *BY_PILLOW)


@dataclass(frozen=True)
class Checks:
    """Which images are taken."""

    bad_images: str = knob(
        "error", "what a bad image is: error, or skip to leave it out", choices=("error", "skip")
    )
    max_megapixels: float = knob(
        50.0, "pixels, in millions, that an image may claim", low=0.0001, high=10_000
    )
    limit_images: int | None = knob(
        None, "train on about so many images, the same share of each class; tests stay whole", low=1
    )


@dataclass(frozen=True)
class Place:
    """Where the bytes of an image lie: a file, or a part of one."""

    path: str
    offset: int | None = None  # bytes; None for the whole file
    length: int | None = None

    @property
    def key(self):
        """What this image is called in the cache."""
        return self.path if self.offset is None else f"{self.path}\0{self.offset}"


def inspect_each(places, checks=None, cache_name=None):
    """Inspect images in child processes.

    Args:
        places: [Place, ...].
        checks: a `Checks`.
        cache_name: what this source is called in the cache; None remembers nothing.

    Returns:
        [ImageFacts or Fault, ...].
    """
    checks = checks or Checks()
    cache = Cache(f"{cache_name}\0{checks.max_megapixels}") if cache_name else None
    found, stamps = [None] * len(places), {}
    if cache:
        stamps = {path: _stamp(path) for path in {place.path for place in places}}
        for i, place in enumerate(places):
            known = stamps[place.path] and cache.get(place.key, stamps[place.path])
            found[i] = _facts(known) if known else None
    todo = [i for i, known in enumerate(found) if known is None]
    for k, result in _inspected([places[i] for i in todo], checks):
        place = places[todo[k]]
        found[todo[k]] = result
        if cache and stamps[place.path] and isinstance(result, ImageFacts):
            cache.put(place.key, stamps[place.path], dataclasses.astuple(result))
    if cache:
        cache.save(place.key for place in places)
    return found


def _stamp(path):
    try:
        return stamp(path)
    except OSError:
        return None  # the child will say why


def _facts(known):
    *facts, warnings = known
    return ImageFacts(*facts, tuple(warnings))


def _inspected(places, checks):
    """Yield (index, ImageFacts or Fault), in the order in which they are done."""
    # The children stay where they were begun; their parent may have gone to another folder since.
    items = [[os.path.abspath(p.path), p.offset, p.length, checks.max_megapixels] for p in places]
    tensorflow = any(not p.path.lower().endswith(JPEG + BY_PILLOW) for p in places)
    children = shared("pipelines.check.image:inspect_item")
    answers = children.map(items, tensorflow=tensorflow)
    for i, answer in cli.progress(answers, len(items), "checking images"):
        if isinstance(answer, Died):
            fault = (
                ("endless", {"seconds": SECONDS})
                if answer.endless
                else ("crash", {"why": answer.why})
            )
            yield i, Fault(fault[0], **fault[1])
        elif "fault" in answer:
            yield i, Fault(answer["fault"], **answer["blanks"])
        else:
            yield i, _facts(answer["facts"])


def inspect_all(paths):
    """Inspect files; return their facts, or raise with every fault at once.

    Raises:
        BadSource: some file cannot be used; all of them are named.
    """
    found, findings = inspect_each([Place(os.fspath(path)) for path in paths]), Findings()
    for path, fault in zip(paths, found, strict=True):
        if isinstance(fault, Fault):
            findings.fault(fault.rule, f"{display(path)} {fault}", [path])
    findings.stop(f"{len(paths)} files", "mend it or name others")
    return found
