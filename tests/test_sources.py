"""Sources: which images, under which label, in which split."""

import os
import shutil
import unicodedata

import numpy as np
import pytest

from pipelines import dataset
from pipelines.errors import UserError
from pipelines.sources import FORMS, base, open_source
from tests.conftest import draw


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


@pytest.mark.parametrize("inside", [("train",), ("train", "val"), ("Training", "valid", "test")])
def test_splits_that_the_user_made_are_kept(inside, tmp_path):
    for k, split in enumerate(inside):
        for c in "ab":
            for i in range(5):
                draw(tmp_path / split / c / f"{i}.png", seed=100 * k + 10 * ord(c) + i)
    source = folder(tmp_path)
    assert source.classes == ("a", "b")
    for split in inside:
        ours = {"Training": "train", "valid": "val"}.get(split, split)
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


SHAPES = {
    "empty root": (lambda p: [shutil.rmtree(p / c) for c in ("cat", "dog")], "no class folders"),
    "one class": (lambda p: shutil.rmtree(p / "cat"), "one class, 'dog'"),
    "empty class": (lambda p: (p / "mouse").mkdir(), "mouse holds no images"),
    "one deeper": (nest, "try folder:"),
    "unknown class in val": (split_with_unknown, "did you mean dog"),
    "too few": (lambda p: draw(p / "mouse" / "1.png"), "'mouse' has 1 different image"),
    "bad image": (lambda p: (p / "cat" / "x.jpg").write_bytes(b"no"), "x.jpg is not an image"),
    "unicode twins": (twins, "same name"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_bad_folder_is_refused_in_words(shape, photos):
    break_it, message = SHAPES[shape]
    break_it(photos)
    with pytest.raises(UserError, match=message):
        folder(photos)


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
    import tensorflow as tf
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("tfds")
    rng = np.random.default_rng(0)

    def rows(n):
        images = rng.integers(0, 256, (n, 6, 5, 1), dtype=np.uint8)
        return {"image": images, "label": np.arange(n) % 3}

    tfds.dataset_builders.store_as_tfds_dataset(
        name="tiny",
        version="1.2.0",
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(6, 5, 1)),
                "label": tfds.features.ClassLabel(names=["a", "b", "c"]),
            }
        ),
        split_datasets={
            "train": tf.data.Dataset.from_tensor_slices(rows(30)),
            "test": tf.data.Dataset.from_tensor_slices(rows(9)),
        },
        data_dir=str(folder),
    )
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
