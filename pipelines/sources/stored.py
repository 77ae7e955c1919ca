"""Images that lie in files, or in parts of files: places with labels become a source.

What the data doctor has to say of the images themselves is said here, the same for every kind of
source: faults, copies, leaks, imbalance.
"""

import itertools
import os
import time
from collections import Counter, deque
from dataclasses import dataclass

import numpy as np

from pipelines.check import Fault, display, inspect_each
from pipelines.check.convert import plain
from pipelines.check.facts import AS_IS, told
from pipelines.check.rules import RULES
from pipelines.errors import EnvironmentFault
from pipelines.sources.base import SPLITS, TEST, VAL, Source, Split, assign, fingerprint

WHOLE = -1  # as offset and length: the whole file
IMBALANCE = 10  # times; above it a class that is always answered already scores 91%
ASSEMBLED = deque(maxlen=4)  # (when the check began, in ns; paths of each split), the latest last


@dataclass
class Part:
    """The images of one split as the user gave it."""

    places: list  # `check.Place`s
    labels: np.ndarray  # int32
    names: list[str]  # as a person finds them
    digests: list[str | None] | None = None  # where they are known by another's bytes; see `pack`

    def keep(self, chosen):
        """The images at these indices."""
        digests = self.digests and [self.digests[i] for i in chosen]
        picked = [[sequence[i] for i in chosen] for sequence in (self.places, self.names)]
        return Part(picked[0], self.labels[chosen], picked[1], digests)


def assemble(spec, classes, given, findings, checks, *, cache_name):
    """Check every image and make the source.

    Args:
        spec: as the user wrote it.
        classes: names, in the order of the labels.
        given: {split: Part}, train at least; what is missing is dealt out of train.
        findings: `check.Findings`, in which faults and warnings have been noted so far.
        checks: a `check.Checks`.
        cache_name: what this source is called in the cache.

    Raises:
        BadSource: with every fault there is.
    """
    begun = time.time_ns()
    places = [place for part in given.values() for place in part.places]
    facts = iter(inspect_each(places, checks, cache_name))
    facts = {split: [next(facts) for _ in part.places] for split, part in given.items()}
    for split in given:
        given[split], facts[split] = _usable(given[split], facts[split], findings, checks)
    _empty_classes(classes, given, findings)
    _image_warnings(given, facts, findings)
    digests = {split: _digests(given[split], facts[split]) for split in given}
    _copies(given, digests, findings)
    rows = _dealt(classes, given, digests, findings)
    findings.stop(spec)
    splits = {
        name: _split(given[origin].keep(i), [facts[origin][k] for k in i], digests[origin][i])
        for name, (origin, i) in rows.items()
    }
    ASSEMBLED.append((begun, [split.items[0] for split in splits.values()]))
    _imbalance(classes, splits["train"].labels, findings)
    found = {name: (split.digests, split.labels) for name, split in splits.items()}
    grey = all(fact.grey for of_split in facts.values() for fact in of_split)
    return Source(
        spec,
        tuple(classes),
        1 if grey else 3,
        splits,
        fingerprint(classes, found),
        ignored=dict(sorted((+findings.ignored).items())),
        warnings=tuple(findings.warnings),
        skipped=tuple(findings.skipped),
        checks=checks,
    )


def changed_since():
    """What to say of the first file that was removed or written to since it was checked, or None.

    Decoders do not tell which file they stumble over; asked for only when something went wrong.

    Returns:
        An EnvironmentFault, not raised.
    """
    for begun, parts in reversed(ASSEMBLED):
        for path in dict.fromkeys(itertools.chain.from_iterable(parts)):
            try:
                found = os.stat(path)
            except OSError:
                what = "cannot be read any more"
            else:
                if found.st_ctime_ns < begun:
                    continue
                what = "was changed"
            return EnvironmentFault(
                f"{display(path)} {what}; it was checked and in use: leave images as they are "
                "until the command has ended"
            )
    return None


def _usable(part, facts, findings, checks):
    """Without the images that cannot be used, each of which is told."""
    good = []
    for i, fact in enumerate(facts):
        if not isinstance(fact, Fault):
            good.append(i)
        elif checks.bad_images == "skip":
            findings.skip(fact.rule, f"{part.names[i]} {fact}", [part.names[i]])
        else:
            findings.fault(fact.rule, f"{part.names[i]} {fact}", [part.names[i]])
    return part.keep(good), [facts[i] for i in good]


def _empty_classes(classes, given, findings):
    counts = np.bincount(given["train"].labels, minlength=len(classes))
    for name, count in zip(classes, counts, strict=True):
        if not count and name not in findings.explained:
            findings.fault("empty_class", f"class {name!r} has no image that can be used in train")
    for split in given.keys() - {"train"}:
        counts = np.bincount(given[split].labels, minlength=len(classes))
        absent = [name for name, n in zip(classes, counts, strict=True) if not n]
        if len(absent) == len(classes):
            findings.fault("empty_class", f"{split} has no image that can be used")
        elif absent:
            shown = f"{', '.join(absent[:5])}{', ...' if len(absent) > 5 else ''}"
            findings.warn("missing_class", f"{split} has no image of {shown}: not measured there")


def _image_warnings(given, facts, findings):
    about = {}
    for split, part in given.items():
        for name, fact in zip(part.names, facts[split], strict=True):
            for rule in fact.warnings:
                about.setdefault(rule, []).append((name, told(rule, fact)))
    for rule, images in about.items():
        names, sentences = zip(*images, strict=True)
        one = f"{names[0]} {sentences[0]}"
        text = one if len(images) == 1 else f"{len(images):,} images: {RULES[rule].what}"
        findings.warn(rule, text, names)
    if findings.skipped:
        count = len(findings.skipped)
        findings.warn(
            "skipped",
            f"{count:,} bad image{'s' if count > 1 else ''} left out (--bad-images skip)",
            [finding.text for finding in findings.skipped],
        )


def _digests(part, facts):
    own = [fact.digest for fact in facts]
    known = part.digests or [None] * len(own)
    return np.array([k or d for k, d in zip(known, own, strict=True)], object)


def _copies(given, digests, findings):
    """Warn of the same bytes twice: under two labels, over the user's splits, in a class."""
    groups = {}
    for split, part in given.items():
        for digest, label, name in zip(digests[split], part.labels, part.names, strict=True):
            groups.setdefault(digest, []).append((split, int(label), name))
    groups = [group for group in groups.values() if len(group) > 1]
    pairs = {"two_classes": [], "leak": [], "copies": []}
    for group in groups:
        pairs["two_classes"] += _pair(group, lambda image: image[1])
        pairs["leak"] += _pair(group, lambda image: image[0])
        pairs["copies"] += [
            f"{a[2]} = {b[2]}" for a, b in zip(group, group[1:], strict=False) if a[:2] == b[:2]
        ]
    says = {
        "two_classes": "the same bytes in two classes: {} pair(s), of which one label is wrong",
        "leak": "the same bytes in two of your splits: {} pair(s), by which results look too good",
        "copies": "the same bytes again in the same class: {} image(s), kept in one split",
    }
    for rule, found in pairs.items():
        if found:
            findings.warn(rule, says[rule].format(f"{len(found):,}"), found)


def _pair(group, key):
    """The first image of each kind beside the first of all, as text."""
    first = {}
    for image in group:
        first.setdefault(key(image), image[2])
    one, *more = first.values()
    return [f"{one} = {other}" for other in more]


def _dealt(classes, given, digests, findings):
    """{split: (the part it comes from, indices)}, what the user did not set apart out of train."""
    rows = {split: (split, np.arange(len(part.labels))) for split, part in given.items()}
    shares = {name: share for name, share in (("val", VAL), ("test", TEST)) if name not in given}
    if shares:
        train = given["train"]
        parts = {"train": 1} | shares
        dealt = assign(train.labels, digests["train"], parts, classes, findings)
        rows |= {name: ("train", i) for name, i in dealt.items()}
    return {name: rows[name] for name in SPLITS}


def _imbalance(classes, labels, findings):
    counts = Counter(labels.tolist())
    (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
    if many > IMBALANCE * few:
        findings.warn(
            "imbalance",
            f"class {classes[most]!r} has {many:,} training images, {classes[least]!r} has "
            f"{few:,}; train with loss.class_weight=balanced, which lets them count alike",
        )


def _split(part, facts, digests):
    whole = [place.offset is None for place in part.places]
    regions = [
        (WHOLE, WHOLE) if w else (p.offset, p.length)
        for w, p in zip(whole, part.places, strict=True)
    ]
    regions = np.array(regions, np.int64).reshape(-1, 2)
    items = (
        np.array([os.fsencode(place.path) for place in part.places], object),
        regions[:, 0],
        regions[:, 1],
        np.array([fact.form for fact in facts], np.int32),
        np.array([fact.orientation for fact in facts], np.int32),
        np.array([fact.alpha for fact in facts], bool),
    )
    names = [display(name) for name in part.names]
    return Split(part.labels, items, _read, names, _encoded, digests)


def _encoded(path, offset, length, form, orientation, alpha):
    return _bytes(path, offset, length, form), int(orientation), bool(alpha)


def _bytes(path, offset, length, form):
    """The bytes of an image, made plain for any decoder; see `check.convert.plain`."""
    path = path.item() if isinstance(path, np.ndarray) else path  # as it comes outside a graph
    with open(path, "rb") as file:
        if offset == WHOLE:
            return plain(file.read(), form)
        return plain(os.pread(file.fileno(), length, offset), form)


def _read(path, offset, length, form, orientation, alpha):
    import tensorflow as tf

    from pipelines.decode import decode

    row = (path, offset, length, form)
    odd = (offset != WHOLE) | (form != AS_IS)  # what TensorFlow's own reader cannot do
    data = tf.cond(
        odd,
        lambda: tf.ensure_shape(tf.numpy_function(_bytes, row, tf.string, stateful=False), ()),
        lambda: tf.io.read_file(path),
    )
    return decode(data, orientation, alpha)
