"""python -m keras_cnns: build, train and look at landmark convolutional networks."""

import sys

from keras_cnns.commands import demo, evaluate, look, predict, train, weights
from pipelines import cli
from pipelines.cli import Command

COMMANDS = {
    "list": Command("the networks, oldest first", look.list_flags, look.list_networks),
    "show": Command("the layers of a network and what each costs", look.show_flags, look.show),
    "train": Command("train a network on a source of images", train.flags, train.run),
    "evaluate": Command("accuracy of a model, class by class", evaluate.flags, evaluate.run),
    "predict": Command("what a model sees in images", predict.flags, predict.run),
    "import-weights": Command("a model out of a torch checkpoint", weights.flags, weights.run),
    "demo": Command("the whole line on embedded digits, in two minutes", demo.flags, demo.run),
}

if __name__ == "__main__":
    sys.exit(cli.main("keras_cnns", __doc__.split(": ", 1)[1], COMMANDS))
