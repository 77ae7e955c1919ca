"""python -m export: turn a trained model into verified files for a device."""

import sys

from pipelines import cli
from pipelines.cli import Command

COMMANDS = {
    "bundle": Command("export a model to every format and verify each", "export.commands.bundle"),
    "choose": Command("the smallest or fastest format in a budget", "export.commands.choose"),
    "verify": Command("run every file of a bundle and compare it", "export.commands.verify"),
    "bench": Command("latency, memory and size of .tflite files", "export.commands.bench"),
    "serve": Command("show a bundle's page in a browser", "export.commands.serve"),
}

if __name__ == "__main__":
    sys.exit(cli.main("export", __doc__.split(": ", 1)[1], COMMANDS))
