"""The command line that the three packages share: subcommands, plain tables, exit codes."""

import importlib
import os
import sys
from collections import namedtuple

from pipelines import interrupt
from pipelines.errors import of_disk, of_memory
from pipelines.output import lasting_output

# A subcommand: its line of help, and the module that has its flags(parser) and its
# run(arguments) -> exit status or None for 0. By name, and no argparse, typing or dataclasses up
# here: each import would cost `--help` a good part of its time.
Command = namedtuple("Command", "help module")


def main(package, about, commands, argv=None):
    """Run one subcommand and return the exit status of the process.

    Args:
        package: what follows `python -m`.
        about: one line on the package.
        commands: {name: Command}.
        argv: words of the command line; default, those of the process.
    """
    with lasting_output():
        return _main(package, about, commands, sys.argv[1:] if argv is None else argv)


def _main(package, about, commands, argv):
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: python -m {package} COMMAND ...\n\n{about}\n\ncommands:")
        for name, command in commands.items():
            print(f"  {name:<16}{command.help}")
        print(f"\nflags of a command: python -m {package} COMMAND --help")
        return 0
    name, *rest = argv
    if name not in commands:
        from pipelines.errors import did_you_mean

        near = did_you_mean(name, commands)
        print(f"python -m {package}: no command is named {name!r}; {near}", file=sys.stderr)
        return 2
    return _run(f"python -m {package} {name}", commands[name], rest)


STORED = "pipelines.sources.stored"  # by name: who opens no source must not wait for it


def _run(prog, command, words):
    import signal

    # TensorFlow's start-up lines and its deprecation warnings are not for our users.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    interrupt.heard()  # of an earlier command in this process
    answered.clear()
    if stored := sys.modules.get(STORED):
        stored.ASSEMBLED.clear()
    args = None
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interrupt.stop) for number in numbers}
    try:
        from pipelines.arguments import Parser

        module = importlib.import_module(command.module)
        parser = Parser(prog, description=command.help)
        module.flags(parser)
        args = parser.parse_args(words)
        status = module.run(args) or 0
        interrupt.obey()
        return status
    except BaseException as error:
        if isinstance(error, interrupt.Stopped) or interrupt.received:
            # Native code that was calling Python back may have made another error of it.
            print(f"\n{prog}: stopped", file=sys.stderr)
            return _exit_code(error) or 128 + interrupt.received[0]
        error = of_disk(error) or of_memory(error) or _explained(error)
        status = _exit_code(error)
        if status is None:
            raise
        print(f"{prog}: {_said(error)}", file=sys.stderr)
        if getattr(args, "json", False) and not answered:
            print_json({"error": str(_said(error)), "status": status})
        return status
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit_code(error):
    if isinstance(error, OSError):
        from pipelines.files import ENVIRONMENT, NAMED

        return 4 if error.errno in ENVIRONMENT else 2 if error.errno in NAMED else None
    return getattr(error, "exit_code", None)


def _explained(error):
    """The error, or what it comes of: images that are no longer those that were checked."""
    stored = sys.modules.get(STORED)
    # What decoders raise; a fault of ours is to be seen as such.
    of_data = isinstance(error, OSError | ValueError | SyntaxError | EOFError)
    of_data = of_data or type(error).__module__.startswith("tensorflow")
    return (stored and of_data and stored.changed_since()) or error


def _said(error):
    """One sentence; of a fault of the system's, the file and the reason."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        from pipelines.check.names import display

        return f"{display(error.filename)}: {error.strerror.lower()}"
    return error


def table(header, rows):
    """Print rows of text under a header, numbers to the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    right = [all(_is_number(row[i]) for row in rows) for i in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _is_number(cell):
    return cell in ("", "-") or cell.lstrip("+-").replace(",", "").split(" ")[0][:1].isdigit()


def by(shape):
    """A shape as text: "224 x 224 x 3"."""
    return " x ".join(map(str, shape))


def next_commands(*lines):
    """Print what one would do next."""
    print("\nnext:")
    for line in lines:
        print(f"  {line}")


def again(args, names):
    """The flags of these names as the user gave them, for a shell."""
    from pipelines.check import shell

    given = [(f"--{name.replace('_', '-')}", getattr(args, name, None)) for name in names]
    return [flag if value is True else f"{flag} {shell(str(value))}"
            for flag, value in given if value is not None and value is not False]  # fmt: skip


answered = []  # what this command printed as JSON


def print_json(value):
    """Print one JSON object as the last line, readable where the output takes every letter."""
    import json

    from pipelines.files import finite

    answered.append(value)
    unicode = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    print(json.dumps(finite(value), ensure_ascii=not unicode))


def status(text):
    """Say on a terminal's error output what is being done, in the place of what was said last."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def progress(items, total, label):
    """Yield the items, with a counter on a terminal's error output."""
    shown = sys.stderr.isatty() and total > 200
    for i, item in enumerate(items):
        if shown and i % 50 == 0:
            print(f"\r{label} {i:,} of {total:,}", end="", file=sys.stderr, flush=True)
        yield item
    if shown:
        print(f"\r{label} {total:,} of {total:,}", file=sys.stderr)
