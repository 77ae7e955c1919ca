"""What a search found: its front, the one it would choose, and the files that say so."""

import csv
import io
import math

import yaml

from keras_cnns.search import objectives, pareto
from keras_cnns.search.results import DONE
from pipelines.files import write_text
from pipelines.settings import plain

COLUMNS = (
    *("id", "kind", "status", "reason", "front", "chosen", "tflite_accuracy", "accuracy"),
    *("latency", "latency_low", "latency_high", "latency_ms", "reference_ms"),
    *("bytes", "arena", "macs", "params", "model"),
    *("widths", "image_size", "epochs_done", "epochs", "best_epoch", "seconds"),
    *("training_seconds", "values"),
)


def eligible(session):
    """Results that may be on the front: trained to the end, within every limit, each once."""
    found = {}
    for r in session.results.of(DONE):
        if not objectives.broken(session.search, r):
            found.setdefault(r.get("mark", r["id"]), r)
    return list(found.values())


def members(session, results=None):
    """The results that no other beats, best first objective first."""
    results = eligible(session) if results is None else results
    if not results:
        return []
    points = [objectives.point(r, session.objectives) for r in results]
    first = pareto.fronts(points)[0]
    return [results[i] for i in sorted(first, key=lambda i: points[i])]


def chosen(session, front):
    """The member that a search would choose: the cheapest that is as good as the best.

    As good is an accuracy within one standard error of the highest (Breiman, Friedman, Olshen and
    Stone 1984, section 3.4.3); cheap is by the last objective. Without an accuracy, or with one
    objective, it is the first of the front.
    """
    if not by_accuracy(session):
        return front[0] if front else None
    accuracy = objectives.accuracy_of(session.objectives)
    best = max((r[accuracy] for r in front), default=0.0)
    enough = [r for r in front if r[accuracy] >= best - standard_error(front, accuracy)]
    last = session.objectives[-1]
    return min(enough, key=lambda r: last.cost(r[last.name]), default=None)


def by_accuracy(session):
    """Whether what is chosen has to be as accurate as the best, and then be cheap."""
    names = [o.name for o in session.objectives]
    return len(names) > 1 and objectives.accuracy_of(session.objectives) in names


def rule(session):
    """How the chosen one is chosen, in words."""
    if by_accuracy(session):
        return "the cheapest of the front within one standard error of its highest accuracy"
    return f"the first of the front, by {session.objectives[0].name}"


def standard_error(front, accuracy):
    """Of the highest accuracy of a front, as a share of the images that it was measured on."""
    best = max(front, key=lambda r: r[accuracy])
    share, n = best[accuracy], images(best, accuracy)
    return math.sqrt(max(share * (1 - share), 0.0) / n)


def images(result, accuracy):
    """On how many validation images an accuracy was measured."""
    return result["tflite_images" if accuracy == "tflite_accuracy" else "val_images"]


def write(session):
    """Write front.csv, trials.csv and best.yaml.

    Returns:
        (front, chosen): results; an empty list and None where nothing came to its end.
    """
    front = members(session)
    best = chosen(session, front)
    ids = [r["id"] for r in front]

    def row(result):
        marks = {"front": result["id"] in ids, "chosen": best is not None and result is best}
        return [_cell((result | marks).get(name)) for name in COLUMNS]

    _write_rows(session.out / "front.csv", [row(r) for r in front])
    _write_rows(session.out / "trials.csv", [row(r) for r in session.results.all()])
    if best is not None:
        write_best(session, best)
    return front, best


def write_best(session, best):
    """best.yaml: what `train --widths` and `train --config` take, and where it came from."""
    training = session.space.candidate(best["values"]).training
    config = {"model": best["model"], "widths": list(best["widths"])}
    config |= session.opened
    config |= {k: v for k, v in plain(training).items() if k != "widths"}
    config["image_size"] = best["image_size"]
    told = (*objectives.OBJECTIVES, "classes", "channels")
    found = {name: best[name] for name in told if name in best}
    if tuned := session.space.tuned(best["values"]):
        found["tuned"] = tuned
    config["found"] = {"search": str(session.out), "trial": best["id"], **found}
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    write_text(session.out / "best.yaml", text)


def _cell(value):
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(f"{v:g}" for v in value)
    if isinstance(value, dict):
        return " ".join(f"{k}={v}" for k, v in value.items())
    return value


def _write_rows(path, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    write_text(path, text.getvalue())
