"""Accuracy against what it costs, for runs or for published networks: one row a model."""

import csv
from importlib import resources
from pathlib import Path

import numpy as np

from keras_cnns import complexity
from keras_cnns.registry import build_for_pixels, find, names
from pipelines.check import display
from pipelines.errors import UserError, did_you_mean
from pipelines.sources.base import fingerprint

BATCH = 32
CALIBRATION = 20  # images; a format's speed does not depend on their number
# What is measured without being named: of each family a network that converts within a minute.
MEASURED = (
    "squeezenet1_1", "mobilenet_v3_small", "mobilenet_v3_large", "mobilenet_v2",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "mnasnet1_0", "efficientnet_b0",
    "googlenet_torchvision", "resnet18", "resnet34", "resnet50", "densenet121",
)  # fmt: skip


def published(chosen=()):
    """Rows of the published accuracies on ImageNet-1k, of the catalogue's networks.

    Parameters and MACs are those that the catalogue's tests count; accuracies are others' words,
    with their source, and were not measured here.

    Args:
        chosen: names; none, all of them.

    Raises:
        UserError: no published accuracy is known of a name.
    """
    text = resources.files("keras_cnns.evaluation").joinpath("published.csv").read_text("utf-8")
    facts = {row["model"]: row for row in csv.DictReader(text.splitlines())}
    for name in chosen:
        if name not in facts:
            what = "is known" if name in names() else "and no such network is known"
            raise UserError(
                f"no published accuracy of {name!r} {what}; {did_you_mean(name, facts)}"
            )
    return [_published(facts[name]) for name in chosen or facts]


def _published(fact):
    variant = find(fact["model"])
    return {
        "model": variant.name,
        "family": variant.family,
        "source": f"published: {fact['source']}",
        "data": "ImageNet-1k",
        "top1": float(fact["top1"]) / 100,
        "top1_95": None,
        "top5": float(fact["top5"]) / 100,
        "images": 50_000,
        "image_size": int(fact["img_size"]),
        "params": variant.params,
        "macs": variant.macs,
    }


def of_run(trained, source, split="test"):
    """The row of a run, its accuracy measured now, and its Keras model.

    Args:
        trained: an `export.trained.Trained` of a .keras file.
        source: the `pipelines.sources.Source` to measure on.

    Raises:
        UserError: the classes are not those that the model was trained on.
    """
    from export import models
    from export.intervals import wilson
    from export.trained import check_labels
    from keras_cnns.evaluation.answers import ask

    model = models.load_keras(trained.path)
    classes = len(check_labels(trained.labels, source, model.output_shape[-1]))
    found = ask(models.KerasModel(model), source.splits[split], label=trained.path.parent.name)
    network = trained.config.get("model")
    row = {
        "model": trained.path.absolute().parent.name,
        "family": find(network).family if network in names() else network or "other",
        "source": f"measured on {split}",
        "data": f"{display(source.spec)} ({images_of(source, split)})",
        "top1": float(found.right.mean()),
        "top1_95": list(wilson(int(found.right.sum()), len(found.right))),
        "top5": float((found.ranks < 5).mean()) if classes > 5 else None,
        "images": len(found.right),
        "image_size": model.input_shape[1],
        "params": complexity.params(model),
        "macs": complexity.macs(model),
    }
    return row, model


def images_of(source, split="test"):
    """Identify the images of a split, whatever the others hold: 8 hexadecimal digits."""
    part = source.splits[split]
    whole = fingerprint(source.classes, {split: (part.digests, part.labels)})
    return whole.split("-")[2][:8]


def measure(row, model, watch, form, images=None):
    """Add throughput, latency and size of a model to its row.

    Args:
        row: of `published` or `of_run`.
        model: its Keras model; None, built anew, with drawn weights: its speed is the same.
        watch: a `speed.Stopwatch`.
        form: a key of `export.tflite.FORMATS`.
        images: uint8 (n, height, width, channels) to calibrate on; None, noise.

    Latency is that of one image on one thread, throughput that of a batch on one core.
    """
    from export import bench, models, tflite
    from keras_cnns import speed

    model = model or build_for_pixels(row["model"])
    shape = model.input_shape[1:]
    if images is None:
        images = np.random.default_rng(0).integers(0, 256, (CALIBRATION, *shape), np.uint8)
    content = tflite.of_model(model, form, images)
    # In seconds only when all are measured: the reference's median is then that of them all.
    for name, work, rounds in (
        ("latency_ratio", bench.runner(models.TFLiteModel(content)), None),
        ("batch_ratio", speed.batches(model, BATCH), 7),
    ):
        row[name], row[f"{name}_95"] = watch.ratio(work, rounds)
    row["format"], row["bytes"] = form, len(content)
    row["macts"] = _activations(model)


def _activations(model):
    """Numbers that convolutions and dense layers put out for one image, as timm counts them."""
    if hasattr(model, "layers"):
        return sum(map(_activations, model.layers))
    return int(np.prod(model.output.shape[1:])) if hasattr(model, "kernel") else 0


def in_seconds(rows, watch):
    """Turn the ratios of measured rows into milliseconds and images a second."""
    for row in rows:
        if "latency_ratio" in row:
            row["latency_ms"] = 1e3 * watch.seconds(row["latency_ratio"])
            row["images_per_second"] = BATCH / watch.seconds(row["batch_ratio"])
            if ends := row.get("latency_ratio_95"):
                row["latency_ms_95"] = [1e3 * watch.seconds(end) for end in ends]
            if ends := row.get("batch_ratio_95"):
                row["images_per_second_95"] = [BATCH / watch.seconds(end) for end in ends[::-1]]


def accuracy(row):
    """The top-1 accuracy of a row, with its 95% interval where it was measured, in words."""
    known = row["top1_95"]
    ends = f" ({100 * known[0]:.1f} to {100 * known[1]:.1f})" if known else ""
    return f"{100 * row['top1']:.2f}%{ends}"


def latency(row):
    """The latency of a measured row with its 95% interval, in words."""
    known = row.get("latency_ms_95")
    ends = f" ({known[0]:.3f} to {known[1]:.3f})" if known else ""
    return f"{row['latency_ms']:.3f} ms{ends}"


def millions(count):
    """A count in millions, to three digits: "0.416", "41.3", "4,089"."""
    value = count / 1e6
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3}f}"


def front(rows, cost, *, more_is_better=False):
    """The Pareto front: rows that none beats in accuracy without costing more, cheapest first.

    Args:
        rows: those without `cost` are left out.
        cost: a key of the rows.
        more_is_better: of `cost`, as of images a second.
    """
    known = [row for row in rows if row.get(cost) is not None]
    sign = -1 if more_is_better else 1
    best, kept = -1.0, []
    for row in sorted(known, key=lambda row: (sign * row[cost], -row["top1"])):
        if row["top1"] > best:
            best = row["top1"]
            kept.append(row)
    return kept


def write_tables(rows, folder):
    """accuracy.csv and benchmark.csv: two tables, joined by the name, as timm keeps them."""
    accuracy = [
        {
            "model": row["model"],
            "img_size": row["image_size"],
            "top1": _points(row["top1"]),
            "top1_err": _points(1 - row["top1"]),
            "top1_low": _points(row["top1_95"] and row["top1_95"][0]),
            "top1_high": _points(row["top1_95"] and row["top1_95"][1]),
            "top5": _points(row["top5"]),
            "top5_err": _points(None if row["top5"] is None else 1 - row["top5"]),
            "param_count": round(row["params"] / 1e6, 4),
            "images": row["images"],
            "data": row["data"],
            "source": row["source"],
        }
        for row in rows
    ]
    benchmark = [
        {
            "model": row["model"],
            "infer_img_size": row["image_size"],
            "infer_samples_per_sec": _rounded(row.get("images_per_second"), 2),
            "infer_step_time": _rounded(
                row.get("images_per_second") and 1e3 * BATCH / row["images_per_second"], 3
            ),
            "infer_batch_size": BATCH if "images_per_second" in row else "",
            "param_count": round(row["params"] / 1e6, 4),
            "infer_gmacs": round(row["macs"] / 1e9, 7),
            "infer_macts": _rounded(row.get("macts") and row["macts"] / 1e6, 6),
            "tflite_format": row.get("format", ""),
            "tflite_bytes": row.get("bytes", ""),
            "tflite_latency_ms": _rounded(row.get("latency_ms"), 4),
            "tflite_latency_ratio": _rounded(row.get("latency_ratio"), 4),
            **_ends("tflite_latency_ratio", row.get("latency_ratio_95")),
        }
        for row in rows
    ]
    for name, table in (("accuracy.csv", accuracy), ("benchmark.csv", benchmark)):
        with open(Path(folder) / name, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, table[0])
            writer.writeheader()
            writer.writerows(table)


def _points(share):
    return "" if share is None else round(100 * share, 3)


def _ends(name, interval):
    low, high = interval or (None, None)
    return {f"{name}_low": _rounded(low, 4), f"{name}_high": _rounded(high, 4)}


def _rounded(value, digits):
    return "" if value is None else round(value, digits)
