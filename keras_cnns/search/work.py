"""The loop of a worker: ask the oracle for a candidate, evaluate it, report; until told to stop.

keras-tuner's own environment says who a process is (KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and
_PORT): without it the oracle is in this process; with it this is the chief, which serves the
oracle to others, or one of the workers, on this machine or another that sees the same folder.
"""

import contextlib
import io
import os
import time

import grpc
from keras_tuner.engine import trial as trials
from keras_tuner.engine.base_tuner import BaseTuner

from keras_cnns.search import board, oracles
from keras_cnns.search.oracles.guard import REFUSED as REFUSED_METRIC
from keras_cnns.search.oracles.guard import RUNG
from keras_cnns.search.results import DONE, HALTED, REFUSED, RESULT, UNIFORM
from keras_cnns.training.checkpoint import locked
from pipelines.errors import DamagedFile, EnvironmentFault
from pipelines.files import write_json

Status = trials.TrialStatus
ID, IP, PORT = "KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"
SUPERVISED = "KERAS_CNNS_SUPERVISED"  # how many workers there are, said by `supervise`
IDLE = 0.2  # seconds before an oracle that waits for other trials is asked again
PATIENCE = 120.0  # seconds that a worker waits for a chief that is gone
ALONE = "worker-0"


def names(count):
    """Ids of the workers of a search."""
    return [f"worker-{i}" for i in range(count)]


def whoami():
    """The id of this process in the search."""
    return os.environ.get(ID, ALONE)


def is_chief():
    """Whether this process serves the oracle."""
    return IP in os.environ and "chief" in whoami()


def run(session, evaluate=None, told=None):
    """Do this process's part of a search, to the end.

    Args:
        session: a `session.Session`.
        evaluate: (name, values, at_rung, kind) -> result; default, a `trial.Evaluator`.
        told: called with each result.
    """
    folder = session.folder("oracle")
    os.environ.setdefault(ID, ALONE)
    tuner = Tuner(session, folder)
    if is_chief():
        board.introduce(session)
        tuner.search()
        return
    if IP not in os.environ:
        board.introduce(session)
    if evaluate is None:
        from keras_cnns.search.trial import Evaluator

        evaluate = Evaluator(session)
    tuner.evaluate, tuner.told = evaluate, told or (lambda result: None)
    tuner.train_baseline()
    tuner.search()


class Tuner(BaseTuner):
    """keras-tuner's tuner around our results: a trial with a result is not run again."""

    def __init__(self, session, folder):
        self.session, self.evaluate, self.told = session, None, None
        supervised = os.environ.get(SUPERVISED)
        alone = IP not in os.environ
        tuners = names(int(supervised or 1)) if supervised or alone else None
        oracle = oracles.make(session, tuners)
        oracle._set_project_dir(str(folder.parent), folder.name)
        if os.path.exists(oracle._get_oracle_fname()) and (alone or is_chief()):
            _reload(oracle, folder)
            _refuse_lost(oracle, session.results)
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(oracle, directory=str(folder.parent), project_name=folder.name)
        if not (alone or is_chief()):
            self.oracle = Patient(self.oracle)

    def _get_tuner_fname(self):
        # Our oracles are reloaded above; there is no more to a tuner.
        return os.path.join(self.project_dir, "no-tuner")

    def save(self):
        """Nothing: the oracle saves itself, and results lie in files of their own."""

    def train_baseline(self):
        """Evaluate what is left of the uniform networks; workers share them out by locks."""
        for multiplier in self.session.baseline:
            name, values = self.session.uniform(multiplier)
            folder = self.session.folder(f"trials/{name}")
            with _alone_in(folder) as alone:
                if alone and self.session.results.get(name) is None:
                    self.told(self._evaluated(name, values, None, UNIFORM))

    def search(self):
        """Serve the oracle as the chief; else work until there is nothing left."""
        if is_chief():
            super().search()
            return
        while True:
            trial = self.oracle.create_trial(self.tuner_id)
            if trial.status == Status.STOPPED:
                return
            if trial.status == Status.IDLE:
                time.sleep(IDLE)
                continue
            self._work(trial)

    def _work(self, trial):
        name = trial.trial_id
        self._remember(trial)
        result = self.session.results.get(name)
        if result is None:
            at_rung = self._asker(name)
            result = self._evaluated(name, trial.hyperparameters.values, at_rung, None)
            self.told(result)
        if result["status"] in (DONE, HALTED):
            numbers = {o.name: float(result[o.name]) for o in self.session.objectives}
            self.oracle.update_trial(name, numbers, step=result["epochs_done"])
            trial.status = Status.COMPLETED
        else:
            if result["status"] == REFUSED:
                self.oracle.update_trial(name, {REFUSED_METRIC: 1.0})
            trial.status = Status.FAILED
        self.oracle.end_trial(trial)

    def _evaluated(self, name, values, at_rung, kind):
        words = {} if kind is None else {"kind": kind}
        result = self.evaluate(name, dict(values), at_rung, **words)
        return self.session.results.put(name, result)

    def _asker(self, name):
        def at_rung(epoch, numbers):
            answer = self.oracle.update_trial(name, numbers | {RUNG: 1.0}, step=epoch)
            return answer.status != Status.STOPPED

        return at_rung

    def _remember(self, trial):
        """Say what this worker works at, for whoever finds it dead."""
        path = self.session.folder("workers") / f"{self.tuner_id}.json"
        values = trial.hyperparameters.values
        write_json(path, {"trial": trial.trial_id, "values": values, "pid": os.getpid()})


def _reload(oracle, folder):
    """Take up an oracle's files.

    Raises:
        DamagedFile: a full disk or a power cut spoilt one.
    """
    try:
        oracle.reload()
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DamagedFile(
            f"{folder} holds a damaged file, so that this search cannot go on ({error}); what it "
            "found is kept in trials/: begin another one"
        ) from None


def _refuse_lost(oracle, results):
    """Refuse to go on without results that the oracle was told of.

    Raises:
        DamagedFile: one is gone, or damaged.
    """
    for name in oracle.end_order:
        if results.get(name) is None:
            raise DamagedFile(
                f"{results.place(name) / RESULT} is gone or damaged; put it back, or begin another "
                "search"
            )


@contextlib.contextmanager
def _alone_in(folder):
    """Whether this process holds the lock of a folder, which it then does until the end."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(folder))
        except EnvironmentFault:
            yield False
        else:
            yield True


class Patient:
    """An oracle's client that outlives its chief: calls are repeated until there is a new one.

    Every call may be repeated: the chief gives a worker the trial that it has, and takes a report
    or an end a second time without a change.
    """

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        found = getattr(self._client, name)
        return self._again(found) if callable(found) else found

    @staticmethod
    def _again(call):
        def repeated(*args, **options):
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    return call(*args, **options)
                except grpc.RpcError as error:
                    gone = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
                    if not gone or time.monotonic() > deadline:
                        raise
                    time.sleep(1)

        return repeated
