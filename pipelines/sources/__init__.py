"""Where images come from, each kind behind the same interface."""

import importlib
import os
from dataclasses import dataclass, replace

from pipelines.check import Checks
from pipelines.errors import UserError, did_you_mean
from pipelines.settings import resolve
from pipelines.sources.base import Source, Split, limited

KINDS = {  # kind: (module, what follows the colon)
    "digits": ("pipelines.sources.digits", None),
    "folder": ("pipelines.sources.folder", "PATH"),
    "csv": ("pipelines.sources.csv_file", "FILE"),
    "tfds": ("pipelines.sources.tfds", "NAME"),
}
FORMS = [kind if rest is None else f"{kind}:{rest}" for kind, (_, rest) in KINDS.items()]
HELP = f"where the images are: {', '.join(FORMS)}"

__all__ = ["FORMS", "HELP", "KINDS", "Source", "Split", "absolute", "open_source", "refuse_inside"]


@dataclass(frozen=True)
class Options:
    """How a source is opened."""

    data_dir: str | None
    checks: Checks


def open_source(spec, *, data_dir=None, checks=None, **knobs):
    """Open the images that `spec` names, every one of them checked.

    Args:
        spec: "digits", "folder:PATH", "csv:FILE" or "tfds:NAME".
        data_dir: where TFDS keeps prepared sets; default, as TFDS itself does.
        checks: a `check.Checks`; its knobs can also be given one by one, such as
            bad_images="skip".

    Raises:
        UserError: no such source, or its images cannot be used.
    """
    kind, colon, rest = spec.partition(":")
    if kind not in KINDS:
        raise UserError(f"no source is named {spec!r}; {_hint(spec, kind)}")
    module, wants = KINDS[kind]
    if bool(rest) != bool(wants) or bool(colon) != bool(wants):
        raise UserError(f"{spec!r} is no source; write {FORMS[list(KINDS).index(kind)]}")
    options = Options(data_dir, resolve(checks or Checks(), knobs))
    source = importlib.import_module(module).open_source(spec, rest, options)
    source = replace(source, data_dir=data_dir and str(data_dir))
    limit = options.checks.limit_images
    return limited(source, limit) if limit else source


def absolute(spec):
    """The same source in words that hold in any working directory."""
    kind, _, rest = spec.partition(":")
    if kind in ("folder", "csv"):
        return f"{kind}:{os.path.abspath(os.path.expanduser(rest))}"
    return spec


def refuse_inside(out, spec):
    """Refuse to write into the folder of images that `spec` names; it is the user's.

    Raises:
        UserError: `out` lies in it.
    """
    kind, _, rest = (spec or "").partition(":")
    if kind == "folder":
        root, out = (os.path.realpath(os.path.expanduser(path)) for path in (rest, out))
        if os.path.commonpath([root, out]) == root:
            raise UserError(f"{out} lies in the folder of your images; name a place outside it")


def _hint(spec, kind):
    if os.path.isdir(spec):
        return f"for a folder of images write folder:{spec}"
    if spec.lower().endswith(".csv"):
        return f"for a list of images write csv:{spec}"
    near = did_you_mean(kind, KINDS)
    return near if near.startswith("did") else did_you_mean(spec, FORMS)
