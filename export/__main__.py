"""python -m export: turn a trained model into verified files for a device."""

import sys

from pipelines import cli
from pipelines.cli import Command

COMMANDS = {
    "bundle": Command("export a model to every format and verify each", "export.commands.bundle"),
    "verify": Command("run every file of a bundle and compare it", "export.commands.verify"),
    "serve": Command("show a bundle's page in a browser", "export.commands.serve"),
}

if __name__ == "__main__":
    sys.exit(cli.main("export", __doc__.split(": ", 1)[1], COMMANDS))
