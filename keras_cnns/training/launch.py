"""Start and supervise the workers of one training on this machine.

On a cluster no launcher is needed: each machine runs the same `train` command, with TF_CONFIG in
its environment as TensorFlow describes it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from shlex import quote

from pipelines import interrupt

GRACE = 20.0  # seconds from SIGTERM to SIGKILL: TensorFlow may swallow the first
GONE = 15.0  # seconds that the others have, once a worker is gone, to end by themselves


def launch(workers, arguments):
    """Run a training in several processes that share every batch.

    Args:
        workers: how many.
        arguments: of Python, such as ["-m", "keras_cnns", "train", ...].

    Returns:
        The exit status: the first that is not 0; 128 + number where a signal ended it.
    """
    supervisor = Supervisor(workers, arguments)
    before = {s: signal.signal(s, supervisor.stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        return supervisor.watch()
    finally:
        supervisor.kill()
        for number, handler in before.items():
            signal.signal(number, handler)


class Supervisor:
    """The workers and what became of them."""

    def __init__(self, workers, arguments):
        addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
        self.stopped_by = self.deadline = None
        out = arguments[arguments.index("--out") + 1] if "--out" in arguments[:-1] else "RUN"
        self._again = f"launch --workers {workers} -- train --resume --out {quote(out)}"
        # The chief speaks for all; the others would repeat it, and are heard when they end first.
        self._words = [None] + [tempfile.TemporaryFile() for _ in range(workers - 1)]  # noqa: SIM115
        self.processes = [self._start(i, addresses, arguments) for i in range(workers)]

    def _start(self, index, addresses, arguments):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        return subprocess.Popen(
            [sys.executable, *arguments],
            env=os.environ | {"TF_CONFIG": json.dumps(task)},
            stdout=None if index == 0 else subprocess.DEVNULL,
            stderr=self._words[index],
            start_new_session=True,  # Ctrl-C reaches us alone, and each worker through us
        )

    def stop(self, number, _):
        """Pass a signal on; a second one ends at once."""
        if self.stopped_by is not None:
            self.kill()
        self.stopped_by = number
        self._signal(signal.SIGTERM, GRACE)

    def _signal(self, number, grace):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(number)
        self.deadline = time.monotonic() + grace

    def kill(self):
        """End every worker that is left."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    def watch(self):
        """Wait for the end; a worker that is gone, or a signal, ends the others in time."""
        told = False
        while any(process.poll() is None for process in self.processes):
            time.sleep(0.1)
            gone = [i for i, p in enumerate(self.processes) if p.poll() not in (None, 0)]
            if gone and not told and self.stopped_by is None:
                told = True
                self._tell(gone[0])
                self.deadline = time.monotonic() + GONE
            if self.deadline and time.monotonic() > self.deadline:
                self.kill()
        if self.stopped_by is not None:
            return 128 + self.stopped_by
        return self._status()

    def _tell(self, index):
        code = self.processes[index].returncode
        if code < 0:
            how = f"was ended by {interrupt.name_of(-code)}"
        elif index > 0:
            how = f"ended first: {self._last_word(index)}"
        else:
            return  # it has told itself
        sentence = f"worker {index} {how}; the others stop too; to go on: {self._again}"
        print(f"python -m keras_cnns launch: {sentence}", file=sys.stderr, flush=True)

    def _last_word(self, index):
        words = self._words[index]
        words.seek(0)
        lines = [
            line for line in words.read().decode(errors="replace").splitlines() if line.strip()
        ]
        return lines[-1].strip() if lines else "it said nothing"

    def _status(self):
        codes = [process.returncode for process in self.processes]
        if any(code < 0 for code in codes):
            return 4  # a worker that died: the environment's fault, to be resumed
        return codes[0] or max(codes)


def free_ports(count):
    """Ports of this machine that nobody listens to at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
