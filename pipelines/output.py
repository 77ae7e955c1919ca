"""Standard output and error that outlast whoever reads them, and take text of any kind."""

import contextlib
import os
import sys


class Lasting:
    """A text stream; once its reader has gone, what is written goes nowhere, without a word."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        """Write text; its length is returned also where nobody reads it."""
        with self._outlasting():
            self._stream.write(text)
        return len(text)

    def flush(self):
        """Hand on what was written."""
        with self._outlasting():
            self._stream.flush()

    @contextlib.contextmanager
    def _outlasting(self):
        try:
            yield
        except BrokenPipeError:
            # Of this stream and no other; what it still holds, and what children and native code
            # write, goes the same way.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def lasting_output():
    """Within it the work decides when it ends and with which status, and not `| head`.

    What the stream's encoding lacks, such as a file name that is no Unicode, is escaped.
    """
    before = sys.stdout, sys.stderr
    errors = _take(sys.stdout, "backslashreplace")
    sys.stdout, sys.stderr = (stream and Lasting(stream) for stream in before)
    try:
        yield
    finally:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        sys.stdout, sys.stderr = before
        _take(sys.stdout, errors)


def _take(stream, errors):
    """Let a stream treat what its encoding lacks in a way; returns the way before, if any."""
    if errors is None or not hasattr(stream, "reconfigure"):
        return None
    before = stream.errors
    stream.reconfigure(errors=errors)
    return before
