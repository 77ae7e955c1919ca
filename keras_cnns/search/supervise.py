"""Several workers on one machine, and the chief that serves them, kept alive until all is done.

A worker that dies is started again under its id, under which keras-tuner's chief gives it the trial
that it had; a chief that dies is started again and takes up its files. A trial at which its worker
dies three times is set down as failed. Children end when this process does, however that is: they
read its end of a pipe.
"""

import json
import os
import subprocess
import sys
import threading
import time

from keras_cnns.search.results import FAILED, SEARCHED
from keras_cnns.search.work import ID, IP, PORT, SUPERVISED, names
from keras_cnns.training.launch import free_ports
from pipelines import interrupt
from pipelines.check.children import processors
from pipelines.errors import EnvironmentFault, UserError

CHIEF = "chief"
FATAL = {2, 4, 5}  # exit codes that say that a new start would not help
DEATHS = 3  # at one trial, after which it is set down as failed
LOOK = 0.2  # seconds between two looks at the children
GRACE = 10  # seconds that children have to end


def child_command(session):
    """What a child runs: the public command, with keras-tuner's environment around it."""
    out = str(session.out)
    return [sys.executable, "-m", "keras_cnns", "search", "--resume", "--out", out]


def end_with_parent():
    """In a child: end at once when the process that started it is gone."""

    def wait():
        while os.read(0, 1024):  # not sys.stdin, whose lock would be held at the end of Python
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class Child:
    """A process of the search, with the number of its deaths at one trial."""

    def __init__(self, session, name, command, environment):
        self.session, self.name = session, name
        self.command, self.environment = command, environment
        self.process, self.done = None, False
        self.deaths, self.last = 0, None

    def start(self):
        """Start it; what it says goes into its log."""
        path = self.session.folder("logs") / f"{self.name}.log"
        with open(path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=os.environ | self.environment | {ID: self.name},
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def code(self):
        """Its exit code, None while it runs."""
        return self.process.poll()

    def stop(self):
        """Ask it to end, and make it."""
        if self.code() is None:
            self.process.terminate()
            try:
                self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdin.close()

    def last_words(self):
        """The last line of its log."""
        path = self.session.out / "logs" / f"{self.name}.log"
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def bury(self):
        """Count a death, and set the trial down as failed at the third."""
        path = self.session.out / "workers" / f"{self.name}.json"
        try:
            now = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            now = None
        trial = now and now["trial"]
        self.deaths = self.deaths + 1 if self.deaths == 0 or trial == self.last else 1
        self.last = trial
        if self.deaths < DEATHS:
            return
        if now is None or self.session.results.get(now["trial"]) is not None:
            raise EnvironmentFault(
                f"{self.name} died {self.deaths} times; its last words: {self.last_words()}"
            )
        reason = f"its process died {DEATHS} times ({signal_of(self.code())}); memory may be short"
        result = {"kind": SEARCHED, "values": now["values"], "status": FAILED, "reason": reason}
        self.session.results.put(now["trial"], result | {"seconds": 0.0})
        self.deaths, self.last = 0, None


def signal_of(code):
    """How a process ended, in a word."""
    return interrupt.name_of(-code) if code < 0 else f"status {code}"


def run(session, tick, command=None):
    """Search with `session.search.workers` processes, to the end.

    Args:
        session: a `session.Session`.
        tick: called between looks at the children, to show how far it is.
        command: of a child; default, `child_command`.

    Raises:
        UserError, EnvironmentFault: what a child said, where a new start would not help.
    """
    count = session.search.workers
    command = command or child_command(session)
    [port] = free_ports(1)
    environment = {IP: "127.0.0.1", PORT: str(port), SUPERVISED: str(count)}
    environment |= _threads(count)
    chief = Child(session, CHIEF, command, environment)
    workers = [Child(session, name, command, environment) for name in names(count)]
    session.folder("workers")
    try:
        for child in (chief, *workers):
            child.start()
        _tell_pids(session, [chief, *workers])
        while not all(worker.done for worker in workers):
            time.sleep(LOOK)
            changed = [_look(child) for child in (chief, *workers)]
            if any(changed):
                _tell_pids(session, [chief, *workers])
            tick()
    finally:
        for child in (*workers, chief):
            if child.process is not None:
                child.stop()
    tick()


def _look(child):
    """Start a child that died again; whether it was."""
    code = child.code()
    if child.done or code is None:
        return False
    if code == 0 and child.name != CHIEF:
        child.done = True
        return False
    if code in FATAL:
        kind = EnvironmentFault if code == 4 else UserError
        raise kind(child.last_words().partition(": ")[2] or child.last_words())
    if child.name != CHIEF:
        child.bury()
    print(f"{child.name} died ({signal_of(code)}); started again", file=sys.stderr, flush=True)
    child.process.stdin.close()
    child.start()
    return True


def _tell_pids(session, children):
    pids = {child.name: child.process.pid for child in children}
    (session.out / "workers" / "pids.json").write_text(json.dumps(pids))


def _threads(count):
    """TensorFlow's threads for one of several processes: the cores are shared out."""
    share = str(max(1, processors() // count))
    return {"TF_NUM_INTRAOP_THREADS": share, "OMP_NUM_THREADS": share}
