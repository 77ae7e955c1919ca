"""pack: what TFDS reads is what the source holds, also after a kill in the middle."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pipelines import dataset
from pipelines.errors import UserError
from pipelines.pack import pack
from pipelines.sources import base, open_source
from tests.collection import GOOD, turned
from tests.conftest import ROOT, draw


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A folder with every kind of file that is used, in two classes."""
    root = tmp_path_factory.mktemp("mixed") / "photos"
    for c, name in enumerate(("cat", "ça va")):
        (root / name).mkdir(parents=True)
        for i, (data, *_) in enumerate(GOOD.values()):
            (root / name / f"{i}.jpg").write_bytes(data)
        draw(root / name / "own.png", seed=c)
    return open_source(f"folder:{root}")


@pytest.fixture(scope="module")
def packed(mixed, tmp_path_factory):
    """The pack of `mixed`: its folder."""
    out = tmp_path_factory.mktemp("packed") / "My pack"
    shards, kept = pack(mixed, out, shards=5)
    assert shards["train"] == 5
    assert kept == 0
    return out


def opened(folder):
    return open_source(f"tfds:{folder.name}", data_dir=str(folder.parent))


def test_a_packed_source_is_the_source(mixed, packed):
    again = opened(packed)
    assert again.fingerprint == mixed.fingerprint
    assert again.classes == mixed.classes
    assert again.channels == mixed.channels
    for name in base.SPLITS:
        ours, theirs = again.splits[name], mixed.splits[name]
        assert ours.labels.tolist() == theirs.labels.tolist()
        pixels = [dataset.pixels(split, (32, 32, 3)) for split in (ours, theirs)]
        np.testing.assert_array_equal(*pixels)


def test_tfds_alone_shows_the_same_images(mixed, packed):
    import tensorflow_datasets as tfds

    from pipelines.decode import to_size

    builder = tfds.builder_from_directory(packed)
    assert builder.info.features["label"].names == list(mixed.classes)
    for name in base.SPLITS:
        in_order = tfds.ReadConfig(interleave_cycle_length=1)
        rows = builder.as_dataset(split=name, read_config=in_order)
        pixels = dataset.pixels(mixed.splits[name], (32, 32, 3))
        for row, image, label in zip(rows, pixels, mixed.splits[name].labels, strict=True):
            assert int(row["label"]) == label
            theirs = to_size(row["image"], (32, 32, 3)).numpy().astype(int)
            assert (
                np.abs(theirs - image).max() <= 8
            )  # of JPEG: TFDS decodes by TensorFlow's default


def test_bytes_are_kept_where_every_decoder_takes_them(mixed, packed):
    again, kept = opened(packed), 0
    for name in base.SPLITS:
        for split in (again.splits[name],):
            for i, digest in enumerate(split.digests):
                data, orientation, alpha = split.encoded(*(item[i] for item in split.items))
                assert (orientation, alpha) == (1, False)
                kept += base.hashlib.blake2b(data, digest_size=16).hexdigest() == digest
    odd = ("CMYK", "YCCK", "EXIF", "alpha", "transparent", "no end")
    plain = [
        n for n in GOOD if n.startswith(("jpeg", "png")) and not any(word in n for word in odd)
    ]
    upright = 2  # EXIF 1, of which there is one a class
    assert kept >= 2 * len(plain) + upright


def test_digits_too(digits, tmp_path):
    pack(digits, tmp_path / "digits", shards=3)
    again = opened(tmp_path / "digits")
    assert again.fingerprint == digits.fingerprint
    for name in base.SPLITS:
        ours, theirs = (dataset.pixels(s.splits[name], (8, 8, 1)) for s in (again, digits))
        np.testing.assert_array_equal(ours, theirs)


def times(folder):
    return {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}


def test_finished_shards_are_not_written_again(mixed, packed, tmp_path):
    out = tmp_path / packed.name
    shutil.copytree(packed, out)
    before = times(out)
    _, kept = pack(mixed, out, shards=5)
    assert kept == len([n for n in before if "tfrecord" in n])
    assert times(out) == before
    lost = sorted(n for n in before if "train.tfrecord" in n)[2]
    for name in (lost, "dataset_info.json", "features.json"):
        (out / name).unlink()
    with pytest.raises(UserError, match="not prepared"):
        opened(out)  # until it is whole
    pack(mixed, out, shards=5)
    after = times(out)
    assert after.keys() == before.keys()
    rewritten = {n for n in after if after[n] != before[n] and "tfrecord" in n}
    assert rewritten == {lost}
    assert (out / lost).read_bytes() == (packed / lost).read_bytes()
    assert opened(out).fingerprint == mixed.fingerprint


def test_the_pack_of_other_images_is_not_mixed_in(mixed, digits, packed, tmp_path):
    out = tmp_path / packed.name
    shutil.copytree(packed, out)
    for source, shards in ((digits, 5), (mixed, 4)):
        with pytest.raises(UserError, match="other images or shards"):
            pack(source, out, shards)
    (out / "thesis.txt").touch()
    with pytest.raises(UserError, match="holds other files"):
        pack(mixed, out, 5)


def test_a_kill_leaves_nothing_that_opens_and_the_next_call_ends_it(digits, tmp_path):
    out = tmp_path / "digits"
    command = [sys.executable, "-m", "pipelines", "pack", "digits", "--out", out, "--shards", "60"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while len(list(out.glob("digits-*"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "dataset_info.json").exists()
    shards, kept = pack(digits, out, shards=60)
    assert 3 <= kept < sum(shards.values())
    assert opened(out).fingerprint == digits.fingerprint
    left = [p.name for p in out.iterdir() if p.name.startswith(".")]
    assert left == []


def test_a_damaged_shard_is_refused_in_words(packed, tmp_path):
    out = tmp_path / packed.name
    shutil.copytree(packed, out)
    shard = sorted(out.glob("*train.tfrecord*"))[0]
    data = shard.read_bytes()
    for damaged, message in (
        (data[:-10], "is cut short"),
        (data[: len(data) // 2], "is cut short"),
        (b"", "should hold"),
    ):
        shard.write_bytes(damaged)
        with pytest.raises(UserError, match=message):
            opened(out)
    shard.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        opened(out)


def test_the_command_says_where_it_went(run, photos, tmp_path):
    words = ["pipelines", "pack", f"folder:{photos}", "--out", tmp_path / "p", "--shards", "2"]
    status, output, errors = run(*words)
    assert status == 0, errors
    assert f"--data tfds:p --data-dir {tmp_path}" in output
    status, output, _ = run(*words, "--json")
    found = json.loads(output.splitlines()[-1])
    assert found["shards"] == {"train": 2, "val": 1, "test": 1}
    assert found["kept"] == 4
    for wrong, message in (
        (["--shards", "0"], "at least 1"),
        (["--out", photos / "p"], "lies in the folder of your images"),
        (["--out", photos / "cat" / "0.png"], "lies in the folder"),
    ):
        status, _, errors = run(*words, *wrong)
        assert status == 2
        assert message in errors
    assert not os.path.exists(photos / "p")


def test_turned_images_are_stored_upright(tmp_path):
    for c in "ab":
        (tmp_path / "s" / c).mkdir(parents=True)
        for k in range(2, 9):
            (tmp_path / "s" / c / f"{k}.jpg").write_bytes(turned(k)[0] + c.encode())
    source = open_source(f"folder:{tmp_path / 's'}")
    pack(source, tmp_path / "p", 1)
    split = opened(tmp_path / "p").splits["train"]
    assert split.items[4].tolist() == [1] * len(split)
