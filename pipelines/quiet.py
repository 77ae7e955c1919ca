"""Silence for C++ libraries that talk on the error output past Python."""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def quiet():
    """Hold back what is written to the error output; show it after all if the work fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
