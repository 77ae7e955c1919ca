"""Files and folders that appear whole or not at all.

What is being written lies in a scratch folder beside its place, whose name no user would give and
which its process holds locked. A kill frees the lock, in whatever container or on whatever machine
it ran, so that `sweep` knows what nobody writes any more; a process number would be another's by
then. Where the file system has no locks nothing is swept.
"""

import contextlib
import errno
import fcntl
import fnmatch
import json
import math
import os
import re
import shutil
import tempfile
from pathlib import Path

from pipelines import interrupt
from pipelines.errors import EnvironmentFault, UserError

ENVIRONMENT = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR),
    *(errno.EBUSY, errno.EIO, errno.ENOENT, errno.ESTALE, errno.ENODEV, errno.ENXIO),
    *(errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.ETIMEDOUT, errno.ENOTCONN),
}
NAMED = {errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR}  # no such name can be used
SCRATCH = re.compile(r"\.keras-cnns-\d+-[a-z0-9_]{8}")
NEW, OLD, DONE = "new", "old", "done"  # in a scratch folder: what comes, what goes, what went


@contextlib.contextmanager
def scratch(parent):
    """Give an empty folder in `parent`, deleted at the end, or after a kill by the next one."""
    sweep(parent)
    folder, lock = _locked_scratch(parent)
    try:
        yield folder
    finally:
        try:
            _clear(folder)
        finally:
            os.close(lock)


def _locked_scratch(parent):
    while True:
        try:
            folder = Path(tempfile.mkdtemp(prefix=f".keras-cnns-{os.getpid()}-", dir=parent))
        except FileNotFoundError:  # it has gone, or is of a kind in which nothing can be made
            raise EnvironmentFault(f"{parent} is gone or takes no files") from None
        try:
            lock = _lock(folder)
        except OSError:  # no locks here: nobody will sweep it
            lock = os.open(folder, os.O_RDONLY)
        if lock is not None:  # else a sweep was quicker than we
            return folder, lock


def _lock(folder):
    """A descriptor that holds the lock of a folder; None if another process has it, or it is gone.

    Raises:
        OSError: the file system has no locks, or the folder is another user's.
    """
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), os.stat(folder)):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(lock)
        raise
    os.close(lock)
    return None


def _clear(folder):
    """Delete a scratch folder; what it took away and nothing replaced goes back first."""
    if (folder / OLD).is_dir():
        for old in (folder / OLD).iterdir():
            if not os.path.lexists(target := folder.parent / old.name):
                os.rename(old, target)
        # What is half deleted must not be taken for what should go back.
        os.rename(folder / OLD, folder / DONE)
    shutil.rmtree(folder, ignore_errors=True)


def sweep(folder):
    """Clear away what killed processes left half-written in a folder.

    What a kill took away in the midst of `whole_folder` goes back to its place. What a living
    process writes stays, as does all that is not ours.
    """
    with contextlib.suppress(OSError):
        for name in filter(SCRATCH.fullmatch, os.listdir(folder)):
            with contextlib.suppress(OSError):
                _sweep(Path(folder) / name)


def _sweep(folder):
    lock = _lock(folder)
    if lock is not None:
        try:
            _clear(folder)
        finally:
            os.close(lock)


@contextlib.contextmanager
def whole_file(path):
    """Give a temporary path, of the name of `path`; it takes its place at the end.

    A reader sees the old file or the new one, also after a kill or on a full disk.
    """
    path = Path(path)
    with scratch(path.parent) as folder:
        temporary = folder / path.name
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        interrupt.obey()
        os.replace(temporary, path)


@contextlib.contextmanager
def whole_folder(path):
    """Give a temporary folder, of the name of `path`, which takes its place at the end.

    A folder that stood there is moved away only when the new one is complete. A kill leaves the
    one or the other; where it struck between the two steps, the next `sweep` puts the old one back.

    Raises:
        UserError: the folder can be no other one; see `claim`.
    """
    path = Path(os.path.realpath(path))
    _check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch(path.parent) as folder:
        temporary, old = folder / NEW / path.name, folder / OLD / path.name
        temporary.mkdir(parents=True)
        old.parent.mkdir()
        yield temporary
        interrupt.obey()
        if path.exists():
            os.rename(path, old)
        os.rename(temporary, path)


def _check_replaceable(path):
    """Refuse a folder that cannot be moved out of the way, or should not be."""
    path = Path(os.path.realpath(path))
    if Path.cwd().is_relative_to(path):
        raise UserError(
            f"{path} will be replaced as a whole, and you are in it; name a folder in it with "
            "--out, or go elsewhere"
        )
    if os.path.ismount(path):
        raise UserError(f"{path} is where a disk is mounted; name a folder in it with --out")


def write_text(path, text):
    """Write `text` whole or not at all; what is no Unicode, of a path, as JSON escapes it."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path, value):
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def finite(value):
    """The same plain value, None in the place of numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def cache_folder():
    """Where what can be made again is kept: $XDG_CACHE_HOME/keras-cnns or ~/.cache/keras-cnns."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return expanded(root if os.path.isabs(root) else "~/.cache") / "keras-cnns"


def expanded(path):
    """A path with ~ and ~user replaced, where such a user is known."""
    return Path(os.path.expanduser(path))


def claim(path, *, marker, owned, as_whole=False):
    """Refuse to write over anything that is not ours.

    Args:
        path: the folder to make or to replace.
        marker: the file by which our folder is known.
        owned: patterns of the names that it may hold.
        as_whole: `whole_folder` will replace it.

    Raises:
        UserError: `path` is a file, or a folder that holds other things; or, as a whole, one that
            the user is in or that a disk is mounted on.
        EnvironmentFault: the place where it should go cannot be written.
    """
    path = Path(path)
    if as_whole:
        _check_replaceable(path)
    for folder in (path, Path(os.path.realpath(path)).parent):
        sweep(folder)
    names = sorted(os.listdir(path)) if path.is_dir() else []
    ours = marker in names
    foreign = [n for n in names if not (ours and any(fnmatch.fnmatch(n, p) for p in owned))]
    if foreign:
        more = f" and {len(foreign) - 1} more" if foreign[1:] else ""
        raise UserError(
            f"{path} holds other files ({foreign[0]}{more}); "
            "name an empty or a new folder with --out"
        )
    if os.path.lexists(path) and not path.is_dir():
        what = "a file" if path.exists() else "a link to nothing"
        raise UserError(f"{path} is {what}; name a folder with --out")
    places = Path(os.path.realpath(path)).parents if as_whole else (path, *path.absolute().parents)
    parent = next(p for p in places if p.exists())
    if not parent.is_dir():
        raise UserError(f"{parent} is a file, so {path} cannot be made; name another --out")
    _check_writable(parent)


def _check_writable(folder):
    """Refuse a folder in which nothing can be made; only trying tells, of /proc for one."""
    try:
        with scratch(folder):
            pass
    except (OSError, EnvironmentFault) as error:
        why = (getattr(error, "strerror", None) or "it takes no files").lower()
        raise EnvironmentFault(f"{folder} cannot be written ({why}); name another --out") from None


def check_picture(path):
    """Refuse a path at which no PNG can be written, before the work that it is to show.

    Raises:
        UserError: another ending, a folder, or a folder that is not there.
        EnvironmentFault: its folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png" or path.is_dir():
        raise UserError(f"a picture is a .png file, not {path}")
    if not path.absolute().parent.is_dir():
        raise UserError(f"no folder {path.parent} to write {path.name} in")
    _check_writable(path.absolute().parent)
