"""Sources: which images, under which label, in which split."""

import os
import re
import shutil
import unicodedata

import numpy as np
import pytest

from pipelines import dataset
from pipelines.check import BadSource
from pipelines.check.rules import RULES
from pipelines.errors import UserError
from pipelines.sources import FORMS, base, open_source
from tests.conftest import draw, store_tfds


def folder(path):
    return open_source(f"folder:{path}")


def names(source, split):
    return {os.path.relpath(name, source.spec[7:]) for name in source.splits[split].names}


def test_digits_are_all_there_a_fifth_held_out(digits):
    counts = {name: len(split) for name, split in digits.splits.items()}
    assert sum(counts.values()) == 1797
    assert counts["test"] == pytest.approx(1797 / 5, abs=5)
    assert digits.channels == 1
    assert digits.classes == tuple("0123456789")
    for split in digits.splits.values():
        images = dataset.pixels(split, (8, 8, 1))
        assert images.max() == 255
        assert images.min() == 0


def test_labels_stay_with_their_images(digits):
    """A nearest-mean classifier of raw pixels is right 9 times in 10, if labels are."""
    train, test = digits.splits["train"], digits.splits["test"]
    x, y = (dataset.pixels(split, (8, 8, 1)).reshape(-1, 64) / 255 for split in (train, test))
    means = np.stack([x[train.labels == c].mean(0) for c in range(10)])
    answers = ((y[:, None] - means) ** 2).sum(-1).argmin(1)
    assert (answers == test.labels).mean() > 0.85


def test_a_folder_is_split_within_each_class_without_overlap(photos):
    source = folder(photos)
    assert source.classes == ("cat", "dog")
    assert source.counts() == {"train": [7, 7], "val": [1, 1], "test": [2, 2]}
    parts = [names(source, split) for split in base.SPLITS]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 20
    for split in source.splits.values():
        for name, label in zip(split.names, split.labels, strict=True):
            assert source.classes[label] in name


def test_the_split_follows_content_not_names_or_place(photos, tmp_path):
    before = folder(photos)
    moved = tmp_path / "moved"
    for i, file in enumerate(sorted((photos / "cat").iterdir())):
        (moved / "cat").mkdir(parents=True, exist_ok=True)
        shutil.copy(file, moved / "cat" / f"{99 - i}.png")
    shutil.copytree(photos / "dog", moved / "dog")
    after = folder(moved)
    assert after.fingerprint == before.fingerprint
    for split in base.SPLITS:
        ours, theirs = (dataset.pixels(s.splits[split], (10, 12, 3)) for s in (before, after))
        assert sorted(map(bytes, ours)) == sorted(map(bytes, theirs))


def test_equal_bytes_fall_into_one_split(photos):
    for i in range(10):
        shutil.copy(photos / "cat" / f"{i}.png", photos / "cat" / f"copy {i}.png")
    source = folder(photos)
    places = {}
    for split in base.SPLITS:
        for name in source.splits[split].names:
            if "cat" in name:
                places.setdefault(os.path.basename(name).removeprefix("copy "), set()).add(split)
    assert all(len(splits) == 1 for splits in places.values())


def test_a_change_of_content_or_label_changes_the_fingerprint(photos):
    before = folder(photos).fingerprint
    draw(photos / "cat" / "0.png", seed=999)
    changed = folder(photos).fingerprint
    (photos / "cat" / "1.png").rename(photos / "dog" / "from cat.png")
    assert len({before, changed, folder(photos).fingerprint}) == 3


SPELLINGS = [
    ("train",), ("train", "val"), ("Training", "valid", "test"), ("training_set", "test_set"),
    ("Train Images", "dev-data"),
]  # fmt: skip


@pytest.mark.parametrize("inside", SPELLINGS)
def test_splits_that_the_user_made_are_kept(inside, tmp_path):
    for k, split in enumerate(inside):
        for c in "ab":
            for i in range(5):
                draw(tmp_path / split / c / f"{i}.png", seed=100 * k + 10 * ord(c) + i)
    source = folder(tmp_path)
    assert source.classes == ("a", "b")
    for split in inside:
        first = re.match("[a-z]+", split.lower())[0]
        ours = {"training": "train", "valid": "val", "dev": "val"}.get(first, first)
        if ours != "train":
            assert all(f"{split}/" in name for name in source.splits[ours].names)
            assert len(source.splits[ours]) == 10
    assert all(len(split) for split in source.splits.values())
    assert sum(map(len, source.splits.values())) == 10 * len(inside)


def test_a_class_may_be_called_test(photos):
    (photos / "cat").rename(photos / "test")
    assert folder(photos).classes == ("dog", "test")


def test_what_is_left_out_is_counted(photos):
    (photos / ".DS_Store").write_bytes(b"x")
    (photos / "cat" / "._0.png").write_bytes(b"x")
    (photos / "cat" / "notes.txt").write_text("x")
    (photos / "cat" / "README").write_text("x")
    (photos / "list.csv").write_text("x")
    (photos / "__MACOSX").mkdir()
    assert folder(photos).ignored == {
        ".txt file": 1,
        "__MACOSX": 1,
        "dot-file": 2,
        "file outside the class folders": 1,
        "no extension file": 1,
    }


@pytest.mark.parametrize("name", ["hot dog", "100%", "ça va", "日本", "it's", "-v", "a;b", "[x]*"])
def test_odd_class_and_file_names_work(photos, name):
    (photos / "cat").rename(photos / name)
    (photos / name / "0.png").rename(photos / name / f"{name}.PNG")
    source = folder(photos)
    assert name in source.classes
    assert sum(len(s) for s in source.splits.values()) == 20
    for split in source.splits.values():
        assert dataset.pixels(split, (8, 8, 3)).shape[1:] == (8, 8, 3)


def test_a_file_name_that_is_no_unicode_works(photos):
    os.rename(photos / "cat" / "0.png", os.fsencode(photos / "cat") + b"/caf\xe9.png")
    source = folder(photos)
    for split in source.splits.values():
        dataset.pixels(split, (8, 8, 3))
    assert any("caf\\xe9" in name for split in source.splits.values() for name in split.names)


def test_a_folder_of_grey_images_is_grey(tmp_path):
    for c in "ab":
        for i in range(4):
            draw(tmp_path / c / f"{i}.png", mode="L", seed=10 * ord(c) + i)
    assert folder(tmp_path).channels == 1
    draw(tmp_path / "a" / "colour.png")
    assert folder(tmp_path).channels == 3


def warned(source):
    return {finding.rule for finding in source.warnings}


def nest(photos):
    for name in ("cat", "dog"):
        (photos / name).rename(photos / f"{name}2")
        (photos / name).mkdir()
        (photos / f"{name}2").rename(photos / name / "sub")


def split_with_unknown(photos):
    shutil.copytree(photos, photos.parent / "copy")
    for name in ("cat", "dog"):
        (photos / "train").mkdir(exist_ok=True)
        (photos / name).rename(photos / "train" / name)
    (photos.parent / "copy").rename(photos / "val")
    (photos / "val" / "dog").rename(photos / "val" / "dgo")


def twins(photos):
    (photos / "cat").rename(photos / unicodedata.normalize("NFC", "é"))
    (photos / "dog").rename(photos / unicodedata.normalize("NFD", "é"))


def one_folder_down(photos):
    moved(photos, "inner")


def splits_down(photos):
    moved(photos, "train")
    moved(photos, "inner")


def moved(photos, *names):
    """Put what lies in the root one folder deeper."""
    inner = photos.joinpath(*names)
    entries = list(photos.iterdir())
    inner.mkdir(parents=True)
    for entry in entries:
        entry.rename(inner / entry.name)


def split_images(photos):
    for old, new in (("cat", "train"), ("dog", "val")):
        (photos / old).rename(photos / new)


def split_and_others(photos):
    moved(photos, "train")
    draw(photos / "extra" / "1.png")


def two_trains(photos):
    moved(photos, "train")
    shutil.copytree(photos / "train", photos / "Training")


def empty_in_train(photos):
    moved(photos, "train")
    (photos / "train" / "mouse").mkdir()


def other_files(photos):
    (photos / "mouse").mkdir()
    (photos / "mouse" / "1.heic").write_bytes(b"x")


def broken_class(photos):
    (photos / "mouse").mkdir()
    for i in range(4):
        (photos / "mouse" / f"{i}.jpg").write_bytes(b"no")


def same_ten(photos):
    for i in range(10):
        draw(photos / "mouse" / f"{i}.png")


def no_unicode(photos):
    os.rename(photos / "cat", os.fsencode(photos) + b"/c\xe9")


def flat(photos):
    for c in ("cat", "dog"):
        for file in (photos / c).iterdir():
            file.rename(photos / f"{c}{file.name}")
        (photos / c).rmdir()


def empty_val(photos):
    moved(photos, "train")
    (photos / "val").mkdir()
    draw(photos / "val" / "1.png")


def lost_val(photos):
    moved(photos, "train")
    (photos / "val").symlink_to("/nothing")


def val_in_another_form(photos):
    (photos / "cat").rename(photos / "caf\xe9")
    moved(photos, "train")
    shutil.copytree(photos / "train" / "caf\xe9", photos / "val" / "cafe\u0301")
    draw(photos / "val" / "dog" / "1.png")


SHAPES = {
    "empty root": (lambda p: [shutil.rmtree(p / c) for c in ("cat", "dog")], "no class folders"),
    "one class": (lambda p: shutil.rmtree(p / "cat"), "one class, 'dog'"),
    "empty class": (lambda p: (p / "mouse").mkdir(), "mouse holds no images"),
    "one deeper": (nest, "one folder too deep .*cat/sub"),
    "one deeper, in one folder": (one_folder_down, "try folder:.*inner"),
    "one deeper, with splits": (splits_down, "try folder:.*inner"),
    "split folders without classes": (split_images, "hold no class folders"),
    "split folders and others": (split_and_others, "others beside them \\(extra\\)"),
    "two train folders": (two_trains, "two folders for train"),
    "no train folder": (lambda p: moved(p, "test"), "no train folder"),
    "empty class in train": (empty_in_train, "mouse holds no images"),
    "class of other files": (other_files, "only 1 file.s. that are not used .*.heic"),
    "class of bad images": (broken_class, "class 'mouse' has no image that can be used"),
    "class of one image ten times": (same_ten, "'mouse' has 1 different image"),
    "name with a line end": (lambda p: (p / "cat").rename(p / "c\nt"), "no plain text"),
    "name that is no Unicode": (no_unicode, "no plain text"),
    "images without classes": (flat, "20 image.s. but no class folders"),
    "val of nothing": (empty_val, "val holds 1 image.* but no class folders"),
    "unknown class in val": (split_with_unknown, "did you mean dog"),
    "too few": (lambda p: draw(p / "mouse" / "1.png"), "'mouse' has 1 different image"),
    "bad image": (lambda p: (p / "cat" / "x.jpg").write_bytes(b"no"), "x.jpg is a text file"),
    "unicode twins": (twins, "same name"),
    "unseen name": (lambda p: (p / "cat").rename(p / "\u200b"), "no plain text"),
    "class behind a lost link": (lambda p: (p / "rat").symlink_to("/nothing"), "leads nowhere"),
    "class behind a loop": (lambda p: (p / "rat").symlink_to(p / "rat"), "leads nowhere"),
    "val behind a lost link": (lost_val, "val is a link that leads nowhere"),
    "class of val in another form": (val_in_another_form, "written in another way of Unicode"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_bad_folder_is_refused_in_words(shape, photos):
    break_it, message = SHAPES[shape]
    break_it(photos)
    with pytest.raises(BadSource, match=message) as caught:
        folder(photos)
    assert all(fault.rule in RULES for fault in caught.value.findings.faults)


def test_an_empty_class_is_one_fault(photos):
    (photos / "mouse").mkdir()
    with pytest.raises(BadSource) as caught:
        folder(photos)
    assert [fault.rule for fault in caught.value.findings.faults] == ["empty_class"]


@pytest.mark.parametrize("other", ["Cat", "cat ", "c\u200bat", "ｃａｔ"])
def test_class_names_that_look_alike_are_told(other, photos):
    shutil.copytree(photos / "dog", photos / other)
    assert "case_twins" in {finding.rule for finding in folder(photos).warnings}


def test_all_that_is_wrong_with_a_folder_is_told_at_once(photos):
    (photos / "mouse").mkdir()
    (photos / "cat" / "x.jpg").write_bytes(b"")
    draw(photos / "rat" / "1.png")
    with pytest.raises(BadSource) as caught:
        folder(photos)
    rules = {fault.rule for fault in caught.value.findings.faults}
    assert rules == {"empty_class", "empty", "too_few"}


def copy_class(photos):
    shutil.copy(photos / "cat" / "0.png", photos / "dog" / "from cat.png")


def copies(photos):
    for i in range(10):
        shutil.copy(photos / "cat" / "0.png", photos / "cat" / f"copy{i}.png")


def leak(photos):
    moved(photos, "train")
    shutil.copytree(photos / "train", photos / "test")


def many(photos):
    for i in range(120):
        draw(photos / "mouse" / f"{i}.png", seed=1000 + i)


def lacking(photos):
    moved(photos, "train")
    for i in range(3):
        draw(photos / "val" / "cat" / f"{i}.png", seed=900 + i)
    (photos / "val" / "dog").mkdir()


def linked_above(photos):
    (photos / "cat" / "loop").symlink_to(photos)
    (photos / "loop").symlink_to(".")


ODD = {
    "case twins": (lambda p: (p / "dog").rename(p / "Cat"), {"case_twins"}),
    "spaces": (lambda p: (p / "dog").rename(p / "cat "), {"case_twins"}),
    "two classes": (copy_class, {"two_classes"}),
    "copies": (copies, {"copies"}),
    "leak": (leak, {"leak"}),
    "imbalance": (many, {"imbalance"}),
    "stray": (lambda p: draw(p / "stray.png"), {"stray"}),
    "deeper": (lambda p: draw(p / "cat" / "more" / "1.png"), {"deeper"}),
    "class lacking in val": (lacking, {"missing_class"}),
    "folder with an image's name": (lambda p: (p / "cat" / "x.jpg").mkdir(), set()),
    "links to folders above": (linked_above, set()),
    "clutter": (lambda p: (p / "__MACOSX" / "cat").mkdir(parents=True), set()),
    "notebook's checkpoints": (lambda p: (p / ".ipynb_checkpoints").mkdir(), set()),
}


@pytest.mark.parametrize("shape", ODD)
def test_an_odd_folder_is_used_and_told(shape, photos):
    break_it, rules = ODD[shape]
    before = {k: len(s) for k, s in folder(photos).splits.items()}
    break_it(photos)
    source = folder(photos)
    if shape == "imbalance":
        rules = rules | {"imbalance"}
        weights = np.array(source.class_weights())
        assert weights[0] > 5 * weights[2]
        counts = np.array(source.counts()["train"])
        assert (weights * counts).sum() == pytest.approx(counts.sum())
    assert warned(source) == rules
    assert all(len(split) for split in source.splits.values())
    if not rules:
        assert {k: len(s) for k, s in source.splits.items()} == before


def test_the_same_bytes_are_kept_in_one_split_also_over_classes(photos):
    for i in range(10):
        shutil.copy(photos / "cat" / f"{i}.png", photos / "dog" / f"cat{i}.png")
    source = folder(photos)
    places = {}
    for split in source.splits.values():
        for digest in split.digests:
            places.setdefault(digest, set()).add(id(split))
    assert all(len(splits) == 1 for splits in places.values())
    pairs = next(f for f in source.warnings if f.rule == "two_classes").files
    assert len(pairs) == 10
    assert f"{photos}/cat/0.png = {photos}/dog/cat0.png" in pairs


def test_a_train_folder_given_alone_is_told_of_its_val(photos):
    for name in ("train", "val"):
        shutil.copytree(photos, photos.parent / "set" / name)
    source = folder(photos.parent / "set" / "train")
    assert warned(source) == {"beside"}


def test_bad_images_are_left_out_where_that_is_asked_for(photos):
    before = folder(photos)
    for i in range(3):
        (photos / "cat" / f"bad{i}.jpg").write_bytes(b"<html>")
    with pytest.raises(BadSource, match="3 bad images"):
        folder(photos)
    source = open_source(f"folder:{photos}", bad_images="skip")
    assert source.fingerprint == before.fingerprint
    assert [f.rule for f in source.skipped] == ["foreign"] * 3
    assert "skipped" in warned(source)
    for file in list((photos / "cat").glob("*.png"))[2:]:
        file.write_bytes(b"<html>")
    with pytest.raises(BadSource, match="too few to share"):
        open_source(f"folder:{photos}", bad_images="skip")
    for file in (photos / "cat").glob("*.png"):
        file.write_bytes(b"<html>")
    with pytest.raises(BadSource, match="'cat' has no image that can be used"):
        open_source(f"folder:{photos}", bad_images="skip")
    with pytest.raises(UserError, match="did you mean skip"):
        open_source(f"folder:{photos}", bad_images="skipp")


def test_unknown_sources_are_answered_with_near_ones(photos):
    for spec, message in {
        "digit": "did you mean digits",
        "folders:x": "did you mean folder",
        str(photos): "write folder:",
        "digits:x": "is no source; write digits",
        "folder:": "write folder:PATH",
        f"folder:{photos}x": f"did you mean {photos}",
        f"folder:{photos}/cat/0.png": "is a file",
        "xyzzy": FORMS[0],
    }.items():
        with pytest.raises(UserError, match=message):
            open_source(spec)


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    """A prepared TFDS set of grey images with train and test."""
    folder = tmp_path_factory.mktemp("tfds")
    rng = np.random.default_rng(0)
    splits = {
        name: rng.integers(0, 256, (n, 6, 5, 1), dtype=np.uint8)
        for name, n in (("train", 30), ("test", 9))
    }
    store_tfds(folder, "tiny", splits)
    return folder


@pytest.mark.parametrize("name", ["tfds:tiny", "tfds:tiny:1.2.0"])
def test_a_prepared_tfds_set_is_read_offline(name, tfds_dir):
    import tensorflow_datasets as tfds

    source = open_source(name, data_dir=tfds_dir)
    assert source.classes == ("a", "b", "c")
    assert source.channels == 1
    assert source.counts() == {"train": [9, 9, 9], "val": [1, 1, 1], "test": [3, 3, 3]}
    theirs = tfds.load("tiny", data_dir=str(tfds_dir), split="test").as_numpy_iterator()
    theirs = sorted((row["image"].tobytes(), int(row["label"])) for row in theirs)
    split = source.splits["test"]
    ours = dataset.pixels(split, (6, 5, 1))
    assert sorted(zip(map(bytes, ours), split.labels.tolist(), strict=True)) == theirs


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("text", ["", "{}", "gone"])
def test_a_damaged_prepared_set_is_told(file, text, tfds_dir, tmp_path):
    shutil.copytree(tfds_dir, tmp_path / "sets")
    (damaged,) = (tmp_path / "sets").rglob(file)
    damaged.unlink() if text == "gone" else damaged.write_text(text)
    with pytest.raises(UserError, match="prepare"):
        open_source("tfds:tiny", data_dir=str(tmp_path / "sets"))


def test_a_set_that_is_not_prepared_is_refused_without_a_network(tfds_dir):
    for name, message in {
        "tfds:tinny": "did you mean tiny",
        "tfds:tiny:9.9.9": "not prepared",
        "tfds:../x": "no name of a TFDS set",
    }.items():
        with pytest.raises(UserError, match=message):
            open_source(name, data_dir=tfds_dir)
    with pytest.raises(UserError, match="--data-dir"):
        open_source("tfds:tiny", data_dir=tfds_dir / "nowhere")


def test_limited_images_are_the_same_share_of_each_class_and_tests_stay_whole(digits):
    few = open_source("digits", limit_images=200)
    assert len(few.splits["train"]) == pytest.approx(200, abs=5)
    assert few.counts()["test"] == digits.counts()["test"]
    share = 200 / len(digits.splits["train"])
    for split in ("train", "val"):
        wanted = [max(1, round(share * n)) for n in digits.counts()[split]]
        assert few.counts()[split] == wanted
        assert set(few.splits[split].names) < set(digits.splits[split].names)
        assert len(few.splits[split].digests) == len(few.splits[split])
    again = open_source("digits", limit_images=200)
    assert few.fingerprint == again.fingerprint != digits.fingerprint
    assert few.splits["train"].names == again.splits["train"].names
    assert open_source("digits", limit_images=5000).fingerprint == digits.fingerprint


def test_two_splits_joined_are_all_images_of_both_in_all_that_is_known_of_them(digits, photos):
    for source in (digits, open_source(f"folder:{photos}")):
        train, val = source.splits["train"], source.splits["val"]
        both = train + val
        assert len(both) == len(train) + len(val) == len(both.names) == len(both.digests)
        last = both.take([len(both) - 1])
        assert last.names == [val.names[-1]] and last.digests[0] == val.digests[-1]
        shape = (8, 8, source.channels)
        pixels = [dataset.pixels(split, shape) for split in (train, val)]
        np.testing.assert_array_equal(dataset.pixels(both, shape), np.concatenate(pixels))


def test_limited_images_do_not_depend_on_names(photos):
    def kept():
        split = open_source(f"folder:{photos}", limit_images=4).splits["train"]
        return sorted(split.digests)

    before = kept()
    for path in sorted(photos.rglob("*.png")):
        path.rename(path.with_name(f"{9 - int(path.stem)}x.png"))
    assert kept() == before and len(before) == 4


def test_a_limit_below_an_image_of_each_class_is_refused():
    with pytest.raises(UserError, match=r"an image of each class \(10\), not 9"):
        open_source("digits", limit_images=9)


@pytest.mark.parametrize(
    "named, better", [("fashion_mnist", ""), ("trian", "/train"), ("Test", "/test")]
)
def test_a_folder_that_is_not_there_is_answered_by_what_it_is_near_to(named, better, tmp_path):
    """By its own name, whatever the folders above are called; else by the splits around it."""
    for split in ("train", "test"):
        (tmp_path / "set" / split).mkdir(parents=True)
    with pytest.raises(UserError, match=f"did you mean {tmp_path}/set{better}[?,]"):
        open_source(f"folder:{tmp_path}/set/{named}")
