"""python -m keras_cnns: build, train and look at landmark convolutional networks."""

import sys

from pipelines import cli
from pipelines.cli import Command

COMMANDS = {
    "list": Command("the networks, oldest first", "keras_cnns.commands.list"),
    "show": Command("the layers of a network and what each costs", "keras_cnns.commands.show"),
    "train": Command("train a network on a source of images", "keras_cnns.commands.train"),
    "find-rate": Command("a learning rate to begin with", "keras_cnns.commands.find_rate"),
    "launch": Command("one training by several workers", "keras_cnns.commands.launch"),
    "search": Command("widths under a device's budget", "keras_cnns.commands.search"),
    "evaluate": Command("accuracy of a model, class by class", "keras_cnns.commands.evaluate"),
    "predict": Command("what a model sees in images", "keras_cnns.commands.predict"),
    "ensemble": Command("several runs as one model", "keras_cnns.commands.ensemble"),
    "compare": Command("accuracy against what it costs", "keras_cnns.commands.compare"),
    "experiment": Command("a claim of the lecture, tried out", "keras_cnns.commands.experiment"),
    "import-weights": Command("a model out of a checkpoint", "keras_cnns.commands.weights"),
    "explore": Command("hypernetworks, neural processes, memory", "keras_cnns.commands.explore"),
    "demo": Command("the whole line on embedded digits", "keras_cnns.commands.demo"),
}

if __name__ == "__main__":
    sys.exit(cli.main("keras_cnns", __doc__.split(": ", 1)[1], COMMANDS))
