"""python -m pipelines: look at images before training on them."""

import sys

from pipelines import cli
from pipelines.cli import Command

COMMANDS = {
    "check": Command("decode every image of a source and count them", "pipelines.commands.check"),
    "pack": Command("write a source as a sharded TFDS data set", "pipelines.commands.pack"),
    "preview": Command("draw a contact sheet of augmented images", "pipelines.commands.preview"),
    "bench": Command("measure what input costs, beside others", "pipelines.commands.bench"),
}

if __name__ == "__main__":
    sys.exit(cli.main("pipelines", __doc__.split(": ", 1)[1], COMMANDS))
