"""File names as text that a person and a machine can read."""

import os
import shlex
import unicodedata
from pathlib import Path

from pipelines.errors import UserError, did_you_mean

# Control characters, halves of surrogate pairs, line ends; and what turns the reading direction,
# by which a name can look like another.
UNSHOWN = {"Cc", "Cs", "Zl", "Zp"}
TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def display(path):
    """A path as text that any terminal and JSON file can hold, on one line."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in UNSHOWN or c in TURNING
        else c
        for c in text
    )


def shell(text):
    """A word as a POSIX shell takes it when it is pasted; as bash does, if it is no plain text."""
    if display(text) == text:
        return shlex.quote(text)
    escaped = display(text.replace("\\", "\\\\")).replace("'", "\\'")
    return f"$'{escaped}'"


def near_path(path, names=None):
    """The near misses of a path among what lies beside it, by the last part: all share the rest.

    Args:
        names: what may have been meant; default, all that is beside it and not hidden.
    """
    if names is None:
        if not path.parent.is_dir():
            return f"nor is {display(path.parent)}"
        there = path.parent.iterdir()
        names = [p.name for p in there if p != path and not p.name.startswith(".")]
    return display(did_you_mean(path.name, names, f"{path.parent}{os.sep}"))


def find_file(path):
    """Refuse a file that is not there, with its near misses.

    Raises:
        UserError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is no file" if path.exists() else "is not there"
        raise UserError(f"{display(path)} {what}; {near_path(path)}")


def find_folder(path):
    """Refuse a folder that is not there, with its near misses.

    Raises:
        UserError: there is nothing of that name.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{display(path)} is not there; {near_path(path)}")
