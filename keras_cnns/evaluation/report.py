"""A folder that explains a model: numbers, pictures, and one page that holds them all."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from export.trained import MODEL
from keras_cnns import page, plots, run
from pipelines import cli, dataset
from pipelines.files import claim, whole_file, whole_folder, write_text

MARKER = "report.json"
PICTURES = ("confusion.png", "reliability.png", "top_losses.png")
OWNED = (MARKER, "report.html", "confusion.csv", *PICTURES)
TILE = 192  # pixels of the longer side of an image in the page


def check(out):
    """Refuse a folder that is not ours, or that cannot be written, before the work."""
    claim(out, marker=MARKER, owned=OWNED, as_whole=True)


def write(report, source, out):
    """Write a report to a folder; an older report there is replaced as a whole.

    Args:
        report: of `evaluate.evaluate`.
        source: the `pipelines.sources.Source` that it was made on.
        out: the folder.
    """
    check(out)
    part = source.splits[report["split"]]
    images = originals(part, [row["index"] for row in report["top_losses"]])
    matrix, labels = np.array(report["confusion"]), list(report["classes"])
    calibration = report["calibration"]
    with whole_folder(out) as folder:
        write_text(folder / MARKER, as_json(report | {"environment": run.environment()}))
        write_csv(folder / "confusion.csv", matrix, labels)
        plots.confusion(matrix, labels, folder / "confusion.png")
        title = f"ECE {100 * calibration['ece']:.2f} points, {calibration['bins']} bins"
        plots.reliability(calibration["reliability"], folder / "reliability.png", title=title)
        plots.grid(_tiles(images, report["top_losses"]), folder / "top_losses.png")
        picture = (folder / "confusion.png").read_bytes()
        write_text(folder / "report.html", html(report, images, picture))


def as_json(report):
    """The report as JSON, a row of the confusion matrix on a line."""
    rest = {key: value for key, value in report.items() if key != "confusion"}
    head = json.dumps(rest, indent=2, ensure_ascii=False).removesuffix("\n}")
    rows = ",\n".join(f"    {json.dumps(row)}" for row in report["confusion"])
    return f'{head},\n  "confusion": [\n{rows}\n  ]\n}}\n'


def write_csv(path, matrix, labels):
    """The confusion matrix with its class names; rows are true classes."""
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["true \\ predicted", *labels])
        writer.writerows([label, *row] for label, row in zip(labels, matrix.tolist(), strict=True))


def originals(split, indices):
    """Images of a split as they are, uint8 (height, width, 1 or 3) each."""
    chosen = dataset.subset(split, np.asarray(indices, int))
    return [np.asarray(split.read(*(item[i] for item in chosen.items))) for i in range(len(chosen))]


def _tiles(images, rows):
    return [
        (np.asarray(thumbnail(image)), _caption(row))
        for image, row in zip(images, rows, strict=True)
    ]


def _caption(row):
    name = plots.shorten(os.path.basename(row["image"]), 26)
    said = f"{plots.shorten(row['predicted'], 20)} {100 * row['probability']:.0f}%"
    return f"{name}\nis {plots.shorten(row['true'], 26)}\nsaid {said}"


def thumbnail(pixels):
    """An image of at most TILE pixels a side; a small one is enlarged in squares."""
    image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    scale = TILE / max(image.size)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    small = scale > 1
    return image.resize(size, Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)


def show(report):
    """Print what a person wants to know first."""
    views = f", {report['tta']['name']} ({report['tta']['views']} views)" if report["tta"] else ""
    print(
        f"{report['model']} on {report['split']} of {report['source']}{views}: accuracy "
        f"{percent(report, 'accuracy')} of {report['images']:,} images"
    )
    if report["top5"] is not None:
        print(f"top-5 {percent(report, 'top5')}")
    if report["tta"]:
        one, (low, high) = report["tta"]["one_view"], report["tta"]["gain_95"]
        print(
            f"one view: {percent(one, 'accuracy')}; gain {100 * report['tta']['gain']:+.2f} points "
            f"(95%, paired: {100 * low:+.2f} to {100 * high:+.2f})"
        )
    print(f"{_calibration(report['calibration'])}; {report['images_per_second']:,.0f} images/s")
    for warning in report["warnings"]:
        print(f"WARNING: {warning['sentence']}")
    print("classes, those found least first:")
    weakest = sorted(report["classes"].items(), key=lambda kv: kv[1]["recall"] or 0)
    cli.table(
        ["class", "images", "precision", "recall", "F1"],
        [[name, f"{c['images']:,}", *_shares(c)] for name, c in weakest[:20]],
    )
    if report["confused"]:
        print("most confused:")
        for row in report["confused"][:5]:
            print(f"  {row['true']} taken for {row['predicted']}: {row['images']:,} images")


def percent(report, name):
    """A share with its interval, in words."""
    low, high = report[f"{name}_95"]
    return f"{100 * report[name]:.2f}% (95%: {100 * low:.2f} to {100 * high:.2f})"


def _share(share):
    return "-" if share is None else f"{100 * share:.1f}%"


def _shares(row):
    return [_share(row[name]) for name in ("precision", "recall", "f1")]


def _calibration(facts):
    said = f"calibration error {100 * facts['ece']:.2f} points (ECE, {facts['bins']} bins)"
    if facts["temperature"] is None:
        return f"{said}; no temperature: {facts['why']}"
    fitted = facts["fitted_on"]
    return (
        f"{said}, {100 * facts['ece_at_temperature']:.2f} at temperature "
        f"{facts['temperature']:.3f} (fitted on {fitted['images']:,} {fitted['split']} images)"
    )


def html(report, images, confusion_png):
    """The page, as text."""
    file = Path(report["model"])
    name = file.absolute().parent.name if file.name == MODEL else file.name
    title = f"{name} on its {report['split']} images"
    sections = [
        f"<p class=soft>{page.escape(report['source'])}</p>",
        _head(report),
        "<h2>Classes</h2>" + _classes(report),
        "<h2>Confusion</h2>" + _confusion(report, confusion_png),
        "<h2>Top losses</h2>" + _losses(report, images),
        "<h2>Calibration</h2>" + _calibration_section(report["calibration"]),
        "<h2>How this was made</h2>" + _how(report),
    ]
    return page.page(title, "\n".join(sections), script=page.SORT)


def _head(report):
    low, high = (100 * v for v in report["accuracy_95"])
    boxes = [
        ("top-1", f"{100 * report['accuracy']:.2f}%", f"95%: {low:.2f} to {high:.2f}"),
        ("images", f"{report['images']:,}", f"in {len(report['classes']):,} classes"),
        ("macro F1", f"{100 * report['macro']['f1']:.2f}%", "each class weighs the same"),
        ("log loss", f"{report['log_loss']:.4f}", "nats an image"),
        ("images a second", f"{report['images_per_second']:,.0f}", "model alone, this machine"),
    ]
    if report["top5"] is not None:
        low, high = (100 * v for v in report["top5_95"])
        boxes.insert(1, ("top-5", f"{100 * report['top5']:.2f}%", f"95%: {low:.2f} to {high:.2f}"))
    if report["tta"]:
        tta = report["tta"]
        low, high = (100 * v for v in tta["gain_95"])
        note = f"over one view; 95%, paired: {low:+.2f} to {high:+.2f}"
        what = f"{tta['name']}, {tta['views']} views"
        boxes.insert(1, (what, f"{100 * tta['gain']:+.2f} points", note))
    warned = "".join(
        f'<p class="warning" role="note">{page.escape(warning["sentence"])}</p>'
        for warning in report["warnings"]
    )
    return page.facts(boxes) + (warned or "<p>Nothing to warn of.</p>")


def _classes(report):
    rows = [
        [name, (f"{c['images']:,}", c["images"])]
        + [(_share(c[key]), c[key] or 0) for key in ("precision", "recall", "f1")]
        for name, c in report["classes"].items()
    ]
    rows.sort(key=lambda row: row[3][1])
    header = ["class", "images", "precision", "recall", "F1"]
    return page.table("Those found least first; a heading sorts", header, rows)


def _confusion(report, picture):
    labels = list(report["classes"])
    caption = "Rows are true classes, columns what the model answered"
    if len(labels) <= plots.NAMED:
        matrix = f"<p class=soft>{caption}.</p>" + page.heat(caption, report["confusion"], labels)
    else:
        matrix = page.image(picture, f"{caption}; all counts are in confusion.csv", css="paper")
    rows = [
        [row["true"], row["predicted"], (f"{row['images']:,}", row["images"]),
         (_share(row["share"]), row["share"])]
        for row in report["confused"]
    ]  # fmt: skip
    if not rows:
        return matrix + "<p>Nothing was confused.</p>"
    header = ["true", "taken for", "images", "of the class"]
    return f"{matrix}<h2>Most confused</h2>{page.table('Pairs of classes', header, rows)}"


def _losses(report, images):
    figures = []
    for row, pixels in zip(report["top_losses"], images, strict=True):
        name = os.path.basename(row["image"])
        wrong = row["true"] != row["predicted"]
        answer = f"taken for <b>{page.escape(row['predicted'])}</b>" if wrong else "right"
        picture = _embedded(pixels, f"{name}, of class {row['true']}")
        figures.append(
            f"<figure>{picture}<figcaption>"
            f"<b>{page.escape(row['true'])}</b> {answer} at {100 * row['probability']:.1f}%, "
            f'loss {row["loss"]:.2f}<br><span title="{page.escape(row["image"])}">'
            f"{page.escape(name)}</span></figcaption></figure>"
        )
    about = "<p class=soft>Images whose true class the model held least likely, worst first.</p>"
    return f'{about}<div class="tiles">{"".join(figures)}</div>'


def _embedded(pixels, alt):
    """A thumbnail inside the page; squares of small images keep their edges as PNG."""
    kind = "png" if max(pixels.shape[:2]) < TILE else "jpeg"
    file = io.BytesIO()
    thumbnail(pixels).save(file, kind, quality=85)
    return page.image(file.getvalue(), alt, kind=kind)


def _calibration_section(facts):
    said = page.escape(_calibration(facts))
    return (
        f"<p>{said[0].upper()}{said[1:]}. Bars: how often answers of that confidence are right; "
        "lines: where the bar should end.</p>"
        + page.bars(facts["reliability"], "Reliability diagram; the numbers are in report.json")
    )


def _how(report):
    environment = ", ".join(f"{name} {value}" for name, value in run.environment().items())
    return (
        f"<p class=soft>{page.escape(report['model'])}; {page.escape(report['source'])}, "
        f"{report['split']}, fingerprint {page.escape(report['fingerprint'])}; intervals: 95%, "
        f"Wilson; {page.escape(environment)}.</p>"
    )
