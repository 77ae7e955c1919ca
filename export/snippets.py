"""Code for apps, written for this very model: Kotlin for Android, Swift for iOS.

It resizes as training's evaluation did, number for number, so that an app's own test finds the
scores of the bundle's samples.
"""

import json
from pathlib import Path
from string import Template

from pipelines.files import write_text

TEMPLATES = Path(__file__).parent / "templates"
FILES = {
    "android/Model.kt": "Model.kt",
    "android/Pixels.kt": "Pixels.kt",
    "android/Classifier.kt": "Classifier.kt",
    "android/TaskClassifier.kt": "TaskClassifier.kt",
    "ios/Classifier.swift": "Classifier.swift",
}
PHONES = ("uint8", "float16", "dynamic_wi8", "float32")  # formats, the one to take first
WIDTHS = {"uint8": "", "float32": " * 4"}  # bytes of a number, as a factor


class _Template(Template):
    delimiter = "@@"  # $ means something in both languages


def write(making):
    """Write android/ and ios/ for the best format that phones' libraries take."""
    formats = making.card["formats"]
    name = next((name for name in PHONES if name in formats), None)
    if name is None:
        return
    for folder in {Path(path).parent for path in FILES}:
        (making.folder / folder).mkdir()
    for path, text in sources(making.card, formats[name]).items():
        write_text(making.folder / path, text)


def sources(card, entry):
    """{path: text} of the snippets for one file of a bundle."""
    languages = {
        ".kt": (kotlin(entry), kotlin_string, 8),
        ".swift": (swift(entry), swift_string, 8),
    }
    texts = {}
    for path, template in FILES.items():
        code, quoted, indent = languages[Path(path).suffix]
        labels = "\n".join(f"{' ' * indent}{quoted(label)}," for label in card["labels"])
        fields = common(card, entry) | code | {"LABELS": labels.removesuffix(",")}
        texts[path] = _Template((TEMPLATES / template).read_text()).substitute(fields)
    return texts


def common(card, entry):
    """What both languages say alike."""
    _, height, width, channels = entry["input"]["shape"]
    return {
        "NAME": "".join(c if c.isprintable() else " " for c in card["name"]),
        "FILE": entry["file"],
        "SHA256": entry["sha256"],
        "HEIGHT": height,
        "WIDTH": width,
        "CHANNELS": channels,
        "CHANNEL_WORDS": "red, green, blue" if channels == 3 else "grey",
        "GREY_WORDS": "" if channels == 3 else "turned grey, ",
        "RESULTS": min(5, len(card["labels"])),
        "INPUT_BYTES": WIDTHS[entry["input"]["dtype"]],
        "OUTPUT_BYTES": WIDTHS[entry["output"]["dtype"]],
    }


def kotlin(entry):
    """The lines of Kotlin that depend on how the file writes numbers."""
    put = {
        "uint8": "input.put(pixels)",
        "float32": "for (pixel in pixels) input.putFloat((pixel.toInt() and 255).toFloat())",
    }
    read = {
        "uint8": "((output.get().toInt() and 255){minus}) * {scale!r}f",
        "float32": "output.getFloat()",
    }
    return _numbers(entry, put, read)


def swift(entry):
    """The lines of Swift that depend on how the file writes numbers."""
    put = {
        "uint8": "Data(bytes)",
        "float32": "bytes.map { Float($0) }.withUnsafeBufferPointer { Data(buffer: $0) }",
    }
    read = {
        "uint8": "stored.map {{ (Float($0){minus}) * {scale!r} }}",
        "float32": "stored.withUnsafeBytes {{ Array($0.bindMemory(to: Float.self)) }}",
    }
    return _numbers(entry, put, read)


def _numbers(entry, put, read):
    output = entry["output"]
    zero = output.get("zero_point", 0)
    words = {"scale": output.get("scale"), "minus": f" - {zero}" if zero else ""}
    return {"PUT": put[entry["input"]["dtype"]], "READ": read[output["dtype"]].format(**words)}


def kotlin_string(text):
    """A Kotlin string literal in ASCII."""
    return json.dumps(text).replace("\\f", "\\u000c").replace("$", "\\$")


def swift_string(text):
    """A Swift string literal in ASCII."""
    cells = [c if " " <= c <= "~" and c not in '"\\' else f"\\u{{{ord(c):x}}}" for c in text]
    return f'"{"".join(cells)}"'
