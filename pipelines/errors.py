"""What a person can mend: one sentence and an exit code, without a traceback.

The command line shows any exception that has an `exit_code` as one sentence, so that packages
need not import this module to speak to the user.
"""


class UserError(Exception):
    """Bad input or usage; nothing was done."""

    exit_code = 2


class CheckFailed(UserError):
    """The work was done, and its result is not good enough."""

    exit_code = 1


class TrainingFailed(UserError):
    """The training itself went bad, such as a loss that is not a number."""

    exit_code = 3


class EnvironmentFault(UserError):
    """Disk, permission or lock."""

    exit_code = 4


class DamagedFile(UserError):
    """A model file that is damaged or unsafe."""

    exit_code = 5


# Of TensorFlow, by their names: whoever raised one has loaded TensorFlow, and we need not.
EXHAUSTED, DENIED = "ResourceExhaustedError", "PermissionDeniedError"


def of_disk(error):
    """An EnvironmentFault in place of an error of a file of TensorFlow's; None of any other."""
    name = type(error).__name__
    is_full = any(words in str(error) for words in ("No space left", "quota exceeded"))
    if name == DENIED or (name == EXHAUSTED and is_full):
        return EnvironmentFault(reason_of(error))
    return None


def of_memory(error):
    """An EnvironmentFault in place of an error that tells of memory; None of any other."""
    if not isinstance(error, MemoryError) and type(error).__name__ != EXHAUSTED:
        return None
    return EnvironmentFault(
        f"there is not enough memory ({reason_of(error)}); try a smaller --batch-size or "
        "--image-size, and --dry-run of `train` to see what a training takes"
    )


def reason_of(error):
    """What an error of TensorFlow's says between the trace of the graph and its advice."""
    import re

    noise = ("File ", "Graph execution", "Detected at", "Stack trace", "The error could", "[[")
    lines = (re.sub(r"{{.*?}} ?", "", line).strip() for line in str(error).splitlines())
    told = [line for line in lines if line and not line.startswith(noise)]
    return told[0][:200] if told else type(error).__name__


def did_you_mean(word, words, before=""):
    """The end of a sentence about an unknown `word`: its near misses among `words`, else all.

    Args:
        before: what stands before each in the sentence, such as the folder that all lie in.
    """
    import difflib  # here: it is slow to import, and most runs know their words

    words = sorted(map(str, words))
    near = difflib.get_close_matches(str(word), words, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(before + name for name in near)}?"
    more = f" and {len(words) - 10} more" if len(words) > 10 else ""
    return f"there are: {', '.join(words[:10])}{more}" if words else "there is none"


def find(name, table, what):
    """The entry of that name in a table.

    Args:
        name: what the user wrote.
        table: {name: entry}.
        what: the beginning of a sentence about a name that is not there.

    Raises:
        UserError: it is not there.
    """
    if name not in table:
        raise UserError(f"{what} {name!r}; {did_you_mean(name, table)}")
    return table[name]
