"""What is done with every kind of file and folder: one table, which docs/data.md repeats.

A rule that is used says its sentence; a test holds that every rule is met by some case, and
that the page and this table agree.
"""

from dataclasses import dataclass

VERSION = 2  # goes into fingerprints and into the cache: raise it when a rule changes pixels

USED = "used"  # without a word
WARNED = "warned"  # used, and told
COUNTED = "left out"  # not used, counted
REFUSED = "refused"  # an error: nothing is trained


@dataclass(frozen=True)
class Rule:
    """One kind of file or folder."""

    name: str  # as `check --json` calls it
    what: str  # what the user has, for the table
    verdict: str
    says: str  # after the file's name; for what is used or left out, what is done


FILES = (
    # Formats and forms.
    Rule("jpeg", "JPEG, grey or colour, baseline or progressive", USED, "decoded by libjpeg-turbo"),
    Rule("png", "PNG of any depth, grey, colour or palette", USED, "decoded by libpng"),
    Rule("webp", "still WebP", USED, "decoded by libwebp"),
    Rule("cmyk", "CMYK and YCCK JPEG", USED, "turned to RGB; Adobe's are stored inverted"),
    Rule("other", "GIF, BMP (palettes too), TIFF", USED, "read by Pillow, handed on as PNG"),
    Rule("deep", "16 bits a channel", USED, "the upper 8 bits"),
    Rule("exif", "EXIF orientation", USED, "turned upright"),
    Rule("alpha", "alpha, transparent palette entry or colour", USED, "laid on white"),
    Rule("misnamed", "an image under another image's ending", USED, "known by its bytes"),
    Rule("trailing", "bytes after the end (motion photos)", USED, "left alone"),
    # Worth a look.
    Rule(
        "animated",
        "animated GIF, PNG, WebP; TIFF of many pages",
        WARNED,
        "only its first frame is used",
    ),
    Rule(
        "no_end",
        "baseline JPEG that lacks nothing but its end marker",
        WARNED,
        "lacks its end marker, and is whole",
    ),
    Rule(
        "scan",
        "JPEG whose data are damaged in the middle",
        WARNED,
        "has damaged data; part of the picture is wrong",
    ),
    Rule("tiny", "a side of under 4 pixels", WARNED, "is tiny: {width} x {height} pixels"),
    Rule(
        "narrow",
        "one side over 10 times the other",
        WARNED,
        "is very narrow: {width} x {height} pixels",
    ),
    Rule("blank", "one colour alone", WARNED, "is blank: every pixel is the same"),
    # Refused.
    Rule(
        "unreadable",
        "a file that cannot be opened, a dangling or looping link",
        REFUSED,
        "cannot be read: {why}",
    ),
    Rule(
        "irregular",
        "pipe, socket, device, or folder with an image's name",
        REFUSED,
        "is {what}, not a regular file",
    ),
    Rule("empty", "0 bytes", REFUSED, "is empty"),
    Rule("zeros", "zero bytes alone", REFUSED, "holds nothing but zero bytes"),
    Rule(
        "foreign",
        "HTML, SVG, HEIC, AVIF, PDF, video, text, ... named as an image",
        REFUSED,
        "is {what}, not an image that can be used{advice}",
    ),
    Rule(
        "unknown",
        "bytes of no known kind",
        REFUSED,
        "is not an image: its bytes are of no known kind",
    ),
    Rule(
        "damaged",
        "cut short, bad checksum, impossible header",
        REFUSED,
        "is a {kind} that is cut short or damaged ({why})",
    ),
    Rule(
        "form",
        "JPEG of 12 bits or lossless, TIFF of real numbers",
        REFUSED,
        "is a {kind} of a form that cannot be used ({why})",
    ),
    Rule(
        "huge",
        "more pixels than --max-megapixels (50), by its header",
        REFUSED,
        "claims {width} x {height} pixels, over the limit of {limit:g} million",
    ),
    Rule("heavy", "over 512 MiB", REFUSED, "holds {mebibytes:,} MiB, over the limit of 512"),
    Rule("crash", "a file that kills the decoder", REFUSED, "makes the decoder crash ({why})"),
    Rule(
        "endless",
        "a file that never ends decoding",
        REFUSED,
        "was still not decoded after {seconds:g} s",
    ),
)

FOLDERS = (
    Rule("clutter", "dot-files, __MACOSX, Thumbs.db, desktop.ini, ...", COUNTED, "ignored"),
    Rule("extension", "endings other than those of images, or none", COUNTED, "counted by ending"),
    Rule(
        "stray",
        "images beside the class folders",
        WARNED,
        "{count} beside the class folders not used",
    ),
    Rule(
        "deeper",
        "images in folders below a class folder",
        WARNED,
        "{count} in folders below a class folder not used",
    ),
    Rule(
        "lost",
        "a link that leads nowhere, beside class folders or splits",
        REFUSED,
        "it might be a class: mend or remove it",
    ),
    Rule("above", "a link to a folder above", COUNTED, "not followed"),
    Rule("no_classes", "no class folders, empty root", REFUSED, "holds no class folders"),
    Rule("one_class", "one class alone", REFUSED, "a classifier needs at least two"),
    Rule("empty_class", "a class without images", REFUSED, "holds no images"),
    Rule("nested", "classes one folder deeper", REFUSED, "the folder to name is told"),
    Rule("splits", "train, val, test above the classes", USED, "kept as splits"),
    Rule("split_images", "train and val without class folders", REFUSED, "needs class folders"),
    Rule("split_mixed", "class folders beside train and val", REFUSED, "move or remove them"),
    Rule("unknown_class", "val or test has a class that train lacks", REFUSED, "train lacks it"),
    Rule("missing_class", "val or test lacks a class of train", WARNED, "it is not measured there"),
    Rule(
        "beside",
        "the root is itself a train folder, val lies beside it",
        WARNED,
        "the folder above is told",
    ),
    Rule("twins", "class names equal but for their Unicode form", REFUSED, "merge them"),
    Rule(
        "case_twins",
        "class names alike but for case, spaces, unseen letters",
        WARNED,
        "are they one class?",
    ),
    Rule("class_name", "class names that are no plain text", REFUSED, "rename the folder"),
    Rule("too_few", "fewer different images in a class than splits", REFUSED, "add images"),
    Rule("copies", "the same bytes several times in a class", WARNED, "kept in one split"),
    Rule("two_classes", "the same bytes in two classes", WARNED, "one of the labels is wrong"),
    Rule("leak", "the same bytes in the user's train and val or test", WARNED, "counted, named"),
    Rule(
        "imbalance",
        "a class with over 10 times the images of another",
        WARNED,
        "class weights are offered",
    ),
    Rule(
        "row", "a CSV row without path or label, or of too many cells", REFUSED, "its line is told"
    ),
    Rule(
        "column",
        "a CSV column of another name",
        WARNED,
        "not used; refused where it is a near miss",
    ),
    Rule("split_name", "a split of another name in a CSV file", REFUSED, "the near miss is told"),
    Rule("skipped", "a bad image under --bad-images skip", WARNED, "left out, named"),
    Rule("unlabelled", "a TFDS split without labels", COUNTED, "left out"),
)

RULES = {rule.name: rule for rule in FILES + FOLDERS}


def page():
    """The two tables of docs/data.md, as Markdown."""
    parts = []
    for title, rules in (("Files", FILES), ("Folders and lists", FOLDERS)):
        rows = [f"| `{r.name}` | {r.what} | {r.verdict} | {_generic(r.says)} |" for r in rules]
        head = f"### {title}\n\n| rule | what you have | it is | and |\n| --- | --- | --- | --- |"
        parts.append("\n".join([head, *rows]))
    return "\n\n".join(parts) + "\n"


def _generic(says):
    """A sentence with its blanks shown as such."""
    for blank, shown in {
        "{advice}": "",
        "{limit:g}": "50",
        "{mebibytes:,}": "...",
        "{seconds:g}": "60",
    }.items():
        says = says.replace(blank, shown)
    import re

    return re.sub(r"\{\w+\}", "...", says)
