"""Names of splits and of classes, as people write them."""

import unicodedata

from pipelines.check import display

ALIASES = {
    **dict.fromkeys(("train", "training", "trainset", "train_set"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "val_set", "validation_set"), "val"),
    **dict.fromkeys(("test", "testing", "testset", "test_set"), "test"),
}


def check_classes(classes, where, findings):
    """Note class names that cannot be told apart, or cannot stand in labels.txt.

    Args:
        classes: names.
        where: what holds them, for the sentence.
        findings: `check.Findings`.
    """
    for name in classes:
        if display(name) != name or not name.strip():
            text = (
                f"the {where} have one named {display(name)!r}, which is no plain text; rename it"
            )
            findings.fault("class_name", text)
    for rule, form, text in (
        ("twins", _composed, "are the same name, written in two ways of Unicode; merge them"),
        ("case_twins", _folded, "differ in case or spaces alone; are they one class?"),
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
    return " ".join(_composed(name).casefold().split())


def _groups(names, form):
    groups = {}
    for name in names:
        groups.setdefault(form(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
