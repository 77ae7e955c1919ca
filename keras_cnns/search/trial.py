"""One candidate from its choices to its result: refused, or trained, converted and measured."""

import gc
import hashlib
import json
import time
import traceback
from contextlib import contextmanager
from dataclasses import replace

import keras
import numpy as np
import yaml

from export import models
from export.trained import CONFIG, LABELS, MODEL
from keras_cnns import registry
from keras_cnns.search import board, measure, objectives
from keras_cnns.search.results import DONE, FAILED, HALTED, REFUSED, SEARCHED
from keras_cnns.training import stops
from keras_cnns.training.history import Rows
from keras_cnns.training.job import Job
from keras_cnns.training.loop import Interrupted, Loop
from pipelines import dataset
from pipelines.errors import EnvironmentFault, UserError, of_disk
from pipelines.files import ENVIRONMENT, whole_file, write_text
from pipelines.settings import plain

FILE = f"model_{measure.FORMAT}.tflite"


class Halted(Exception):
    """A trial that its rung let go no further."""


class Refused(Exception):
    """A candidate that is not trained."""

    def __init__(self, limit, reason, found=None):
        super().__init__(reason)
        self.limit, self.found = limit, found or {}  # the number that broke the limit


class Evaluator:
    """Makes results out of choices; what trials share is made once.

    Args:
        session: a `session.Session`.
    """

    def __init__(self, session):
        self.session = session
        self.bench = measure.Bench(session)

    def __call__(self, name, values, at_rung=None, kind=SEARCHED):
        """Evaluate a candidate, and write what it left into the folder of the trial.

        Args:
            name: of the trial.
            values: {dimension: choice}.
            at_rung: (epoch, {number: value}) -> whether to go on; None, trained to the end.
            kind: SEARCHED or UNIFORM.

        Returns:
            Its result, as plain data; `status` says what became of it.

        Raises:
            Stopped: by a signal.
            EnvironmentFault, OSError: the disk is full, or cannot be written.
        """
        begun = time.monotonic()
        result = {"kind": kind, "values": values}
        try:
            result |= self._evaluate(name, values, at_rung, result)
        except Refused as refused:
            result |= {"status": REFUSED, "limit": refused.limit, "reason": str(refused)}
            result |= refused.found
        except registry.BuildError as error:
            result |= {"status": REFUSED, "limit": "not buildable", "reason": str(error)}
        except (EnvironmentFault, stops.Stopped):
            raise
        except Exception as error:
            if getattr(error, "errno", None) in ENVIRONMENT:  # a full disk is no trial's fault
                raise
            if fault := of_disk(error):
                raise fault from error
            result |= {"status": FAILED, "reason": _sentence(error)}
            if not isinstance(error, UserError):
                folder = self.session.folder(f"trials/{name}")
                write_text(folder / "error.txt", traceback.format_exc())
        finally:
            keras.utils.clear_session(free_memory=False)
            gc.collect()
        return result | {"seconds": round(time.monotonic() - begun, 3)}

    def _evaluate(self, name, values, at_rung, result):
        session = self.session
        candidate = session.space.candidate(values)
        training, past = self._continued(values, candidate.training)
        result |= {"model": candidate.model, "widths": list(candidate.training.widths)}
        result |= {"epochs": training.epochs}
        job = Job(candidate.model, session.source, training)
        result |= {"image_size": job.shape[0], "channels": job.shape[2]}
        result |= {"classes": len(session.source.classes)} | measure.of_network(job.serving)
        if past:
            result["continues"] = past
        result["mark"] = _mark(job, candidate, past)
        if result["kind"] == SEARCHED:
            self._refuse(job, result)
            if twin := self._twin(name, result):
                return twin
        folder = session.folder(f"trials/{name}")
        self._describe(folder, candidate, job)
        return result | self._train(folder, name, job, at_rung, result)

    def _continued(self, values, training):
        """The settings of a trial of Hyperband, which goes on from the model of an earlier one."""
        if "tuner/epochs" not in values:
            return training, None
        past = values.get("tuner/trial_id")
        epochs = int(values["tuner/epochs"]) - int(values["tuner/initial_epoch"])
        weights = str(self.session.results.place(past) / MODEL) if past else None
        return replace(training, epochs=max(1, epochs), weights=weights), past

    def _twin(self, name, result):
        """The result of the baseline where it trained the same network; None where none did.

        Raises:
            Refused: a candidate did. The oracle has its numbers already.
        """
        twin = self.session.results.twin(result["mark"], name)
        if twin is None:
            return None
        if twin["kind"] == SEARCHED:
            raise Refused("the same network", f"it is the network of trial {twin['id']} again")
        numbers = {k: v for k, v in twin.items() if k not in ("id", "kind", "values", "ended")}
        return numbers | {"reason": f"the network of {twin['id']}", "training_seconds": 0.0}

    def _refuse(self, job, numbers):
        """Raise Refused for a candidate that breaks a limit."""
        search = self.session.search
        self._judge(numbers)
        if search.max_bytes is None and search.max_latency_ratio is None:
            return
        with measure.as_if_trained(job.serving):
            content = self.bench.convert(job.serving)
        self._judge(measure.of_file(content))
        if search.max_latency_ratio is not None:
            self._judge(self.bench.latency(content))

    def _judge(self, numbers):
        if found := objectives.broken(self.session.search, numbers):
            limit, reason = found
            key = objectives.LIMITS[limit]
            raise Refused(limit, reason, {key: numbers[key]})

    def _describe(self, folder, candidate, job):
        """Make the folder a run, so that `evaluate` and `export` take it."""
        config = {"model": candidate.model} | self.session.opened | plain(candidate.training)
        config |= {"image_size": job.shape[0], "channels": job.shape[2]}
        config |= {"fingerprint": job.source.fingerprint}
        write_text(folder / CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        write_text(folder / LABELS, "\n".join(job.source.classes) + "\n")

    def _train(self, folder, name, job, at_rung, result):
        session, begun = self.session, time.monotonic()
        rung = Rung(session, at_rung, result)
        status, reason = DONE, None
        with board.Trial(session, name, result["values"]) as events:
            try:
                loop = trained(job, session, (Rows(folder / "history.csv"), events, rung))
            except Halted as halted:
                loop, status, reason = rung.loop, HALTED, str(halted)
            rows, best = loop.progress.rows, loop.progress.best_epoch
            found = {
                "status": status, "reason": reason, "epochs_done": len(rows), "best_epoch": best,
                "accuracy": rows[best - 1]["val_accuracy"],
                "val_images": len(session.source.splits["val"]),
                "training_seconds": round(time.monotonic() - begun, 3),
            }  # fmt: skip
            job.serve(loop.best)
            with whole_file(folder / MODEL) as temporary:
                job.serving.save(temporary)
            found |= self._measure(folder, job.serving)
            # Those of the trained file count; they may lie over a limit that the drawn one kept.
            over = objectives.broken(session.search, found)
            if over and status == DONE and result["kind"] == SEARCHED:
                found |= {"status": HALTED, "reason": f"once trained, {over[1]}"}
            events.ended(result | found)
        return found

    def _measure(self, folder, model):
        content = self.bench.convert(model)
        with whole_file(folder / FILE) as temporary:
            temporary.write_bytes(content)
        found = measure.of_file(content) | self.bench.latency(content)
        if any(o.name == "tflite_accuracy" for o in self.session.objectives):
            right = self._right(content)
            found |= {"tflite_accuracy": float(right.mean()), "tflite_images": len(right)}
        return found

    def _right(self, content):
        """Where the file answers the validation images as they are labelled."""
        split = self.session.source.splits["val"]
        some = dataset.stratified(split, self.session.search.val_images)
        part, model = dataset.subset(split, np.sort(some)), models.TFLiteModel(content)
        answers = model.predict(dataset.pixels(part, model.input_shape)).argmax(1)
        return answers == part.labels


def trained(job, session, watchers):
    """Train a Job to its end, without checkpoints.

    Returns:
        The `Loop` that did.

    Raises:
        Stopped: by a signal.
        TrainingFailed: a loss became NaN or infinite, or that of a step absurd.
    """
    with stops.Signals() as signals:
        loop = Loop(
            job, xla=job.settings.devices.xla == "on", checkpoints=None, identity={},
            signals=signals, watchers=watchers,
        )  # fmt: skip
        with _closing(watchers):
            try:
                loop.run()
            except Interrupted:
                raise stops.Stopped(
                    signals.received or 15, f"this trial is lost; to go on: {session.resume}"
                ) from None
    return loop


@contextmanager
def _closing(watchers):
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.close()


class Rung:
    """Watches a `Loop`, and asks at each rung whether the trial is to go on."""

    def __init__(self, session, at_rung, numbers):
        self.ask, self.numbers, self.loop = at_rung, numbers, None
        self.epochs = set()
        keep = session.search.rungs
        if at_rung and keep > 1:
            self.epochs = set(rungs(numbers["epochs"], keep))
        self.names = [o.stands_for for o in session.objectives if o.stands_for]

    def began(self, loop):
        """Remember whom it watches."""
        self.loop = loop

    def stepped(self, loop, stats):
        """Nothing: rungs stand at the ends of epochs."""

    def epoch_ended(self, loop, row):
        """Ask, and raise Halted if the answer is no."""
        if row["epoch"] not in self.epochs:
            return
        best = loop.progress.rows[loop.progress.best_epoch - 1]
        known = {name: self.numbers[name] for name in self.names}
        if not self.ask(row["epoch"], {"error": 1 - best["val_accuracy"]} | known):
            raise Halted(f"the rung at epoch {row['epoch']} of {self.numbers['epochs']}")

    def close(self):
        """Nothing is left open."""


def rungs(epochs, keep):
    """The epochs at which trials are compared: epochs / keep, / keep^2, ..., none below 1."""
    found, epoch = [], epochs // keep
    while epoch >= 1:
        found.append(epoch)
        epoch //= keep
    return found[::-1]


def _mark(job, candidate, past):
    """What two trials share that would train the same network in the same way."""
    shapes = [[weight.path, list(weight.shape)] for weight in job.serving.weights]
    settings = plain(replace(candidate.training, widths=None))
    text = json.dumps([candidate.model, shapes, settings, job.settings.epochs, past], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sentence(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"[:500]
