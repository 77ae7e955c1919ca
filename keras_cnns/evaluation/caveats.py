"""What a number does not say by itself, in words: each caveat tells what to do about it."""

import numpy as np

from export.intervals import wilson
from keras_cnns.evaluation.answers import ask
from pipelines import dataset

FEW = 30  # images of a class below which its share is hardly known
NEARLY_ALL = 0.95  # of the answers in one class
COMMON = 1.5  # times as many images as another class has: one that a model may hide behind
GAP = 0.05  # between training and reported accuracy, beyond chance
COMPARED = 500  # training images to compare with


def of(model, source, split, found):
    """All caveats about the answers of a model to a split of a source.

    Args:
        model: what `export.models.load` returned.
        source: a `pipelines.sources.Source`.
        split: the name of the split that was run.
        found: the `answers.Answers` to it.

    Returns:
        [{"code", "sentence": a sentence, and numbers}], the gravest first.
    """
    classes = source.classes
    told = [
        one_class(found, classes),
        at_chance(found, classes),
        *([leak(source, split, found), gap(model, source, split, found)] * (split != "train")),
        few_images(found, classes),
    ]
    return [caveat for caveat in told if caveat]


def one_class(found, classes):
    """The model answers (nearly) always the same, and the images are not so."""
    counts = np.bincount(found.answers, minlength=len(classes))
    answer = int(counts.argmax())
    share, true = counts[answer] / counts.sum(), float((found.labels == answer).mean())
    if share < NEARLY_ALL or true > 0.9 * share:
        return None
    often = "every image" if share == 1 else f"{100 * share:.0f}% of the images"
    scarce = true > COMMON * (1 - true) / (len(classes) - 1)
    balance = ", or balance the classes (loss.class_weight=balanced)" if scarce else ""
    return {
        "code": "one_class",
        "sentence": f"the model answers {classes[answer]!r} to {often}, and {100 * true:.0f}% are: "
        f"it has learnt nothing yet; train longer, or at another learning rate{balance}",
    }


def at_chance(found, classes):
    """The interval of the accuracy includes what needs no model."""
    n, right = len(found.labels), int(found.right.sum())
    low, high = wilson(right, n)
    counts = np.bincount(found.labels, minlength=len(classes))
    commonest = int(counts.argmax())
    uniform, always = 1 / len(classes), float(counts[commonest] / n)
    if high < uniform:
        return {
            "code": "below_chance",
            "sentence": f"{100 * right / n:.1f}% right is less than guessing "
            f"({100 * uniform:.1f}%): the class names may be in another order than the model's "
            "outputs; compare labels.txt",
        }
    if low > max(uniform, always):
        return None
    if low <= uniform:
        than = f"guessing among {len(classes)} classes ({100 * uniform:.1f}%)"
    else:
        than = f"always answering {classes[commonest]!r} ({100 * always:.1f}%)"
    return {
        "code": "at_chance",
        "sentence": f"{100 * right / n:.1f}% right (95%: {100 * low:.1f} to {100 * high:.1f}) "
        f"may be no better than {than}; evaluate on more images, or train longer",
    }


def gap(model, source, split, found):
    """Training images are answered better than these: by more than 5 points, beyond chance."""
    train = source.splits["train"]
    some = dataset.subset(train, dataset.stratified(train, min(COMPARED, len(train))))
    seen = ask(model, some, label="comparing with train").right
    new = found.right
    at_least, at_most = wilson(int(seen.sum()), len(seen))[0], wilson(int(new.sum()), len(new))[1]
    if seen.mean() - new.mean() <= GAP or at_least <= at_most:
        return None
    return {
        "code": "gap",
        "sentence": f"{100 * seen.mean():.1f}% of {len(seen):,} training images are right and "
        f"{100 * new.mean():.1f}% of {split}: the model learnt its images by heart; add images, "
        "augment (--augment), or take a smaller network",
        "train_accuracy": float(seen.mean()),
        "train_images": len(seen),
    }


def leak(source, split, found):
    """Images of this split were trained on: the same bytes lie in train."""
    twins = twins_in_train(source.splits["train"], source.splits[split])
    if not twins:
        return None
    names, originals = source.splits[split].names, source.splits["train"].names
    first = min(twins)
    clean = np.delete(found.right, list(twins))
    rest = f"without them {100 * clean.mean():.1f}% are right; " if len(clean) else ""
    many = f"{len(twins):,} of {len(names):,} {split} images are in train too"
    return {
        "code": "leak",
        "sentence": f"{many}, byte for byte, such as {names[first]}, which is "
        f"{originals[twins[first]]}: {rest}remove them from one of the two, and train again",
        "images": [names[i] for i in sorted(twins)],
        "accuracy_without": float(clean.mean()) if len(clean) else None,
    }


def few_images(found, classes):
    """Classes with too few images for a share of their own."""
    counts = np.bincount(found.labels, minlength=len(classes))
    few = {classes[i]: int(n) for i, n in enumerate(counts) if n < FEW}
    if not few:
        return None
    shown = ", ".join(f"{name} ({n})" for name, n in list(few.items())[:5])
    more = f" and {len(few) - 5} more" if few.keys() - list(few)[:5] else ""
    low, high = wilson(FEW // 2, FEW)
    return {
        "code": "few_images",
        "sentence": f"fewer than {FEW} images of {shown}{more}: even at {FEW}, half of them right "
        f"means {100 * low:.0f}% to {100 * high:.0f}%; add images before trusting these rows",
        "classes": few,
    }


def twins_in_train(train, part):
    """{index in `part`: index in `train`} of images of equal content, by their digests."""
    first = {}
    for i, digest in enumerate(train.digests):
        first.setdefault(digest, i)
    return {i: first[digest] for i, digest in enumerate(part.digests) if digest in first}
