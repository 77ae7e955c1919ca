"""Files and folders appear whole or not at all."""

import errno
import itertools
import os
import signal
import sys
from pathlib import Path

import pytest

from pipelines import files, interrupt
from pipelines.errors import EnvironmentFault, UserError


def listing(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_replaced_only_when_the_new_one_is_complete(tmp_path):
    file = tmp_path / "a.txt"
    files.write_text(file, "old")
    with pytest.raises(OSError, match="disk"), files.whole_file(file) as temporary:
        temporary.write_text("half")
        assert file.read_text() == "old"
        raise OSError(errno.ENOSPC, "disk full")
    assert file.read_text() == "old"
    assert listing(tmp_path) == ["a.txt"]
    files.write_text(file, "new")
    assert file.read_text() == "new"
    assert listing(tmp_path) == ["a.txt"]


def test_a_folder_is_replaced_only_when_the_new_one_is_complete(tmp_path):
    folder = tmp_path / "bundle"
    with files.whole_folder(folder) as temporary:
        (temporary / "old").touch()
    with pytest.raises(KeyboardInterrupt), files.whole_folder(folder) as temporary:
        (temporary / "half").touch()
        raise KeyboardInterrupt
    assert listing(folder) == ["old"]
    with files.whole_folder(folder) as temporary:
        (temporary / "new").touch()
    assert listing(folder) == ["new"]
    assert listing(tmp_path) == ["bundle"]


def killed_at(moment, work):
    """Do the work in a process that is killed at the so many-th thing it does to a file.

    Returns:
        Whether it was killed; else it came to its end before that.
    """
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    events = itertools.count()
    sys.addaudithook(lambda *_: next(events) == moment and os.kill(os.getpid(), signal.SIGKILL))
    try:
        work()
    finally:
        os._exit(0)


def written(folder, text):
    with files.whole_folder(folder) as temporary:
        for name in "ab":
            (temporary / name).write_text(text)


def texts(folder):
    return [(folder / name).read_text() for name in "ab"]


def test_a_kill_at_any_moment_leaves_the_old_folder_or_the_new_one(tmp_path):
    folder, left = tmp_path / "2024", []
    for moment in itertools.count():
        written(folder, "old")
        if not killed_at(moment, lambda: written(folder, "new")):
            break
        left.append(texts(folder)[0] if folder.exists() else "none")
        files.claim(folder, marker="a", owned="ab")
        assert texts(folder) in (["old"] * 2, ["new"] * 2)
        assert listing(tmp_path) == ["2024"] and listing(folder) == ["a", "b"]
    assert set(left) == {"old", "none", "new"}  # "none": between the two renames
    assert texts(folder) == ["new"] * 2


def test_a_kill_at_any_moment_of_the_clearing_loses_nothing(tmp_path):
    folder = tmp_path / "bundle"
    for moment in itertools.count():
        old = tmp_path / ".keras-cnns-1-k3x9aabc" / files.OLD / "bundle"
        old.mkdir(parents=True)
        for name in "ab":
            (old / name).write_text("old")
        was_killed = killed_at(moment, lambda: files.sweep(tmp_path))
        files.sweep(tmp_path)
        assert texts(folder) == ["old"] * 2 and listing(tmp_path) == ["bundle"]
        files.shutil.rmtree(folder)  # by its user, who does not want a half one back
        files.sweep(tmp_path)
        assert listing(tmp_path) == []
        if not was_killed:
            break
    assert moment > 5


def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path):
    file = tmp_path / "a.txt"
    for moment in itertools.count():
        files.write_text(file, "old")
        if not killed_at(moment, lambda: files.write_text(file, "new")):
            break
        assert file.read_text() in ("old", "new")
        files.write_text(tmp_path / "b.txt", "")
        assert listing(tmp_path) == ["a.txt", "b.txt"]
    assert moment > 5


def test_only_what_nobody_writes_any_more_is_swept(tmp_path):
    others = {".2024.x", ".999999999.notes", ".keras-cnns-1-my_notes.txt", ".keras-cnns-notes"}
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / ".keras-cnns-1-a_file_a").touch()
    (tmp_path / ".keras-cnns-1-abcdefgh").symlink_to(tmp_path / ".2024.x")
    before = listing(tmp_path)
    with files.whole_folder(tmp_path / "bundle") as temporary:
        (temporary / "a").touch()
        files.write_text(tmp_path / "other.txt", "")  # sweeps, and so does another process:
        killed_at(-1, lambda: files.sweep(tmp_path))
        assert temporary.is_dir()
    assert listing(tmp_path) == sorted([*before, "bundle", "other.txt"])


def test_where_there_are_no_locks_nothing_is_swept(tmp_path, monkeypatch):
    left = tmp_path / ".keras-cnns-1-k3x9aabc"
    left.mkdir()

    def none(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(files.fcntl, "flock", none)
    written(tmp_path / "bundle", "new")
    assert listing(tmp_path) == [left.name, "bundle"]


def test_a_folder_is_not_replaced_under_the_feet_of_its_user(tmp_path, monkeypatch):
    written(tmp_path / "bundle", "old")
    (tmp_path / "bundle" / "samples").mkdir()
    monkeypatch.chdir(tmp_path / "bundle" / "samples")
    for path in (".", "..", tmp_path / "bundle", "../samples/.."):
        with pytest.raises(UserError, match="you are in it"):
            written(path, "new")
        with pytest.raises(UserError, match="you are in it"):
            files.claim(path, marker="a", owned=("a", "b", "samples"), as_whole=True)
    with pytest.raises(UserError, match="a disk is mounted"):
        files.claim("/proc", marker="a", owned="ab", as_whole=True)
    assert texts(tmp_path / "bundle") == ["old"] * 2


def test_a_link_to_a_folder_stays_one(tmp_path):
    written(tmp_path / "large_disk" / "bundle", "old")
    (tmp_path / "bundle").symlink_to(tmp_path / "large_disk" / "bundle")
    written(tmp_path / "bundle", "new")
    assert (tmp_path / "bundle").is_symlink() and texts(tmp_path / "bundle") == ["new"] * 2
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UserError, match="is a link to nothing"):
        files.claim(tmp_path / "loop", marker="m", owned=())


def test_a_folder_that_is_not_ours_is_not_claimed(tmp_path):
    files.claim(tmp_path / "new" / "deep", marker="m", owned=("m", "x*"))
    files.claim(tmp_path, marker="m", owned=("m", "x*"))  # empty
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UserError, match="holds other files"):
        files.claim(tmp_path, marker="m", owned=("m", "x*"))
    with pytest.raises(UserError, match="is a file"):
        files.claim(tmp_path / "thesis.txt", marker="m", owned=("m", "x*"))
    with pytest.raises(UserError, match="is a file"):
        files.claim(tmp_path / "thesis.txt" / "run", marker="m", owned=("m", "x*"))
    (tmp_path / "m").touch()
    with pytest.raises(UserError, match="thesis.txt"):
        files.claim(tmp_path, marker="m", owned=("m", "x*"))
    (tmp_path / "thesis.txt").rename(tmp_path / "xyz")
    files.claim(tmp_path, marker="m", owned=("m", "x*"))


def test_where_nothing_can_be_made_is_told_before_the_work():
    for refuse in (
        lambda: files.claim("/proc/new", marker="m", owned=()),
        lambda: files.claim("/proc/new/deep", marker="m", owned=()),
        lambda: files.check_picture("/proc/new.png"),
    ):
        with pytest.raises(EnvironmentFault, match="/proc cannot be written .*name another --out"):
            refuse()


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch):
    folder = tmp_path / "bundle"
    with files.whole_folder(folder) as temporary:
        (temporary / "old").touch()
    rename = files.os.rename

    def full(source, target):
        if target == folder and source.parent.name != files.OLD:
            raise OSError(errno.ENOSPC, "disk full")
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", full)
    with pytest.raises(OSError, match="disk"), files.whole_folder(folder) as temporary:
        (temporary / "new").touch()
    assert listing(folder) == ["old"]
    assert listing(tmp_path) == ["bundle"]


def test_a_signal_that_somebody_swallowed_is_obeyed_before_anything_is_put_in_its_place(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(interrupt, "received", [15])
    with pytest.raises(interrupt.Stopped), files.whole_folder(tmp_path / "bundle"):
        pass
    with pytest.raises(interrupt.Stopped):
        files.write_text(tmp_path / "a.txt", "new")
    assert listing(tmp_path) == []


def test_a_folder_that_is_gone_or_takes_no_files_is_the_environments_fault(tmp_path):
    for parent in (tmp_path / "gone", Path("/proc")):
        with pytest.raises(EnvironmentFault, match="is gone or takes no files"):
            files.write_text(parent / "text", "text")
