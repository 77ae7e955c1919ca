"""The process that forks the workers of `children`; its argument is MODULE:FUNCTION.

It imports once what the workers need, TensorFlow if they are to have it, and so replaces one that
crashed within milliseconds. It lives until its control socket, standard input, is closed.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys

WAIT = 0.02  # seconds between looks for workers that died
IDLE = 60  # seconds without work after which it ends
LENGTH = struct.Struct(">I")


def send(connection, value):
    """Send plain data as one message."""
    data = json.dumps(value).encode()
    connection.sendall(LENGTH.pack(len(data)) + data)


def receive(stream):
    """The next message of a stream, None at its end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    return json.loads(data) if len(data) == length else None


def main(target):
    """Fork a worker for every socket that comes in, and say how each ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    module, function = target.split(":")
    work = getattr(importlib.import_module(module), function)
    control = socket.socket(fileno=os.dup(0))
    workers = {}  # pid: our copy of the worker's socket
    try:
        _serve(control, work, workers)
    finally:
        control.close()  # first, so that nobody asks for a worker any more
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        for pid in workers:
            os.waitpid(pid, 0)
        os._exit(0)  # TensorFlow takes its time to leave in order


def _serve(control, work, workers):
    while True:
        ready, _, _ = select.select([control], [], [], WAIT if workers else IDLE)
        if ready:
            command, sockets, _, _ = socket.recv_fds(control, 1, 1)
            if not command:
                return
            if command == b"t":
                import tensorflow  # noqa: F401  (before the fork, for all workers at once)

                continue
            worker = socket.socket(fileno=sockets[0])
            pid = os.fork()
            if not pid:
                control.close()
                for other in workers.values():
                    other.close()
                try:
                    _work(worker, work)
                finally:
                    os._exit(1)  # never into the code of the parent that it is a copy of
            workers[pid] = worker
        elif not workers:
            return
        _bury(workers)


def _bury(workers):
    for pid in list(workers):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            # Perhaps nobody waits for it any more.
            with workers.pop(pid) as worker, contextlib.suppress(OSError):
                send(worker, {"died": os.waitstatus_to_exitcode(status)})


def _work(connection, work):
    """Answer requests until there are no more, then leave without a word."""
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    os.dup2(0, 2)  # decoders talk there, without the name of the file
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which kills also inside C code
    stream = connection.makefile("rb")
    while (request := receive(stream)) is not None:
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        try:
            answer = work(*request["item"])
        except Exception as error:
            send(connection, {"failed": f"{type(error).__name__}: {error}"})
            os._exit(1)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(connection, {"answer": answer})
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
