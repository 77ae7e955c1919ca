"""CSV sources: what a row says, and every way in which it can be wrong."""

import numpy as np
import pytest

from pipelines import dataset
from pipelines.check import BadSource
from pipelines.errors import UserError
from pipelines.sources import base, open_source
from tests.conftest import draw


@pytest.fixture
def listed(tmp_path):
    """Write a CSV file of the given text beside 2 x 6 images; return its source."""
    for c in "ab":
        for i in range(6):
            draw(tmp_path / "pics" / f"{c}{i}.png", seed=10 * ord(c) + i)

    def open_(text, encoding="utf-8", **options):
        file = tmp_path / "list.csv"
        file.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
        return open_source(f"csv:{file}", **options)

    return open_


def rows(*extra, header="path,label", mark=","):
    lines = [header, *(f"pics/{c}{i}.png{mark}{c}" for c in "ab" for i in range(6)), *extra]
    return "\n".join(lines) + "\n"


def test_rows_become_images_with_their_labels(listed, tmp_path):
    source = listed(rows())
    assert source.classes == ("a", "b")
    assert [sum(c) for c in zip(*source.counts().values(), strict=True)] == [6, 6]
    for split in source.splits.values():
        images = dataset.pixels(split, (10, 12, 3))
        for name, label, image in zip(split.names, split.labels, images, strict=True):
            name = name.split("/pics/")[1]
            assert name[0] == "ab"[label]
            i = int(name[1])
            seed = 10 * ord("ab"[label]) + i
            true = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), dtype=np.uint8)
            np.testing.assert_array_equal(image, true)


@pytest.mark.parametrize(
    "text, encoding",
    [
        (rows(header="path;label", mark=";"), "utf-8"),
        (rows(header="path\tlabel", mark="\t"), "utf-8"),
        (rows(), "utf-8-sig"),
        (rows(), "utf-16"),
        (rows(header=" Path , LABEL "), "utf-8"),
        (rows().replace("\n", "\r\n"), "utf-8"),
        (rows("", "  ,  "), "utf-8"),
        (rows().replace("pics/a0.png", '"pics/a0.png"'), "utf-8"),
    ],
)
def test_files_of_other_programs_say_the_same(text, encoding, listed):
    assert listed(text, encoding).fingerprint == listed(rows()).fingerprint


def test_the_mark_between_cells_is_told_by_the_columns(listed):
    text = rows().replace(",", ";").replace("path;label", 'path;label;"x, y"')
    text = text.replace(";a\n", ";a;1\n").replace(";b\n", ";b;1\n")
    assert listed(text).fingerprint == listed(rows()).fingerprint


def test_the_same_images_have_the_fingerprint_of_their_folder(listed, photos, tmp_path):
    lines = ["path,label", *(f"{p},{p.parent.name}" for p in sorted(photos.rglob("*.png")))]
    (tmp_path / "abs.csv").write_text("\n".join(lines))
    ours = open_source(f"csv:{tmp_path / 'abs.csv'}")
    assert ours.fingerprint == open_source(f"folder:{photos}").fingerprint


def test_odd_names_and_labels_work(listed, tmp_path):
    draw(tmp_path / 'a, "b"\n.png', seed=1)
    for i in range(3):
        draw(tmp_path / f"日本{i}.png", seed=50 + i)
    extra = ['"a, ""b""\n.png",a', *(f"日本{i}.png,ça va" for i in range(3))]
    source = listed(rows(*extra))
    assert source.classes == ("a", "b", "ça va")
    assert any(r'a, "b"\n.png' in name for s in source.splits.values() for name in s.names)


def test_splits_that_rows_name_are_kept(listed):
    text = "path,label,split\n" + "".join(
        f"pics/{c}{i}.png,{c},{('train', 'train', 'Validation', 'test', 'testing', 'val')[i]}\n"
        for c in "ab" for i in range(6)
    )  # fmt: skip
    source = listed(text)
    assert source.counts() == {"train": [2, 2], "val": [2, 2], "test": [2, 2]}
    assert set(source.splits) == set(base.SPLITS)


def test_labels_that_are_numbers_are_in_their_order(listed):
    text = rows().replace(",a", ",10").replace(",b", ",9")
    assert listed(text).classes == ("9", "10")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is empty"),
        ("file,label\nx,y\n", "no column 'path', only file, label"),
        ("path,lable\nx,y\n", "no column 'label', only path, lable"),
        ("path,label,splt\nx,y,train\n", "did you mean split"),
        ("path,path,label\nx,y,z\n", "two columns 'path'"),
        ("path,label\n", "lists no image"),
        (rows("pics/a0.png"), "line 14 .* has no label"),
        (rows(",a"), "line 14 .* has no path"),
        (rows("pics/a0.png,a,b,c"), "line 14 .* has 4 cells"),
        (rows("pics/zz.png,a"), "pics/zz.png cannot be read: No such file"),
        (rows("pics,a"), "pics is a folder, not a regular file"),
        (rows().replace(",b", ",a"), "one class, 'a'"),
        (rows("pics/a0.png,é", "pics/a0.png,e\u0301"), "two ways of Unicode"),
        (rows('pics/a0.png,"a\nb"'), "no plain text"),
        (rows('"pics/a0.png,a'), "no CSV file"),
        (b"path,label\n\0\0,a\n", "zero bytes"),
        ("path,label,split\npics/a0.png,a,trian\n", "the split 'trian'; did you mean train"),
        ("path,label,split\npics/a0.png,a,train\npics/a1.png,a,\n", "no split, though others"),
        ("path,label,split\npics/a0.png,a,train\npics/b1.png,b,val\n", "val has the class 'b'"),
        ("path,label,split\npics/a0.png,é,train\npics/b1.png,e\u0301,val\n", "another way of Uni"),
        ("path,label,split\npics/a0.png,a,val\npics/b1.png,b,val\n", "no row of the train split"),
    ],
)
def test_what_is_wrong_with_a_list_is_told(text, message, listed):
    with pytest.raises(UserError, match=message):
        listed(text)


def test_a_list_that_is_not_there_is_answered_with_a_near_one(listed, tmp_path):
    listed(rows())
    with pytest.raises(UserError, match="did you mean .*list.csv"):
        open_source(f"csv:{tmp_path / 'lists.csv'}")
    with pytest.raises(UserError, match="for a list of images write csv:"):
        open_source(str(tmp_path / "list.csv"))


def test_what_is_no_file_is_not_said_to_be_near_itself():
    with pytest.raises(UserError, match="/dev/null is no file") as caught:
        open_source("csv:/dev/null")
    assert "did you mean /dev/null" not in str(caught.value)


def test_missing_files_can_be_left_out_and_are_all_named(listed):
    text = rows("pics/zz.png,a", "pics/yy.png,b")
    with pytest.raises(BadSource) as caught:
        listed(text)
    assert len(caught.value.findings.faults) == 2
    source = listed(text, bad_images="skip")
    assert source.fingerprint == listed(rows()).fingerprint
    assert [f.files[0].split("/")[-1] for f in source.skipped] == ["zz.png", "yy.png"]


def test_other_columns_are_named_and_the_same_image_twice_is_told(listed):
    text = "path,label,width\n" + rows().split("\n", 1)[1].replace("\n", ",12\n")
    assert [f.rule for f in listed(text).warnings] == ["column"]
    twice = {f.rule for f in listed(rows("pics/a0.png,b")).warnings}
    assert twice == {"two_classes"}
