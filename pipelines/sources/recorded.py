"""The source of a run or bundle, written down so that it can be opened again, and known again."""

import dataclasses
import os

from pipelines.check import BadSource, Checks, display
from pipelines.errors import UserError
from pipelines.sources import absolute, open_source
from pipelines.sources.base import change

PATHS = ("data_dir", "weights")
KNOBS = [field.name for field in dataclasses.fields(Checks)]


def anywhere(values):
    """The same values, those that name a place in words that hold in any working directory.

    Args:
        values: {name: value}, of which `data` is a source, and `data_dir` and `weights` are paths.
    """
    found = dict(values)
    if found.get("data"):
        found["data"] = absolute(found["data"])
    for name in PATHS:
        if found.get(name):
            found[name] = os.path.abspath(os.path.expanduser(found[name]))
    return found


def record(source):
    """What a run or a bundle must know to open its source again, as plain data."""
    opened = anywhere({"data": source.spec, "data_dir": source.data_dir})
    return opened | dataclasses.asdict(source.checks) | {"fingerprint": source.fingerprint}


def identity(recorded):
    """What tells recorded sources apart: where it is equal, they are opened alike."""
    return tuple(recorded.get(name) for name in ("data", "data_dir", *KNOBS, "fingerprint"))


def reopen(recorded, *, data_dir=None, changed_data=False, by=None, checks=None):
    """Open a recorded source again.

    Args:
        recorded: what `record` returned, among other things.
        data_dir: where its TFDS sets lie now; default, where they lay then.
        changed_data: accept that it holds other images now.
        by: what was trained on it, for the sentence.
        checks: {knob of `Checks`: value} to take in place of those recorded.

    Raises:
        UserError: it is gone, or is not what it was, or what is recorded is no source.
    """
    for name in ("data", "data_dir"):
        if not isinstance(found := recorded.get(name), str | None):
            raise UserError(f"{name} is text, not {found!r}")
    knobs = {name: recorded[name] for name in KNOBS if name in recorded} | (checks or {})
    source = open_source(recorded["data"], data_dir=data_dir or recorded.get("data_dir"), **knobs)
    if not changed_data:
        refuse_change(source, recorded, by or "this")
    return source


def take_up(recorded, out):
    """Open the source of what was begun in the folder `out`, to go on with it.

    Raises:
        UserError: it is gone, or holds other images now.
    """
    advice = "put them back, or start anew with another --out"
    try:
        source = reopen(recorded, changed_data=True)  # refused in other words, without that way out
    except BadSource as bad:
        raise BadSource(bad.spec, bad.findings, f"{out} was begun without them: {advice}") from None
    if what := change(recorded.get("fingerprint", source.fingerprint), source.fingerprint):
        raise UserError(
            f"the images of {display(recorded['data'])} are not those that {out} was begun with: "
            f"{what}; {advice}"
        )
    return source


def refuse_change(source, recorded, by):
    """Refuse a source whose fingerprint is not the recorded one.

    Raises:
        UserError: in words, what changed.
    """
    what = "fingerprint" in recorded and change(recorded["fingerprint"], source.fingerprint)
    if what:
        raise UserError(
            f"{display(source.spec)} is not what {by} was made from: {what}; put it back, or "
            "accept it as it is with --changed-data"
        )


def is_same(recorded, spec, data_dir):
    """Whether the user names the recorded source again."""
    then = recorded.get("data_dir")
    now = anywhere({"data": spec, "data_dir": data_dir})
    return now["data"] == recorded.get("data") and (not data_dir or then in (None, now["data_dir"]))
