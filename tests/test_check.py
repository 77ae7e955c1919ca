"""Every fault of an image file is named before training, and what is used is decoded right."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from pipelines import check
from pipelines.check import children, rules
from pipelines.check.cache import Cache, folder, stamp
from pipelines.check.convert import plain
from pipelines.check.image import inspect
from pipelines.decode import decode
from pipelines.errors import EnvironmentFault
from pipelines.sources import open_source
from tests.collection import BAD, GOOD, NOISY, PICTURE, SCARRED, jpeg
from tests.conftest import ROOT, draw


def pixels(data, facts):
    """What training sees."""
    return decode(tf.constant(plain(data, facts.form)), facts.orientation, facts.alpha).numpy()


@pytest.mark.parametrize("name", GOOD)
def test_what_is_used_is_decoded_right(name, tmp_path):
    data, true, tolerance, warnings = GOOD[name]
    (tmp_path / "x.jpg").write_bytes(data)
    facts = inspect(tmp_path / "x.jpg")
    seen = pixels(data, facts)
    assert seen.shape == true.shape
    assert np.abs(seen.astype(int) - true).max() <= tolerance
    assert set(facts.warnings) == set(warnings)


@pytest.mark.parametrize("name", BAD)
def test_what_is_bad_is_named_by_its_rule(name, tmp_path):
    data, rule = BAD[name]
    (tmp_path / "x.jpg").write_bytes(data)
    with pytest.raises(check.Fault) as caught:
        inspect(tmp_path / "x.jpg")
    assert caught.value.rule == rule
    assert "{" not in str(caught.value)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"<!DOCTYPE html>", "an HTML page, not an image that can be used; download it again"),
        (b"\0\0\0\x18ftypheic", "a HEIC image, .*save it as JPEG"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (NOISY[:2000], "is a JPEG that is cut short"),
    ],
)
def test_a_fault_says_what_the_bytes_are(data, words, tmp_path):
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(check.Fault, match=words):
        inspect(tmp_path / "x.png")


def test_a_scarred_jpeg_is_used_with_a_warning(tmp_path):
    (tmp_path / "x.jpg").write_bytes(SCARRED)
    facts = inspect(tmp_path / "x.jpg")
    assert facts.warnings == ("scan",)
    assert pixels(SCARRED, facts).shape == PICTURE.shape


def test_grey_is_told_from_colour(tmp_path):
    grey = {name for name, (data, *_) in GOOD.items() if _is_grey(tmp_path, data)}
    named = {name for name in GOOD if "grey" in name or "1 bit" in name}
    assert grey == named


def _is_grey(folder, data):
    (folder / "x").write_bytes(data)
    return inspect(folder / "x").grey


def test_the_cap_on_pixels_is_a_knob(tmp_path):
    (tmp_path / "x.jpg").write_bytes(jpeg())
    with pytest.raises(check.Fault, match="claims 64 x 48 pixels, over the limit of 0.003 million"):
        inspect(tmp_path / "x.jpg", megapixels=0.003)
    assert inspect(tmp_path / "x.jpg", megapixels=0.0031)


def paths(folder):
    """{path: rule or None where it is used} of files that are hard to open."""
    good = folder / "good.jpg"
    good.write_bytes(jpeg())
    os.mkfifo(folder / "pipe.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "dangling.jpg").symlink_to(folder / "nothing")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    (folder / "to text.jpg").symlink_to("/etc/hostname")
    (folder / "to good.jpg").symlink_to(good)
    names = [b"caf\xe9.jpg", b"a\nb.jpg", "😀.jpg".encode(), b"-v.jpg", b"it's \"x\".jpg",
             b"[x]*?.jpg", b"%d.JPG", b" .jpg", b"x" * 251 + b".jpg"]  # fmt: skip
    for name in names:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(jpeg())
    refused = {"pipe.jpg": "irregular", "folder.jpg": "irregular", "dangling.jpg": "unreadable",
               "loop.jpg": "unreadable", "to text.jpg": "foreign"}  # fmt: skip
    used = ["good.jpg", "to good.jpg", *map(os.fsdecode, names)]
    return {folder / k: v for k, v in refused.items()} | {folder / name: None for name in used}


def test_files_that_are_hard_to_open_are_named_and_nothing_waits(tmp_path):
    expected = paths(tmp_path)
    found = check.inspect_each([check.Place(str(path)) for path in expected])
    rules_found = [f.rule if isinstance(f, check.Fault) else None for f in found]
    assert rules_found == list(expected.values())


@pytest.mark.skipif(os.geteuid() != 0, reason="another user can be taken by root alone")
def test_what_another_user_may_not_read_is_named(tmp_path):
    (tmp_path / "x.jpg").write_bytes(jpeg())
    os.chmod(tmp_path / "x.jpg", 0)
    for place in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(place, 0o755)
    pid = os.fork()
    if not pid:
        try:
            os.seteuid(65534)
            inspect(tmp_path / "x.jpg")
        except check.Fault as fault:
            os._exit(0 if "Permission denied" in str(fault) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_folder_is_found_from_wherever_one_stands(tmp_path, monkeypatch):
    """The children are begun once, in the folder of that moment."""
    rng = np.random.default_rng(0)
    for place in ("here", "there"):
        for name in ("cat", "dog"):
            folder = tmp_path / place / "photos" / name
            folder.mkdir(parents=True)
            for i in range(4):
                noise = rng.integers(0, 256, (8, 8, 3), np.uint8)
                (folder / f"{place}{i}.png").write_bytes(tf.io.encode_png(noise).numpy())
        monkeypatch.chdir(tmp_path / place)
        assert len(open_source("folder:photos").splits["train"]) > 0


def test_all_faults_are_told_at_once(tmp_path):
    good = tmp_path / "good.png"
    draw(good)
    bad = [tmp_path / f"bad{i}.jpg" for i in range(3)]
    for file in bad:
        file.write_bytes(b"")
    with pytest.raises(check.BadSource) as caught:
        check.inspect_all([good, *bad])
    assert "3 bad images in 4 files" in str(caught.value)
    assert all(str(file) in str(caught.value) for file in bad)
    assert str(good) not in str(caught.value)


def misbehave(name):
    """Work for a child that does as its item says."""
    if name == "crash":
        os.abort()
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "leave":
        os._exit(7)
    while name == "hang":
        pass
    while name == "sleep":
        time.sleep(1)
    return name.upper()


def test_a_crash_or_a_hang_of_a_child_names_its_item_and_the_rest_goes_on():
    bad = {"crash": "SIGABRT", "die": "SIGKILL", "leave": "status 7", "hang": None, "sleep": None}
    items = [f"good {i}" for i in range(60)]
    for i, name in enumerate(bad):
        items.insert(7 * i, name)
    workers = children.Children("tests.test_check:misbehave", 2)
    try:
        answers = dict(workers.map([[item] for item in items], seconds=1))
        for i, item in enumerate(items):
            if item not in bad:
                assert answers[i] == item.upper()
            elif bad[item] is None:
                assert answers[i].endless
            else:
                assert answers[i].why == bad[item]
        # The next work finds the children well.
        assert dict(workers.map([["a"], ["b"]])) == {0: "A", 1: "B"}
    finally:
        workers.close()


def test_whoever_stops_early_leaves_no_child():
    workers = children.Children("tests.test_check:misbehave", 2)
    found = workers.map([["x"], ["sleep"], ["sleep"]])
    next(found)
    nursery = workers.nursery.pid
    found.close()
    assert not _alive(nursery)
    assert workers.nursery is None


def test_a_signal_without_a_name_has_its_number():
    assert children.Died(-signal.SIGKILL).why == "SIGKILL"
    assert children.Died(-(signal.SIGRTMIN + 3)).why == f"signal {signal.SIGRTMIN + 3}"


def test_a_broken_connection_to_the_children_is_told_as_such(monkeypatch):
    def broken(*_):
        raise BrokenPipeError

    workers = children.Children("tests.test_check:misbehave", 1)
    monkeypatch.setattr(children.socket, "send_fds", broken)
    with pytest.raises(EnvironmentFault, match="ended from outside"):
        list(workers.map([["x"]]))


def _alive(group):
    """Whether any process of a group is there."""
    try:
        os.killpg(group, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    return True


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_a_check_ends_all_at_once(number, status, tmp_path):
    for c in "ab":
        for i in range(5):
            draw(tmp_path / "s" / c / f"{i}.jpg", seed=10 * ord(c) + i)
    script = (
        "import sys; from pipelines import cli, check; import pipelines.__main__ as m\n"
        "import pipelines.check.children as c\n"
        "real = c.Children.map\n"
        "def slow(self, items, **_):\n"
        "    self.target = 'tests.test_check:misbehave'\n"
        "    print('begun', flush=True)\n"
        "    return real(self, [['sleep'] for _ in items])\n"
        "c.Children.map = slow\n"
        "start = c.Children._start\n"
        "def started(self, t): start(self, t); print(self.nursery.pid, flush=True)\n"
        "c.Children._start = started\n"
        "sys.exit(cli.main('pipelines', '', m.COMMANDS, ['check', sys.argv[1]]))"
    )
    command = [sys.executable, "-c", script, f"folder:{tmp_path / 's'}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"begun\n"
    nursery = int(process.stdout.readline())
    time.sleep(0.3)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == status
    assert b"Traceback" not in errors
    assert not _alive(nursery)


def facts_of(path, cache):
    return check.inspect_each([check.Place(str(path))], cache_name=cache)[0]


def test_a_file_is_decoded_again_only_when_it_changed(tmp_path, monkeypatch):
    file = tmp_path / "x.jpg"
    file.write_bytes(jpeg())
    before = facts_of(file, "one")
    decoded = []
    real = check._inspected
    monkeypatch.setattr(check, "_inspected", lambda p, c: decoded.extend(p) or real(p, c))
    assert facts_of(file, "one") == before
    assert not decoded
    facts_of(file, "two")
    assert len(decoded) == 1  # another source knows nothing of it
    times = os.stat(file)
    file.write_bytes(jpeg(PICTURE[::-1].copy())[: times.st_size].ljust(times.st_size))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # the same size, the same time
    assert facts_of(file, "one") != before
    assert len(decoded) == 2


@pytest.mark.parametrize("damage", [b"", b"{}", b"x" * 100, None])
def test_a_damaged_cache_is_only_ignored(damage, tmp_path):
    file = tmp_path / "x.jpg"
    file.write_bytes(jpeg())
    before = facts_of(file, "damaged")
    for cache in folder().glob("*.json"):
        data = cache.read_bytes()
        cache.write_bytes(data.replace(b"64", b"65") if damage is None else damage)
    assert facts_of(file, "damaged") == before


def test_a_cache_that_cannot_be_written_is_only_ignored(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "x.jpg").write_bytes(jpeg())
    assert facts_of(tmp_path / "x.jpg", "nowhere").width == 64


def test_what_nobody_asked_for_in_months_is_forgotten(tmp_path):
    (tmp_path / "x").touch()
    for name in ("old", "new"):
        cache = Cache(name)
        cache.put(str(tmp_path / "x"), stamp(tmp_path / "x"), 1)
        cache.save([str(tmp_path / "x")])
        if name == "old":
            os.utime(cache.file, (1, 1))
    assert not Cache("old").known
    assert Cache("new").known


def test_every_rule_is_met_and_told():
    used = {"jpeg", "png", "webp", "cmyk", "other", "deep", "exif", "alpha", "misnamed", "trailing"}
    met = {rule for _, rule in BAD.values()} | {w for *_, warn in GOOD.values() for w in warn}
    met |= used | {"scan", "unreadable", "irregular", "crash", "endless", "heavy"}
    assert {rule.name for rule in rules.FILES} == met


def test_the_page_holds_the_table_of_the_rules():
    page = (ROOT / "docs" / "data.md").read_text()
    assert rules.page() in page, "its table: pipelines.check.rules.page()"


def test_a_file_name_is_shown_on_one_line_whatever_it_holds():
    assert check.display("a\nb") == "a\\nb"
    assert check.display(os.fsdecode(b"caf\xe9.jpg")) == "caf\\xe9.jpg"
    assert check.display("chat ✓ 👩‍🚀.jpg") == "chat ✓ 👩‍🚀.jpg"
    assert check.display("gpj.\u202ex") == "gpj.\\u202ex"


def test_a_source_of_all_kinds_is_seen_by_training_as_it_was_drawn(tmp_path):
    """From end to end, through tf.data, with the conversions that happen while reading."""
    for c in "ab":
        for i, (data, *_) in enumerate(GOOD.values()):
            (tmp_path / c).mkdir(exist_ok=True)
            (tmp_path / c / f"{i}.jpg").write_bytes(data)
    source = open_source(f"folder:{tmp_path}")
    true = {str(tmp_path / c / f"{i}.jpg"): case[1:3] for c in "ab"
            for i, case in enumerate(GOOD.values())}  # fmt: skip
    seen = 0
    for split in source.splits.values():
        items = [tf.constant(item) for item in split.items]
        images = tf.data.Dataset.range(len(split)).map(
            lambda i, items=items, split=split: split.read(*(item[i] for item in items))
        )
        for name, image in zip(split.names, images.as_numpy_iterator(), strict=True):
            pixels, tolerance = true[name]
            assert np.abs(image.astype(int) - pixels).max() <= tolerance, name
            seen += 1
    assert seen == 2 * len(GOOD)


def test_facts_survive_the_way_through_json(tmp_path):
    (tmp_path / "x.jpg").write_bytes(SCARRED)
    facts = inspect(tmp_path / "x.jpg")
    assert check.inspect_all([tmp_path / "x.jpg"]) == [facts]
    assert check._facts(list(dataclasses.astuple(facts))) == facts
