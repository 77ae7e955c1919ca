"""How long one waits for --help and for the list, beside a bare Python.

Prints medians of interleaved runs, and their ratio to `python -c pass`.
"""

import argparse
import statistics
import subprocess
import sys
import time

from pipelines import cli

COMMANDS = {
    "-c pass": 1,
    "-m keras_cnns --help": 3,
    "-m pipelines --help": 3,
    "-m export --help": 3,
    "-m keras_cnns list": 10,
}


def main():
    """Time every command `--runs` times, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21)
    runs = parser.parse_args().runs
    times = {command: [] for command in COMMANDS}
    for _ in range(runs + 1):  # the first round fills caches
        for command in COMMANDS:
            start = time.perf_counter()
            subprocess.run([sys.executable, *command.split()], check=True, capture_output=True)
            times[command].append(time.perf_counter() - start)
    medians = {command: statistics.median(seen[1:]) for command, seen in times.items()}
    bare = medians["-c pass"]
    cli.table(
        ["python ...", "median", "ratio", "goal"],
        [
            [command, f"{1e3 * median:.1f} ms", f"{median / bare:.2f}", f"{COMMANDS[command]}"]
            for command, median in medians.items()
        ],
    )
    print(f"n = {runs} each, interleaved, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
