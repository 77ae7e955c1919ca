"""What `explore` can train, and the knobs of each."""

from dataclasses import dataclass

from pipelines import errors
from pipelines.settings import knob


@dataclass(frozen=True)
class Hypernetwork:
    """Of the network for MNIST, arXiv:1609.09106, section 4.1."""

    epochs: int = knob(5, "passes over the training images", low=1)
    batch_size: int = knob(128, "images in a step", low=1)
    learning_rate: float = knob(3e-3, "step size at first; half a cosine takes it to 0", low=1e-9)
    embedding: int = knob(4, "numbers from which a kernel is generated, the paper's Nz", low=1)
    hidden: int = knob(
        4, "numbers between the two layers of the hypernetwork, the paper's d", low=1
    )
    seed: int = knob(0, "of weights and order", low=0, high=2**31 - 1)


@dataclass(frozen=True)
class NeuralProcess:
    """Of image completion, arXiv:1807.01613, section 4.2, and arXiv:1807.01622, section 4.2."""

    steps: int = knob(8000, "steps of each of the two networks", low=1)
    batch_size: int = knob(16, "images in a step", low=1)
    points: int = knob(128, "pixels of an image in a step, known ones and others", low=2)
    context: int = knob(100, "known pixels at most; each step draws from 1 to this", low=1)
    width: int = knob(128, "neurons of each layer", low=1)
    latent: int = knob(64, "numbers of the latent variable", low=1)
    frequencies: int = knob(4, "sines and cosines of each place; 0 as in the papers", low=0)
    learning_rate: float = knob(3e-3, "step size at first; half a cosine takes it to 0", low=1e-9)
    seed: int = knob(0, "of weights, images, pixels and contexts", low=0, high=2**31 - 1)


@dataclass(frozen=True)
class Kanerva:
    """Of a memory of digits, arXiv:1804.01756."""

    steps: int = knob(2000, "steps for each number of rows", low=1)
    batch_size: int = knob(16, "episodes in a step", low=1)
    episode: int = knob(8, "images written to a memory", low=1)
    rows: int = knob(8, "of the largest memory; an 8th, a 4th and a half are trained too", low=8)
    code: int = knob(50, "numbers in a row", low=1)
    width: int = knob(256, "neurons of the layers between image and code", low=1)
    reads: int = knob(2, "times that a query is read in training", low=1)
    learning_rate: float = knob(3e-3, "step size at first; half a cosine takes it to 0", low=1e-9)
    seed: int = knob(0, "of weights, episodes and noise", low=0, high=2**31 - 1)


# name: (knobs, module of keras_cnns.explore whose `train` it is, what it shows)
SUBJECTS = {
    "hypernetwork": (Hypernetwork, "hypernetwork_training", "a network that writes a kernel"),
    "neural_process": (NeuralProcess, "neural_process_training", "images out of some pixels"),
    "kanerva_machine": (Kanerva, "kanerva_training", "a memory written by Bayes' rule"),
}


def find(name):
    """Return the entry of SUBJECTS of that name.

    Raises:
        UserError: there is none.
    """
    return errors.find(name, SUBJECTS, "nothing to explore is named")
