"""Files and folders that appear whole or not at all."""

import contextlib
import errno
import fnmatch
import json
import os
import shutil
import tempfile
from pathlib import Path

from pipelines import interrupt
from pipelines.errors import EnvironmentFault, UserError

ENVIRONMENT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR}


@contextlib.contextmanager
def whole_file(path):
    """Give a temporary path beside `path`, of the same ending; take its place at the end.

    A reader sees the old file or the new one, also after a kill or on a full disk.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        interrupt.obey()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder):
    """Remove what `whole_file` left half-written in a folder when its process was killed."""
    for path in Path(folder).glob(".*.*"):
        pid = path.name.split(".")[1]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is another user's
    return True


@contextlib.contextmanager
def whole_folder(path):
    """Give a temporary folder beside `path`, which takes its place at the end.

    A folder that stood there is moved away only when the new one is complete.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    os.chmod(temporary, 0o755)  # mkdtemp makes it private, a bundle is to be shared
    old = temporary.with_name(f"{temporary.name}.old")
    try:
        yield temporary
        interrupt.obey()
        if path.exists():
            os.rename(path, old)
        os.rename(temporary, path)
    finally:
        if old.exists() and not path.exists():  # stopped, or refused by the disk, in between
            os.rename(old, path)
        for folder in (temporary, old):
            shutil.rmtree(folder, ignore_errors=True)


def write_text(path, text):
    """Write `text` whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def cache_folder():
    """Where what can be made again is kept: $XDG_CACHE_HOME/keras-cnns or ~/.cache/keras-cnns."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return Path(root if os.path.isabs(root) else "~/.cache").expanduser() / "keras-cnns"


def claim(path, *, marker, owned):
    """Refuse to write over anything that is not ours.

    Args:
        path: the folder to make or to replace.
        marker: the file by which our folder is known.
        owned: patterns of the names that it may hold.

    Raises:
        UserError: `path` is a file, or a folder that holds other things.
        EnvironmentFault: the place where it should go cannot be written.
    """
    path = Path(path)
    names = sorted(os.listdir(path)) if path.is_dir() else []
    ours = marker in names
    foreign = [n for n in names if not (ours and any(fnmatch.fnmatch(n, p) for p in owned))]
    if foreign:
        more = f" and {len(foreign) - 1} more" if foreign[1:] else ""
        raise UserError(
            f"{path} holds other files ({foreign[0]}{more}); "
            "name an empty or a new folder with --out"
        )
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; name a folder with --out")
    parent = next(p for p in [path, *path.absolute().parents] if p.exists())
    if not parent.is_dir():
        raise UserError(f"{parent} is a file, so {path} cannot be made; name another --out")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise EnvironmentFault(f"{parent} cannot be written; name another --out")


def check_picture(path):
    """Refuse a path at which no PNG can be written, before the work that it is to show.

    Raises:
        UserError: another ending, a folder, or a folder that is not there.
    """
    path = Path(path)
    if path.suffix.lower() != ".png" or path.is_dir():
        raise UserError(f"a picture is a .png file, not {path}")
    if not path.absolute().parent.is_dir():
        raise UserError(f"no folder {path.parent} to write {path.name} in")
