"""A CSV file of images: a header with path and label, a row an image, and a split if one likes.

Paths are relative to the file. Commas, semicolons or tabs; UTF-8, or UTF-16 with its mark.
"""

import csv
import difflib
import io
import os

import numpy as np

from pipelines.check import Findings, Place, display, find_file
from pipelines.errors import UserError, did_you_mean
from pipelines.files import expanded
from pipelines.sources.names import check_classes, split_of, unknown_class
from pipelines.sources.stored import Part, assemble

COLUMNS = ("path", "label", "split")
csv.field_size_limit(2**20)


def open_source(spec, file, options):
    """Open the images that a CSV file lists, every image checked."""
    file = expanded(file)
    find_file(file)
    findings = Findings()
    rows = _rows(file, findings)
    classes = _sorted({label for _, label, _ in rows})
    check_classes(classes, f"labels of {display(file)}", findings)
    given = _given(file, rows, classes, findings)
    if "train" not in given:
        findings.fault("no_classes", f"{display(file)} has no row of the train split")
        findings.stop(spec)
    _unknown_classes(given, classes, findings)
    name = f"csv {os.path.realpath(file)}"
    return assemble(spec, classes, given, findings, options.checks, cache_name=name)


def _text(file):
    data = file.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    # Names on disk may be no Unicode: the bytes are kept, and open the same file.
    return data.decode("utf-8-sig", "surrogateescape")


def _rows(file, findings):
    """[(path, label, split or "")] of a file, odd rows noted."""
    text = _text(file)
    first = next((line for line in text.splitlines() if line.strip()), "")
    marks = [mark for mark in ",;\t" if mark in first]
    marks.sort(key=lambda mark: _known(first.split(mark)), reverse=True)
    if "\0" in text:
        raise UserError(f"{display(file)} is no CSV file: it holds zero bytes")
    try:
        table = list(enumerate_rows(text, marks[0] if marks else ","))
    except csv.Error as error:
        raise UserError(f"{display(file)} is no CSV file: {error}") from None
    if not table:
        raise UserError(f"{display(file)} is empty; its first line is: path,label")
    columns = _columns(file, table[0][1], findings)
    rows = []
    for line, row in table[1:]:
        cells = {name: row[i].strip() if i < len(row) else "" for name, i in columns.items()}
        missing = [name for name in ("path", "label") if not cells[name]]
        if missing or len(row) != len(table[0][1]):
            why = f"has no {missing[0]}" if missing else f"has {len(row)} cells"
            findings.fault("row", f"line {line} of {display(file)} {why}")
            continue
        rows.append((cells["path"], cells["label"], cells.get("split", "")))
    if not rows:
        findings.fault("row", f"{display(file)} lists no image")
        findings.stop(f"csv:{file}")
    return rows


def _known(header):
    """How many cells of a header are columns that we know."""
    return sum(cell.strip(' "').lower() in COLUMNS for cell in header)


def enumerate_rows(text, mark):
    """Yield (number of its last line, cells) of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


def _columns(file, header, findings):
    names = [name.strip().lower() for name in header]
    for wanted in ("path", "label"):
        if wanted not in names:
            raise UserError(
                f"{display(file)} has no column {wanted!r}, only "
                f"{', '.join(map(display, header))}; its first line is: path,label"
            )
    for name in names:
        if names.count(name) > 1 and name in COLUMNS:
            raise UserError(f"{display(file)} has two columns {name!r}")
        if name not in COLUMNS and (near := difflib.get_close_matches(name, COLUMNS, 1, 0.6)):
            raise UserError(
                f"{display(file)} has a column {display(name)!r}; did you mean {near[0]}?"
            )
    unknown = [name for name in header if name.strip().lower() not in COLUMNS]
    if unknown:
        shown = ", ".join(map(display, unknown))
        findings.warn("column", f"columns of {display(file)} that are not used: {shown}")
    return {name: names.index(name) for name in COLUMNS if name in names}


def _sorted(labels):
    """Numbers by their value, else as text."""
    numbers = all(label.isascii() and label.isdigit() for label in labels)
    return sorted(labels, key=(lambda x: (int(x), x)) if numbers else None)


def _given(file, rows, classes, findings):
    """{split: Part}; all is train where no row names a split."""
    index = {name: i for i, name in enumerate(classes)}
    by_split = {}
    named = any(split for _, _, split in rows)
    for path, label, split in rows:
        known = split_of(split) if named else "train"
        if known is None:
            what = f"the split {display(split)!r}" if split else "no split, though others have one"
            near = did_you_mean(split, ("train", "val", "test")) if split else "fill the column"
            findings.fault("split_name", f"{display(path)} has {what}; {near}", [path])
            continue
        by_split.setdefault(known, []).append((file.parent / path, index[label]))
    return {
        split: Part(
            [Place(str(path)) for path, _ in found],
            np.array([label for _, label in found], np.int32),
            [display(path) for path, _ in found],
        )
        for split, found in by_split.items()
    }


def _unknown_classes(given, classes, findings):
    known = set(given["train"].labels.tolist())
    for split in given.keys() - {"train"}:
        for label in sorted(set(given[split].labels.tolist()) - known):
            text = unknown_class(split, classes[label], [classes[i] for i in sorted(known)])
            findings.fault("unknown_class", text)
            findings.explained.add(classes[label])
