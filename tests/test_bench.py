"""The benchmark of input: that it measures what it says, not how fast this machine is."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipelines import bench, peers
from pipelines.commands import bench as command


def test_every_comparison_can_be_asked_for():
    assert tuple(bench.WORKS) == command.WORKS
    assert all(callable(getattr(bench, name)) for name in command.MORE)


def test_a_wrong_name_is_answered_with_the_right_one(run):
    status, _, errors = run("pipelines", "bench", "--only", "lectur")
    assert status == 2
    assert "did you mean lecture" in errors


@pytest.mark.parametrize("size, shape", [("large", (500, 375)), ("small", (224, 224))])
def test_the_photographs_are_of_the_size_that_they_claim(size, shape):
    files = bench.photographs(size, 3)
    assert {Image.open(io.BytesIO(data)).size for data in files} == {shape}
    assert len(set(files)) == 3


def test_contestants_take_turns_and_a_ratio_is_of_the_same_round():
    turns = []
    race = bench.race({name: lambda name=name: turns.append(name) or 10 for name in "abc"}, 5)
    assert {name: len(times) for name, times in race.items()} == dict.fromkeys("abc", 5)
    assert [turns[i] for i in range(0, 18, 3)] == ["a", "b", "c"] * 2  # each is first as often
    times = {"a": [1.0, 10.0, 3.0], "b": [2.0, 20.0, 3.0]}
    assert bench.ratio(times, "b", "a") == 2


def test_a_comparison_tells_who_is_missing_and_whether_a_goal_is_met():
    def absent(files, count):
        raise ImportError("no such package")

    def seldom(files, count):
        return lambda: count * 1000  # as if it made a thousand times as many

    work = replace(
        bench.WORKS["inception-small"],
        peers={"turbo": peers.turbo, "absent": absent, "seldom": seldom},
        goals={"turbo": ("at most", 1000), "seldom": ("at least", 2)},
    )
    found = bench.compare(work, rounds=1, count=64)
    assert found["missing"] == {"absent": "no such package"}
    rows = {row["name"]: row for row in found["rows"]}
    assert set(rows) == {"ours", "turbo", "seldom"}
    assert rows["ours"]["to_ours"] == 1
    assert rows["turbo"]["met"]
    assert not rows["seldom"]["met"]
    assert rows["ours"]["us"] > rows["turbo"]["us"] > 0


def test_ours_is_what_a_training_is_fed():
    from pipelines import dataset, recipes

    split, made = bench.from_memory(bench.photographs("small", 8)), []
    before = dataset.training

    def noted(*words, **options):
        made.append(before(*words, **options))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "training", noted)
        assert bench.ours(split, recipes.RECIPES["inception"], 64)() == 64
    (batches,) = made
    assert [images.shape for images, _ in batches.as_numpy_iterator()] == [(32, 224, 224, 3)] * 2
    assert np.ptp(next(batches.as_numpy_iterator())[0]) > 200


@pytest.mark.slow
def test_a_set_larger_than_its_memory_streams_through():
    found = bench.memory(count=4096, cap=320 * bench.MEBIBYTE)
    assert found["encoded_mib"] > found["cap_mib"]
    assert found["decoded_mib"] > 5 * found["cap_mib"]
    assert found["finished"]
    assert found["grown_mib"] < found["cap_mib"]
