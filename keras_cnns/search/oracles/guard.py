"""What every oracle of a search has: its budget, its rungs, and files that a kill cannot spoil.

keras-tuner 1.4 by itself counts refused candidates as trials, stops after three failures, hands a
finished trial out again when its chief was killed at the wrong moment, proposes the same network
twice, writes its files in place, and keeps its lock when a method raises.
"""

import os
import sys
from pathlib import Path

from keras_tuner import Oracle, synchronized
from keras_tuner.engine import trial as trials

from keras_cnns.search import pareto
from keras_cnns.search.objectives import OBJECTIVES
from pipelines.files import write_json

Status = trials.TrialStatus
REFUSED = "refused"  # reported as a metric: the candidate breaks a limit, or was trained before
RUNG = "rung"  # reported as a metric: the others are numbers of a trial in the middle
MOST = 9999  # trials with the refused ones: keras-tuner's ids then have four digits
REFUSALS = 20  # for each trial asked for, after which the limits leave too little
FAILURES = 8  # in a row, after which a search gives up


def gives_up(refused, failed, wanted):
    """Why a search ends before its budget is spent; empty where it goes on.

    Args:
        refused: how many candidates were.
        failed: for each trial, in the order of their ends, whether it failed.
        wanted: how many trials were asked for.
    """
    if refused >= min(REFUSALS * wanted, MOST - wanted):
        return f"{refused} candidates were refused, the limits leave too little"
    if len(failed) >= FAILURES and all(failed[-FAILURES:]):
        return f"the last {FAILURES} trials failed"
    return ""


class Guarded(Oracle):
    """A keras-tuner Oracle with the guards; put it before an Oracle among the parents."""

    def plan(self, objectives, trials, *, rungs=0, tuners=None):
        """Say what the search is after, before the oracle is used or reloaded.

        Args:
            objectives: `objectives.Objective`s, the first of which is keras-tuner's.
            trials: how many to train; refused ones do not count.
            rungs: of the trials that reach a rung, one in so many goes on; 0, all do.
            tuners: ids of the workers of this search; trials of others are handed out anew.
        """
        self.objectives, self.wanted, self.keep = objectives, trials, rungs
        self.tuners = tuners
        self.refused, self.rungs, self._last_ongoing = [], {}, {}
        self.max_trials, self.verbose = MOST, 0
        return self

    # Proposals

    def populate_space(self, trial_id):
        """As the oracle proposes, within the budget, and nothing that was tried before."""
        if len(self.trials) - len(self.refused) >= self.wanted or self.exhausted:
            return {"status": Status.STOPPED, "values": None}
        found = super().populate_space(trial_id)
        if found["status"] == Status.RUNNING and self._duplicate(found["values"]):
            values = self._random_values()
            status = Status.STOPPED if values is None else Status.RUNNING
            found = {"status": status, "values": values}
        return found

    @property
    def exhausted(self):
        """Why the search gives up before its budget is spent; empty while it does not."""
        ended = [i for i in self.end_order if i not in self.refused]
        failed = [self.trials[i].status == Status.FAILED for i in ended]
        return gives_up(len(self.refused), failed, self.wanted)

    # Reports

    @synchronized
    def update_trial(self, trial_id, metrics, step=0):
        """Take a report; the trial that comes back is STOPPED where it is not to go on."""
        trial = self.trials[trial_id]
        if REFUSED in metrics:
            if trial_id not in self.refused:
                self.refused.append(trial_id)
            return trial
        if RUNG in metrics:
            return self._at_rung(trial, dict(metrics), step)
        for name in metrics:
            if not trial.metrics.exists(name):
                direction = OBJECTIVES[name].direction if name in OBJECTIVES else "min"
                trial.metrics.register(name, direction=direction)
        return super().update_trial(trial_id, metrics, step)

    def _at_rung(self, trial, metrics, step):
        """Asynchronous successive halving (Li et al. 2020, arXiv:1810.05934), by domination.

        A trial goes on if less than 1/N of those that reached the rung beat it in everything.
        With one objective that is the paper's rule, the best 1/N go on.
        """
        mine = tuple(v for name, v in sorted(metrics.items()) if name != RUNG)
        others = self.rungs.setdefault(str(step), {})
        others[trial.trial_id] = mine
        beaten = sum(pareto.dominates(tuple(p), mine) for p in others.values())
        goes_on = not self.keep or beaten < max(1, len(others) / self.keep)
        status = Status.RUNNING if goes_on else Status.STOPPED
        return trials.Trial(trial.hyperparameters, trial.trial_id, status)

    @synchronized
    def end_trial(self, trial):
        """End a trial; one that a worker ends a second time stays as it was."""
        if trial.trial_id in self.end_order:
            self.ongoing_trials = {
                k: t for k, t in self.ongoing_trials.items() if t.trial_id != trial.trial_id
            }
            return
        super().end_trial(trial)

    def _check_consecutive_failures(self):
        """Never raise inside of the lock; `exhausted` ends the search."""

    # Files

    def get_state(self):
        """The oracle's state with what the guards know."""
        return super().get_state() | {"refused": self.refused, "rungs": self.rungs}

    def set_state(self, state):
        """Take up a state."""
        super().set_state(state)
        self.refused, self.rungs = state["refused"], state["rungs"]
        self._last_ongoing = dict(state["ongoing_trials"])

    def save(self):
        """Write the state whole."""
        self._write(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial):
        folder = Path(self._get_trial_dir(trial.trial_id))
        self._write(folder / "trial.json", trial.get_state())

    def _write(self, path, state):
        try:
            write_json(path, state)
        except OSError as error:
            if "chief" not in os.environ.get("KERASTUNER_TUNER_ID", ""):
                raise
            # In a thread of the server, inside of keras-tuner's lock: nobody would hear of it.
            print(f"{path}: {error.strerror}", file=sys.stderr, flush=True)
            os._exit(4)

    def reload(self):
        """Take up a search that was killed at any moment."""
        super().reload()
        known = set(self.start_order)
        # A trial whose own file was written and the oracle's not.
        self.start_order += sorted(i for i in self.trials if i not in known)
        done = {Status.COMPLETED, Status.FAILED}
        ended = [i for i in self.end_order if self.trials[i].status in done]
        ended += [i for i in self.start_order if self.trials[i].status in done]
        self.end_order = list(dict.fromkeys(ended))
        left = [i for i in self.start_order if i not in self.end_order]
        self.ongoing_trials = self._ongoing(left)
        taken = {trial.trial_id for trial in self.ongoing_trials.values()}
        for trial_id in left:
            self.trials[trial_id].status = Status.RUNNING
            self._record_values(self.trials[trial_id])
        # keras-tuner takes the last one first.
        self._retry_queue = [i for i in reversed(left) if i not in taken]

    def _ongoing(self, left):
        """{worker: its trial} of the workers that will come back under their id."""
        return {
            tuner: self.trials[i]
            for tuner, i in self._last_ongoing.items()
            if i in left and (self.tuners is None or tuner in self.tuners)
        }
