"""The members of a front once more, from scratch, on train and val, with several seeds.

A search looks at the validation images so often that they no longer tell how good its choice is.
Nothing is chosen here: every member, and the uniform networks beside them, is trained on train and
val together, to the last epoch, and then shown the test images, once; retrained.csv keeps that.
"""

import csv
import gc
import io
import json
from dataclasses import replace

import keras
import numpy as np
import yaml

from export import intervals, models
from export.trained import CONFIG, LABELS, MODEL
from keras_cnns.search import front, measure
from keras_cnns.search.results import DONE, UNIFORM
from keras_cnns.search.trial import FILE, trained
from keras_cnns.training.history import Rows
from keras_cnns.training.job import Job
from pipelines import dataset
from pipelines.errors import TrainingFailed
from pipelines.files import whole_file, write_json, write_text
from pipelines.settings import plain

WATCHED = 64  # training images that stand where the validation images are used up
ANSWERS = "test.json"  # of one training: which test images were right; written once
FAILED = "failed"  # in its place there, why a training went bad
COLUMNS = (
    *("id", "chosen", "model", "widths", "seeds", "failed", "test_images"),
    *("accuracy", "accuracy_low", "accuracy_high"),
    *("tflite_accuracy", "tflite_accuracy_low", "tflite_accuracy_high"),
    *("latency", "bytes", "macs", "against", "against_latency"),
    *("difference", "difference_low", "difference_high"),
)


def joined(source):
    """The source with val in train, and a few training images as val, which chooses nothing."""
    both = source.splits["train"] + source.splits["val"]
    watched = dataset.subset(both, dataset.stratified(both, WATCHED))
    return replace(source, splits=source.splits | {"train": both, "val": watched})


def retrain(session, say=print):
    """Train the front and the baseline with `session.search.retrain` seeds, and test them.

    Returns:
        Rows of retrained.csv, as dicts.
    """
    members = front.members(session)
    best = front.chosen(session, members)
    uniform = session.results.of(DONE, kind=UNIFORM)
    entered = {r["id"]: r for r in [*members, *uniform]}
    bench = measure.Bench(session)
    answers = {}
    for name, result in entered.items():
        for seed in range(session.search.retrain):
            found = _once(session, bench, result, session.training.seed + seed)
            answers.setdefault(name, []).append(found)
            say(f"{name}  seed {seed}  {_told(found)}")
    rows = [_row(r, answers, best, uniform) for r in entered.values()]
    _write(session.out / "retrained.csv", rows)
    return rows


def _told(found):
    if FAILED in found:
        return f"failed: {found[FAILED]}"
    return f"test {100 * np.mean(found['tflite_right']):.2f}% as .tflite"


def _once(session, bench, result, seed):
    """Train, convert and test one network with one seed; what was tested is not tested again."""
    folder = session.folder(f"retrained/{result['id']}-seed{seed}")
    if (folder / ANSWERS).exists():
        return json.loads((folder / ANSWERS).read_text())
    try:
        return _one(session, bench, result, seed, folder)
    except TrainingFailed as failed:
        found = {FAILED: str(failed)}
        write_json(folder / ANSWERS, found)
        return found
    finally:
        keras.utils.clear_session(free_memory=False)
        gc.collect()


def _one(session, bench, result, seed, folder):
    candidate = session.space.candidate(result["values"])
    settings = replace(candidate.training, seed=seed)
    source = joined(session.source)
    job = Job(candidate.model, source, settings)
    config = {"model": candidate.model} | session.opened | plain(settings)
    config |= {"image_size": job.shape[0], "channels": job.shape[2]}
    config |= {"fingerprint": session.source.fingerprint, "trained_on": ["train", "val"]}
    write_text(folder / CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    write_text(folder / LABELS, "\n".join(source.classes) + "\n")
    loop = trained(job, session, (Rows(folder / "history.csv"),))
    job.serve(loop.engine.serving)  # of the last step: there is nothing to choose an epoch by
    with whole_file(folder / MODEL) as temporary:
        job.serving.save(temporary)
    content = bench.convert(job.serving)
    with whole_file(folder / FILE) as temporary:
        temporary.write_bytes(content)
    return _tested(session, folder, job, content, bench)


def _tested(session, folder, job, content, bench):
    split = session.source.splits["test"]
    pixels = dataset.pixels(split, job.shape)
    right = models.KerasModel(job.serving).predict(pixels).argmax(1) == split.labels
    as_file = models.TFLiteModel(content).predict(pixels).argmax(1) == split.labels
    found = {"right": right.astype(int).tolist(), "tflite_right": as_file.astype(int).tolist()}
    found |= measure.of_file(content) | bench.latency(content) | measure.of_network(job.serving)
    write_json(folder / ANSWERS, found)
    return found


def _row(result, answers, best, uniform):
    mine = [a for a in answers[result["id"]] if FAILED not in a]
    row = {
        "id": result["id"],
        "chosen": best is not None and result["id"] == best["id"],
        "model": result["model"],
        "widths": ",".join(f"{w:g}" for w in result["widths"]),
        "seeds": len(answers[result["id"]]),
        "failed": len(answers[result["id"]]) - len(mine),
    }
    if not mine:
        return row
    row |= {
        "test_images": len(mine[0]["right"]),
        "latency": round(float(np.median([a["latency"] for a in mine])), 4),
        "bytes": mine[0]["bytes"],
        "macs": mine[0]["macs"],
    }
    row |= _share("accuracy", [a["right"] for a in mine])
    row |= _share("tflite_accuracy", [a["tflite_right"] for a in mine])
    return row | _against(row, answers, uniform)


def _share(name, right):
    """Of (seeds, images), with its 95% interval."""
    share, (low, high) = intervals.reached(right)
    return {name: round(share, 5), f"{name}_low": round(low, 5), f"{name}_high": round(high, 5)}


def _against(row, answers, uniform):
    """The difference to the uniform network whose latency is nearest, on the same images.

    Of the seeds with which neither failed.
    """
    pairs = {
        u["id"]: [
            (ours, theirs)
            for ours, theirs in zip(answers[row["id"]], answers[u["id"]], strict=True)
            if FAILED not in ours and FAILED not in theirs
        ]
        for u in uniform
        if u["id"] != row["id"]
    }
    latency = {
        i: np.median([b["latency"] for _, b in found]) for i, found in pairs.items() if found
    }
    if not latency:
        return {}
    nearest = min(latency, key=lambda i: abs(np.log(latency[i] / row["latency"])))
    ours, theirs = (
        np.array([found["tflite_right"] for found in side])
        for side in zip(*pairs[nearest], strict=True)
    )
    difference, (low, high) = intervals.crossed(ours - theirs)
    found = {"difference": difference, "difference_low": low, "difference_high": high}
    found |= {"against_latency": latency[nearest]}
    return {"against": nearest} | {k: round(float(v), 5) for k, v in found.items()}


def _write(path, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
