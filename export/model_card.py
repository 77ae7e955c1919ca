"""MODEL_CARD.md: what one should know of a model before using it.

The sections are those of Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019), Table 1;
the head is the YAML that model hubs read. What the bundle, its report and the training's folder
do not say is called unknown.
"""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import yaml

from export.trained import find
from pipelines.check import display
from pipelines.files import write_text

FILE = "MODEL_CARD.md"
SHOWN = 40  # class names spelt out; the others are in labels.txt
UNKNOWN = "unknown"


def write(making):
    """Write MODEL_CARD.md from the bundle's card, its report, and the run of the model's file."""
    run = Run(making.model_file)
    counts = making.source.counts()
    parts = [
        head(making.card, making.report),
        f"# {plain(making.card['name'])}",
        details(making, run),
        INTENDED.format(classes=classes(making.labels), count=len(making.labels)),
        factors(making.report),
        metrics(making.report),
        data(making.card, counts),
        results(making.report),
        evaluation(run.report(making.card["data"]["fingerprint"])),
        training(run),
        preprocessing(making.card),
        ETHICS,
        caveats(making.report),
    ]
    write_text(making.folder / FILE, "\n\n".join(p.strip() for p in parts if p) + "\n")


class Run:
    """What the folder of a training says; empty where the model's file came alone."""

    def __init__(self, model_file):
        self.file = Path(model_file)
        folder = self.file.parent
        self.config = find(self.file, suffixes=(".keras",)).config
        self.environment = _json(folder / "env.json") if self.config else {}
        self.metrics = _json(folder / "metrics.json") if self.config else {}

    def report(self, fingerprint):
        """What `evaluate` wrote of this very model on these very images; else empty."""
        file = self.file.parent / "report-test" / "report.json"
        found = _json(file) if self.config and file.is_file() else {}
        fresh = found and file.stat().st_mtime >= self.file.stat().st_mtime
        same = found.get("fingerprint") == fingerprint and not found.get("tta")
        return found if fresh and same else {}


def _json(file):
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def plain(text):
    """Text that Markdown and HTML leave as it is."""
    text = " ".join(str(text).split())
    text = "".join(f"\\{c}" if c in "\\`*_{}[]()#+-!|~$" else c for c in text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def head(card, report):
    """The YAML head, with the accuracy of each file as a result of its own."""
    about = card.get("about", {})
    found = [
        {
            "task": {"type": "image-classification"},
            "dataset": {"name": source_name(card), "type": card["data"]["fingerprint"]},
            "metrics": [
                {
                    "type": "accuracy",
                    "name": f"{entry['file']}, {report['images']} held-out images",
                    "value": round(entry["accuracy"], 6),
                }
            ],
        }
        for entry in report["formats"].values()
    ]
    fields = {
        "license": about.get("license") or UNKNOWN,
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "keras", "tflite", "litert"],
        "model-index": [{"name": card["name"], "results": found}],
    }
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---"


def source_name(card):
    """The data's name without the places of the machine that it lay on."""
    kind, _, rest = card["data"]["source"].partition(":")
    return display(f"{kind}:{Path(rest).name}" if rest else kind)


def classes(labels):
    names = ", ".join(plain(label) for label in labels[:SHOWN])
    more = len(labels) - SHOWN
    return f"{names}, and {more} more in labels.txt" if more > 0 else names


def parameters(model):
    """How many weights a training sets; the moving statistics of normalization are none."""
    trained = (weight for weight in model.weights if not weight.name.startswith("moving_"))
    return sum(math.prod(weight.shape) for weight in trained)


def details(making, run):
    about = making.card.get("about", {})
    height, width, channels = making.image_shape
    made = datetime.fromtimestamp(run.file.stat().st_mtime, UTC).date()
    rows = [
        ("Network", plain(making.card["name"])),
        ("Kind", "convolutional neural network that sorts images into classes"),
        ("Parameters", f"{parameters(making.model):,}"),
        ("Input", f"{width} x {height} pixels, {'grey' if channels == 1 else 'RGB'}, 0 to 255"),
        ("Output", f"a probability for each of {len(making.labels)} classes"),
        ("Version", plain(about.get("version") or UNKNOWN)),
        ("Author", plain(about.get("author") or UNKNOWN)),
        ("Licence", plain(about.get("license") or UNKNOWN)),
        ("Trained", f"its file is of {made}"),
    ]
    files = [
        (f"`{entry['file']}`", f"{entry['bytes']:,}", f"`{entry['sha256']}`")
        for entry in (making.card["keras"], *making.card["formats"].values())
    ]
    return (
        f"## Model details\n\n{table(('', ''), rows)}\n\n"
        f"{table(('file', 'bytes', 'sha256'), files)}"
    )


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


INTENDED = """
## Intended use

To tell which of {count} classes an image shows: {classes}.

- **Users and uses in mind when it was made:** unknown; nobody has stated them here.
- **Out of scope:** images of anything else. The model has no answer for "none of these": it always
  names one of its classes, and may do so with a high probability. Decisions about people's rights,
  health or safety are out of scope unless somebody has examined it for them.
"""

ETHICS = """
## Ethical considerations

Not examined by the software that wrote this card: whether the images show people, whether they
agreed, whose images are missing, and whom a wrong answer harms. Unknown until its author says so.
"""


def factors(report):
    name = "uint8" if "uint8" in report["formats"] else next(iter(report["formats"]))
    entry = report["formats"][name]
    rows = [
        (plain(c["class"]), c["images"], f"{100 * c['keras']:.1f}%", f"{100 * c['file']:.1f}%")
        for c in entry.get("worst_classes", ())
    ]
    header = ("class", "images", "right in Keras", f"right in `{entry['file']}`")
    worst = f"The classes that lose most:\n\n{table(header, rows)}" if rows else ""
    return f"""
## Factors

How accuracy varies with light, camera, place or groups of people: not measured.
{worst}
"""


def metrics(report):
    limits = report["limits"]
    least = 100 * limits["min_agreement"]
    agreed = f", or agreed on less than {least:g}%," if least else ""
    return f"""
## Metrics

Top-1 accuracy with its 95% interval (Wilson 1927), and agreement: the share of images on which a
file names the same class as the Keras model. A file that lost more than {limits["max_drop"]:g}
points of accuracy{agreed} was not let through.
"""


def data(card, counts):
    fingerprint = card["data"]["fingerprint"]
    names = ("train", "val", "test")
    total = {name: sum(counts[name]) for name in names}
    rows = [
        (plain(label), *(f"{counts[name][i]:,}" for name in names))
        for i, label in enumerate(card["labels"][:SHOWN])
    ]
    rows.append(("**all**", *(f"**{total[name]:,}**" for name in names)))
    return f"""
## Evaluation data

The test split of `{source_name(card)}`, which training has not seen.

## Training data

`{source_name(card)}`, fingerprint `{fingerprint}` (of the class names, and of which image is in
which split under which label). Where the images come from and under what terms: {UNKNOWN}.

{table(("class", "train", "validation", "test"), rows)}
"""


def results(report):
    rows = [("`model.keras`", *_accuracy(report["keras"]), "", "")]
    for entry in report["formats"].values():
        rows.append(
            (
                f"`{entry['file']}`",
                *_accuracy(entry),
                f"{100 * entry['agreement']:.2f}%",
                f"{entry['max_difference']:.1e}",
            )
        )
    header = ("file", "accuracy", "95% interval", "agreement", "largest difference")
    return (
        f"## Quantitative analyses\n\n{report['images']:,} held-out images; the difference is of "
        f"probabilities from those of the Keras model.\n\n{table(header, rows)}"
    )


def _accuracy(entry):
    low, high = entry["accuracy_95"]
    return f"{100 * entry['accuracy']:.2f}%", f"{100 * low:.2f} to {100 * high:.2f}%"


def evaluation(report):
    """What the report of `evaluate` adds: calibration, each class, mistakes, warnings."""
    if not report:
        return ""
    calibration, macro = report["calibration"], report["macro"]
    rows = [
        ("expected calibration error, 15 bins", f"{calibration['ece']:.4f}"),
        ("log loss", f"{report['log_loss']:.4f}"),
        ("F1, mean over the classes", f"{macro['f1']:.4f}"),
    ]
    each = [
        (plain(name), c["images"], *(_share(c[key]) for key in ("precision", "recall", "f1")))
        for name, c in list(report["classes"].items())[:SHOWN]
    ]
    mistakes = "; ".join(
        f"{plain(pair['true'])} called {plain(pair['predicted'])}, {pair['images']} times"
        for pair in report["confused"][:5]
    )
    warnings = "".join(f"\n- {plain(warning['sentence'])}" for warning in report["warnings"])
    return (
        f"Of the Keras model, on {report['images']:,} test images:\n\n{table(('', ''), rows)}\n\n"
        f"{table(('class', 'images', 'precision', 'recall', 'F1'), each)}\n\n"
        f"Most frequent mistakes: {mistakes or 'none'}.\n{warnings}"
    )


def _share(value):
    return "undefined" if value is None else f"{value:.3f}"


def training(run):
    if not run.config:
        return f"## Training\n\nSettings: {UNKNOWN}; the model's file came without its run."
    left_out = {"data", "data_dir", "fingerprint"}  # told above, and a path is nobody's business
    rows = [(f"`{key}`", _value(v)) for key, v in run.config.items() if key not in left_out]
    text = f"## Training\n\n{table(('setting', 'value'), rows)}"
    if run.metrics:
        rows = [(f"`{key}`", _value(value)) for key, value in run.metrics.items()]
        text += f"\n\n{table(('measured', 'value'), rows)}"
    if run.environment:
        rows = [(plain(key), _value(value)) for key, value in run.environment.items()]
        text += f"\n\n{table(('made with', ''), rows)}"
    return text


def _value(value):
    """One setting as text; what looks like a path is left out, but for its last part."""
    if isinstance(value, str) and "/" in value:
        value = Path(value).name
    return plain(f"{value:.6g}" if isinstance(value, float) else value)


def preprocessing(card):
    return f"## Preprocessing\n\n{plain(card['preprocessing'])}"


def caveats(report):
    return f"""
## Caveats and recommendations

- {report["images"]:,} images leave the interval stated above; a difference inside it says nothing.
- Images from another camera, place or time than those of the data may be answered worse. Measure
  on your own before you rely on it: `python -m keras_cnns evaluate FILE --data SOURCE`.
- The probabilities were not corrected after export; treat them as scores unless the training's
  report shows that they are calibrated.
- `samples/` and model.json hold images with the scores that an app must find; repeat them in the
  app's own tests.
"""
