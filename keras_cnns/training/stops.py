"""How a training is stopped from outside: by signals, after the step."""

import os
import signal

CURSOR = b"\x1b[?25h"  # shown again: a bar at work had hidden it


class Stopped(Exception):
    """A training that a signal ended, after saving."""

    def __init__(self, number, sentence):
        super().__init__(f"stopped by {signal.Signals(number).name}; {sentence}")
        self.exit_code = 128 + number


class Signals:
    """Within a `with`: SIGINT and SIGTERM are remembered, and a second one ends at once."""

    def __init__(self):
        self.received = None

    def __enter__(self):
        """Listen."""
        self.before = {s: signal.signal(s, self.receive) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def receive(self, number, _):
        """Remember the first signal, obey the second."""
        if self.received is not None:
            if os.isatty(1):
                os.write(1, CURSOR)
            os._exit(128 + number)
        self.received = number

    def __exit__(self, *_):
        """Listen no more."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
