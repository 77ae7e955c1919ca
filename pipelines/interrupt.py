"""SIGINT and SIGTERM as an exception, also where native code swallows what its callbacks raise."""

received = []  # numbers of the signals, since the command began


class Stopped(BaseException):
    """Raised where the signal finds us, so that what was half-written is cleared away."""


def stop(number, _):
    """Handle a signal."""
    received.append(number)
    raise Stopped


def obey():
    """Raise once more what somebody swallowed; called before anything is put in its place."""
    if received:
        raise Stopped
