"""What an experiment says about a claim: a rule, and the sentence that tells it."""

from dataclasses import dataclass

import numpy as np

from export.intervals import crossed

AGREES, DISAGREES, OPEN = "agrees", "disagrees", "cannot be told"


@dataclass(frozen=True)
class Verdict:
    """Of one claim; shares -1..1, None where no pair of runs ended well."""

    word: str
    difference: float | None  # of the accuracies, better minus worse as the claim has it
    low: float | None  # its 95% interval
    high: float | None
    failed: tuple[int, int]  # runs that did not end well, of the better and of the worse


def matrix(results):
    """Which test images were right, bool (runs that ended well, images)."""
    return np.array([[mark == "1" for mark in r["right"]] for r in results if r["right"]], bool)


def judge(better, worse):
    """Hold a claim against the results of its two arms.

    An arm more of whose runs failed in training loses. Else the difference decides, by whether
    its 95% interval, over images and seeds, leaves out 0. One seed cannot tell: how much seeds
    differ is not known then, and the interval holds the images alone.

    Args:
        better, worse: results of the arms, in the order of the seeds, as `Session.of` gives them.

    Returns:
        A Verdict.
    """
    failed = tuple(sum(not r["right"] for r in results) for results in (better, worse))
    pairs = [(b, w) for b, w in zip(better, worse, strict=False) if b["right"] and w["right"]]
    difference = low = high = None
    if pairs:
        ours, theirs = (matrix(results) for results in zip(*pairs, strict=True))
        difference, (low, high) = crossed(ours.astype(float) - theirs)
    if failed[0] != failed[1]:
        word = AGREES if failed[1] > failed[0] else DISAGREES
    elif len(pairs) < 2 or low <= 0 <= high:
        word = OPEN
    else:
        word = AGREES if low > 0 else DISAGREES
    return Verdict(word, difference, low, high, failed)


ENDS = {
    AGREES: "this agrees with the claim of {source}",
    DISAGREES: "this disagrees with the claim of {source}",
    OPEN: "whether the claim of {source} holds cannot be told from this",
}


def sentence(experiment, claim, results, verdict):
    """The verdict in words.

    Args:
        experiment: a `table.Experiment`.
        claim: one of its claims.
        results: {name of an arm: its results}.
        verdict: of `judge`.
    """
    better, worse = (experiment.arm(name) for name in (claim.better, claim.worse))
    parts = [_reached(arm, results[arm.name]) for arm in (better, worse)]
    text = f"{capital(parts[0])}, {parts[1]}"
    if verdict.difference is not None:
        low, high = 100 * verdict.low, 100 * verdict.high
        text += f": {100 * verdict.difference:+.2f} points (95%: {low:+.2f} to {high:+.2f})"
    source = claim.source + (f" ({claim.published})" if claim.published else "")
    if verdict.word == OPEN and len(results[claim.better]) == 1:
        return f"{text}; one seed cannot tell whether the claim of {source} holds"
    return f"{text}; {ENDS[verdict.word].format(source=source)}"


def capital(words):
    """The words of an arm as a sentence begins with them."""
    return f"{words[0].upper()}{words[1:]}"


def _reached(arm, results):
    accuracies = [r["test_accuracy"] for r in results if r["right"]]
    failed = len(results) - len(accuracies)
    if not accuracies:
        return f"{arm.words} did not train in {failed} of {failed} runs"
    text = f"{arm.words} {100 * np.mean(accuracies):.2f}%"
    return text + (f" ({failed} of {len(results)} runs did not train)" if failed else "")
