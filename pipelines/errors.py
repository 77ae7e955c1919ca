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
