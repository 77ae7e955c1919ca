"""The memory of a file's tensors, by the rules of the runtimes that lay them out."""

import pytest

from export import arena

BOTH = pytest.mark.parametrize("rule", [arena.LITE, arena.MICRO])


@BOTH
@pytest.mark.parametrize(
    "lives, bytes_",
    [
        ([(64, 0, 1), (128, 1, 2), (64, 2, 3)], 192),
        ([(64, 0, 0), (64, 1, 1)], 64),
        ([(128, 0, 3), (64, 0, 1), (64, 2, 3)], 192),
        ([(64, 0, 2), (64, 1, 3), (64, 2, 4)], 192),
        # Three tensors of 100 in a chain need two places; the small one fits beside them.
        ([(100, 0, 1), (100, 1, 2), (100, 2, 3), (20, 0, 3)], 220),
        # The largest goes first, to the bottom; those that never meet it share its place.
        ([(64, 0, 0), (128, 1, 2), (64, 3, 3)], 128),
        ([], 0),
    ],
)
def test_the_arena_is_planned_as_by_hand(lives, bytes_, rule):
    assert arena.planned(lives, rule) == bytes_


def test_of_tensors_of_one_size_the_rule_says_which_goes_first():
    lives = [(48, 1, 2), (32, 1, 3), (48, 4, 5), (48, 3, 4)]
    # Earliest first: 48 at 0, its follower at 0, the last at 48; 32 beside the first and second.
    assert arena.planned(lives, arena.LITE) == 96
    # Latest first: the last at 0, the one before at 48, so that 32 and it leave a gap at 0.
    assert arena.planned(lives, arena.MICRO) == 128


def test_sizes_are_rounded_up_to_the_alignment_of_the_runtime(bundled):
    content = (bundled / "model_int8.tflite").read_bytes()
    for rule in (arena.LITE, arena.MICRO):
        assert all(size % rule.alignment == 0 for size, *_ in arena.lifetimes(content, rule))
    large, small = (arena.lifetimes(content, rule) for rule in (arena.LITE, arena.MICRO))
    assert [life for _, *life in large] == [life for _, *life in small]
    assert all(0 <= a - b < 64 for (a, *_), (b, *_) in zip(large, small, strict=True))


@BOTH
def test_the_arena_of_a_file_lies_between_its_largest_step_and_all_of_it(bundled, rule):
    content = (bundled / "model_uint8.tflite").read_bytes()
    lives = arena.lifetimes(content, rule)
    steps = range(max(last for *_, last in lives) + 1)
    least = max(sum(size for size, a, b in lives if a <= step <= b) for step in steps)
    assert least <= arena.peak(content, rule) < sum(size for size, *_ in lives)


def test_the_arena_is_measured_where_it_can_be(bundled):
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    content = (bundled / "model_int8.tflite").read_bytes()
    bound = arena.estimate(content)
    measured = arena.measure(content, bound, runtime)
    assert 0.75 * bound < measured <= bound
    assert arena.needed(content) == {
        "bytes": measured,
        "how": "measured by tflite-micro on a 64-bit machine; one of 32 bits needs less",
    }
