"""A folder of images: one folder a class, with or without train, val and test above them.

The user's folder is read, never written.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipelines.check import EXTENSIONS, Findings, Place, display
from pipelines.check.names import near_path
from pipelines.errors import EnvironmentFault, UserError
from pipelines.files import expanded
from pipelines.sources.names import check_classes, split_of, unknown_class
from pipelines.sources.stored import Part, assemble

CLUTTER = {  # what systems leave behind, with dot-files; in small letters
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "icon\r",
    "system volume information", "lost+found",
}  # fmt: skip


@dataclass
class Inside:
    """What lies in one folder, clutter left out."""

    folders: list = field(default_factory=list)  # names
    images: list = field(default_factory=list)
    others: list = field(default_factory=list)
    lost: list = field(default_factory=list)  # of the others, links that lead nowhere


def open_source(spec, root, options):
    """Open a folder, every image checked; see docs/data.md for what is said of which folder."""
    root = expanded(root)
    if not root.is_dir():
        raise UserError(_missing(root))
    findings = Findings()
    roots = _split_roots(root, findings)
    if "train" not in roots:
        names = ", ".join(display(folder.name) for folder in roots.values())
        _refuse(
            findings, "no_classes", root, f"has folders of splits ({names}) but no train folder"
        )
    found = {split: _classes_of(folder, split, findings) for split, folder in roots.items()}
    found = {split: by_class for split, by_class in found.items() if by_class is not None}
    classes = _names(root, found, findings)
    _beside(root, roots, findings)
    given = {split: _part(by_class, classes) for split, by_class in found.items()}
    if findings.faults and not any(len(part.labels) for part in given.values()):
        findings.stop(spec)
    name = f"folder {os.path.realpath(root)}"
    return assemble(spec, classes, given, findings, options.checks, cache_name=name)


def _refuse(findings, rule, root, text):
    """Note a fault of a folder after which there is nothing more to look at, and stop."""
    findings.fault(rule, f"{display(root)} {text}", [root])
    findings.stop(f"folder:{root}")


def _missing(root):
    if root.exists():
        if root.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"):
            return f"{display(root)} is an archive; unpack it and name the folder"
        return f"{display(root)} is a file; a source is a folder with one folder for each class"
    parent = root.parent
    if not parent.is_dir():
        return f"no folder {display(root)}: there is no {display(parent)} either"
    beside = [p.name for p in parent.iterdir() if p.is_dir()]
    near = near_path(root, beside)
    if not near.startswith("did") and any(split_of(name) == "train" for name in beside):
        near = f"did you mean {display(parent)}, which holds {', '.join(sorted(beside)[:3])}?"
    return f"no folder {display(root)}; {near}"


def look(folder, findings=None):
    """List a folder, sorted by name; clutter and links to folders above are counted.

    Raises:
        EnvironmentFault: it cannot be listed.
    """
    ignored = (findings or Findings()).ignored
    inside = Inside()
    try:
        entries = sorted(os.scandir(folder), key=lambda e: os.fsencode(e.name))
    except OSError as error:
        raise EnvironmentFault(f"{display(folder)} cannot be listed: {error.strerror}") from None
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in CLUTTER:
            ignored["dot-file" if entry.name.startswith(".") else display(entry.name)] += 1
        elif _is_folder(entry):
            if entry.is_symlink() and _above(entry.path):
                ignored["link to a folder above"] += 1
            else:
                inside.folders.append(entry.name)
        elif Path(entry.name).suffix.lower() in EXTENSIONS:
            inside.images.append(entry.name)
        else:
            inside.others.append(entry.name)
            if entry.is_symlink() and not os.path.exists(entry.path):
                inside.lost.append(entry.name)
    return inside


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _above(link):
    """Whether a link leads to the folder it is in, or to one above: a walk would never end."""
    here, there = (os.path.realpath(path) for path in (os.path.dirname(link), link))
    return os.path.commonpath([here, there]) == there


def _split_roots(root, findings):
    """{split: folder of its classes}; {"train": root} where the user made no splits."""
    top = look(root)
    splits = [name for name in top.folders if split_of(name)]
    with_classes = [name for name in splits if look(root / name).folders]
    if not splits or (not with_classes and len(splits) < len(top.folders)):
        return {"train": root}  # a class may be called "test", if it holds images
    if not with_classes:
        if len(splits) == 1:
            return {"train": root}
        shown = ", ".join(map(display, splits))
        _refuse(
            findings, "split_images", root,
            f"has folders of splits ({shown}), which hold no class folders; put the images of "
            f"each class into a folder of its own, such as {display(root / splits[0] / 'cats')}",
        )  # fmt: skip
    others = [name for name in top.folders if name not in splits]
    if others:
        _refuse(
            findings, "split_mixed", root,
            f"has folders of splits ({', '.join(map(display, splits))}) and others beside them "
            f"({', '.join(map(display, others[:5]))}); move or remove the others, or call them "
            "train, val, test",
        )  # fmt: skip
    found = {}
    for name in splits:
        split = split_of(name)
        if split in found:
            both = f"{display(found[split].name)} and {display(name)}"
            _refuse(findings, "split_mixed", root, f"has two folders for {split}, {both}: keep one")
        found[split] = root / name
    _strays(root, look(root, findings), findings)
    return found


def _strays(root, inside, findings):
    """Tell of what lies beside class folders."""
    for name in inside.lost:
        text = f"{display(root / name)} is a link that leads nowhere; mend or remove it"
        findings.fault("lost", text, [root / name])
    if inside.others:
        findings.ignored["file outside the class folders"] += len(inside.others)
    if inside.images:
        findings.ignored["image outside the class folders"] += len(inside.images)
        findings.warn(
            "stray",
            f"{len(inside.images):,} image(s) beside the class folders of {display(root)} not used",
            [root / name for name in inside.images],
        )


def _classes_of(root, split, findings):
    """{class: paths of its images} of one split; None of a val or test without class folders."""
    top = look(root, findings)
    if not top.folders:
        lie = f"{len(top.images):,} image(s) but " if top.images else ""
        text = (
            f"{display(root)} holds {lie}no class folders; put the images of each class into a "
            f"folder of its own, such as {display(root / 'cats')} and {display(root / 'dogs')}"
        )
        findings.fault("no_classes" if split == "train" else "split_images", text, [root])
        if split != "train":
            return None
        findings.stop(f"folder:{root}")
    _strays(root, top, findings)
    inside = {name: look(root / name, findings) for name in top.folders}
    nested = {name: found for name, found in inside.items() if found.folders and not found.images}
    if len(nested) == len(inside):
        _refuse(findings, "nested", root, _nested(root, nested))
    images = {}
    for name, found in inside.items():
        folder = root / name
        for other in found.others:
            findings.ignored[f"{Path(other).suffix.lower() or 'no extension'} file"] += 1
        if found.folders:
            _deeper(folder, found.folders, findings)
        if not found.images:
            images[name] = []
            _empty(folder, found, split, findings)
        images[name] = [str(folder / image) for image in found.images]
    return images


def _nested(root, nested):
    shown = ", ".join(display(root / name / nested[name].folders[0]) for name in list(nested)[:3])
    if len(nested) == 1:
        (only,) = nested
        return (
            f"holds one folder, {display(only)!r}, in which the class folders lie: "
            f"try folder:{display(root / only)}"
        )
    return (
        f"holds images one folder too deep ({shown}); class folders must hold images: move them "
        "up, or try folder: with one of these folders"
    )


def _deeper(folder, names, findings):
    findings.ignored["folder inside a class folder"] += len(names)
    images = [
        os.path.join(place, file)
        for name in names
        for place, _, files in os.walk(folder / name)
        for file in files
        if Path(file).suffix.lower() in EXTENSIONS
    ]
    if images:
        findings.warn(
            "deeper",
            f"{len(images):,} image(s) in folders below class folder {display(folder)} not used",
            images,
        )


def _empty(folder, found, split, findings):
    what = f"class folder {display(folder)} holds no images"
    if found.others:
        endings = sorted({Path(name).suffix.lower() or "no ending" for name in found.others})
        what += f", only {len(found.others):,} file(s) that are not used ({', '.join(endings[:5])})"
    if found.folders:
        what += f", only folders ({display(found.folders[0])}, ...)"
    if split == "train":
        findings.fault("empty_class", f"{what}; fill or remove it", [folder])
        findings.explained.add(folder.name)
    else:
        findings.warn("missing_class", what, [folder])


def _names(root, found, findings):
    """The class names, checked."""
    classes = sorted(found["train"])
    check_classes(classes, f"class folders of {display(root)}", findings)
    for split in found.keys() - {"train"}:
        for unknown in sorted(found[split].keys() - set(classes)):
            findings.fault("unknown_class", unknown_class(split, unknown, classes), [unknown])
            del found[split][unknown]
    return classes


def _beside(root, roots, findings):
    """A train folder given as root, with its val beside it, is half of a set."""
    if roots != {"train": root} or split_of(root.absolute().name) != "train":
        return
    parent = root.absolute().parent
    beside = [name for name in look(parent).folders if split_of(name) not in (None, "train")]
    if beside:
        text = (
            f"{display(beside[0])} lies beside {display(root)}: folder:{display(parent)} uses both"
        )
        findings.warn("beside", text, [parent])


def _part(by_class, classes):
    pairs = [(path, i) for i, name in enumerate(classes) for path in by_class.get(name, ())]
    return Part(
        [Place(path) for path, _ in pairs],
        np.array([label for _, label in pairs], np.int32),
        [display(path) for path, _ in pairs],
    )
