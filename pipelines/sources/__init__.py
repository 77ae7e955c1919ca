"""Where images come from, each kind behind the same interface."""

import importlib
import os

from pipelines.errors import UserError, did_you_mean
from pipelines.sources.base import Source, Split

KINDS = {  # kind: (module, what follows the colon)
    "digits": ("pipelines.sources.digits", None),
    "folder": ("pipelines.sources.folder", "PATH"),
    "tfds": ("pipelines.sources.tfds", "NAME"),
}
FORMS = [kind if rest is None else f"{kind}:{rest}" for kind, (_, rest) in KINDS.items()]
HELP = f"where the images are: {', '.join(FORMS)}"

__all__ = ["FORMS", "HELP", "KINDS", "Source", "Split", "absolute", "open_source", "refuse_inside"]


def open_source(spec, *, data_dir=None):
    """Open the images that `spec` names, every one of them checked.

    Args:
        spec: "digits", "folder:PATH" or "tfds:NAME".
        data_dir: where TFDS keeps prepared sets; default, as TFDS itself does.

    Raises:
        UserError: no such source, or its images cannot be used.
    """
    kind, colon, rest = spec.partition(":")
    if kind not in KINDS:
        raise UserError(f"no source is named {spec!r}; {_hint(spec, kind)}")
    module, wants = KINDS[kind]
    if bool(rest) != bool(wants) or bool(colon) != bool(wants):
        raise UserError(f"{spec!r} is no source; write {FORMS[list(KINDS).index(kind)]}")
    return importlib.import_module(module).open_source(spec, rest, data_dir)


def absolute(spec):
    """The same source in words that hold in any working directory."""
    kind, _, rest = spec.partition(":")
    return f"folder:{os.path.abspath(os.path.expanduser(rest))}" if kind == "folder" else spec


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
    near = did_you_mean(kind, KINDS)
    return near if near.startswith("did") else did_you_mean(spec, FORMS)
