"""Work on files in child processes: a crash or a hang there names the file and harms nobody.

A worker answers in order; so the one item that it owes when it dies is the one that killed it.
The file's name and the cause come back as an answer like any other.
"""

import atexit
import contextlib
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from pipelines import interrupt
from pipelines.check.nursery import receive, send
from pipelines.errors import EnvironmentFault

SECONDS = 60  # for one file; then it is taken for one that never ends
AT_ONCE = 0.5  # seconds that the nursery has to end; whoever pressed Ctrl-C waits
AHEAD = 8  # items that a worker is given before it has answered
ROOT = Path(__file__).parents[2]


class Died:
    """The answer for an item that killed its worker."""

    def __init__(self, status):
        self.endless = status == -signal.SIGALRM
        self.why = interrupt.name_of(-status) if status < 0 else f"status {status}"


class Children:
    """Workers that apply one function, "module:function", to items of plain data.

    Args:
        target: the function, importable in a child; it takes the parts of an item and returns
            plain data.
        count: workers; default, one for each processor that this process may use.
    """

    def __init__(self, target, count=None):
        self.target, self.count = target, count or processors()
        self.lock = threading.Lock()
        self.nursery = self.control = None
        self.has_tensorflow = False

    def map(self, items, *, seconds=SECONDS, tensorflow=False):
        """Yield (index, answer or Died) of all items, in the order in which they are done.

        Whoever stops early, by an exception too, leaves no child behind.
        """
        items = list(items)
        if not items:
            return
        self._start(tensorflow)
        waiting, done = queue.SimpleQueue(), queue.SimpleQueue()
        for numbered in enumerate(items):
            waiting.put(numbered)
        stop = threading.Event()
        for _ in range(min(self.count, len(items))):
            task = (waiting, done, stop, seconds)
            threading.Thread(target=self._feed, args=task, daemon=True).start()
        try:
            for _ in items:
                found = done.get()
                if isinstance(found, Exception):
                    raise found
                yield found
        except BaseException:
            self.close()
            raise
        finally:
            stop.set()

    def _start(self, tensorflow):
        if self.nursery is None or select.select([self.control], [], [], 0)[0]:  # it has ended
            self.close()
            self.control, theirs = socket.socketpair()
            self.has_tensorflow = False
            # A session of its own: Ctrl-C is for the parent, who ends the children himself.
            self.nursery = subprocess.Popen(
                [sys.executable, "-m", "pipelines.check.nursery", self.target],
                stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=_environment(), start_new_session=True,
            )  # fmt: skip
            theirs.close()
        if tensorflow and not self.has_tensorflow:
            with _ended_from_outside():
                self.control.send(b"t")
            self.has_tensorflow = True

    def _feed(self, waiting, done, stop, seconds):
        """Keep one worker busy; take a new one where it dies."""
        try:
            owed = []
            while not stop.is_set():
                with _ended_from_outside(), self._worker() as connection:
                    owed = self._talk(connection, owed, waiting, done, stop, seconds)
                if owed is None:
                    return
        except Exception as error:
            done.put(error)

    @contextlib.contextmanager
    def _worker(self):
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, self.lock:
                socket.send_fds(self.control, [b"w"], [theirs.fileno()])
            yield ours

    def _talk(self, connection, owed, waiting, done, stop, seconds):
        """Hand out items until there are none (None), or the worker dies (what it still owed)."""
        with connection.makefile("rb") as stream:
            for _, item in owed:
                _hand(connection, item, seconds)
            while not stop.is_set():
                while len(owed) < AHEAD:
                    try:
                        owed.append(waiting.get_nowait())
                    except queue.Empty:
                        break
                    _hand(connection, owed[-1][1], seconds)
                if not owed:
                    return None
                answer = receive(stream)
                if answer is None:
                    if stop.is_set():
                        return None
                    raise ConnectionResetError
                if "failed" in answer:
                    raise RuntimeError(f"{self.target} of {owed[0][1]}: {answer['failed']}")
                index = owed.pop(0)[0]
                if "died" in answer:
                    done.put((index, Died(answer["died"])))
                    return owed
                done.put((index, answer["answer"]))
        return None

    def close(self):
        """End all children at once."""
        if self.control is not None:
            self.control.close()  # upon which the nursery kills its workers and ends
            self.control = None
        if self.nursery is not None:
            try:
                self.nursery.wait(AT_ONCE)
            except subprocess.TimeoutExpired:  # it imports TensorFlow, and has no workers yet
                os.killpg(self.nursery.pid, signal.SIGKILL)
                self.nursery.wait()
            self.nursery = None


@contextlib.contextmanager
def _ended_from_outside():
    """A broken connection to the nursery or to a worker, in words."""
    try:
        yield
    except ConnectionError:
        raise EnvironmentFault("the processes that check images were ended from outside") from None


def _hand(connection, item, seconds):
    with contextlib.suppress(OSError):  # the worker has died; the nursery's word on it comes
        send(connection, {"item": item, "seconds": seconds})


def processors():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _environment():
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {
        "PYTHONPATH": path,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",  # the accelerator is for the training
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


_shared = {}


def shared(target):
    """The children of this process for a function, kept for the next call until it exits."""
    if target not in _shared:
        _shared[target] = Children(target)
        atexit.register(_shared[target].close)
    return _shared[target]
