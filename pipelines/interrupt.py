"""SIGINT and SIGTERM as an exception, also where native code swallows what its callbacks raise."""

received = []  # numbers of the signals that were not obeyed yet


class Stopped(BaseException):
    """Raised where the signal finds us, so that what was half-written is cleared away."""

    def __init__(self, number):
        self.exit_code = 128 + number


def stop(number, _):
    """Handle a signal."""
    received.append(number)
    raise Stopped(number)


def name_of(number):
    """What a signal is called; real-time signals have numbers alone."""
    import signal  # here: `--help` need not wait for it

    known = {one.value: one.name for one in signal.Signals}
    return known.get(number, f"signal {number}")


def obey():
    """Raise once more what somebody swallowed; called before anything is put in its place."""
    if received:
        raise Stopped(received[0])


def heard():
    """Say that we are stopping: what is written from here on is to be written."""
    received.clear()
