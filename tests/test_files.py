"""Files and folders appear whole or not at all."""

import errno

import pytest

from pipelines import files, interrupt
from pipelines.errors import UserError


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


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch):
    folder = tmp_path / "bundle"
    with files.whole_folder(folder) as temporary:
        (temporary / "old").touch()
    rename = files.os.rename

    def full(source, target):
        if target == folder and not str(source).endswith(".old"):
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
