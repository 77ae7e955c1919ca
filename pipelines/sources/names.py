"""Names of splits and of classes, as people write them."""

import re
import unicodedata

from pipelines.check import display
from pipelines.errors import did_you_mean

SPELT = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
ADDED = re.compile(r"[ _-]?(set|data|images?|split)?$")  # test_set, train-images


def split_of(name):
    """The split that a name means, train, val or test; None of any other name."""
    name = name.strip().lower()
    return SPELT.get(name) or SPELT.get(ADDED.sub("", name))


def unknown_class(split, name, classes):
    """What to say of a class of val or test that train lacks."""
    text = f"{split} has the class {display(name)!r}, which train lacks; "
    for known in classes:
        if _composed(known) == _composed(name):
            return text + f"train has {display(known)!r}, written in another way of Unicode"
    return text + display(did_you_mean(name, classes))


def check_classes(classes, where, findings):
    """Note class names that cannot be told apart, or cannot stand in labels.txt.

    Args:
        classes: names.
        where: what holds them, for the sentence.
        findings: `check.Findings`.
    """
    for name in classes:
        if display(name) != name or not _shown(name).strip():
            text = (
                f"the {where} have one named {display(name)!r}, which is no plain text; rename it"
            )
            findings.fault("class_name", text)
    for rule, form, text in (
        ("twins", _composed, "are the same name, written in two ways of Unicode; merge them"),
        (
            "case_twins",
            _folded,
            "are alike but for case, spaces or unseen letters; one class?",
        ),
    ):
        for same in _groups(classes, form):
            if rule == "case_twins" and len({_composed(name) for name in same}) < len(same):
                continue  # told as twins
            sentence = f"of the {where}, {' and '.join(repr(display(n)) for n in same)} {text}"
            (findings.fault if rule == "twins" else findings.warn)(rule, sentence, same)
    if len(classes) < 2:
        one = f"one class, {display(classes[0])!r}" if classes else "no class"
        text = f"the {where} make {one}; a classifier needs at least two"
        findings.fault("one_class", text)


def _composed(name):
    return unicodedata.normalize("NFC", name)


def _folded(name):
    wide = unicodedata.normalize("NFKC", _shown(name))  # letters of another width
    return " ".join(re.split(r"[\s_-]+", wide.casefold().strip()))


def _shown(name):
    """A name without its letters that nobody sees, such as spaces of no width."""
    return "".join(c for c in name if unicodedata.category(c) != "Cf")


def _groups(names, form):
    groups = {}
    for name in names:
        groups.setdefault(form(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
