"""The experiments. Adding one: an entry of EXPERIMENTS; that it is there has it tested."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines import errors


@dataclass(frozen=True)
class Arm:
    """One of the things that are compared."""

    name: str  # of its runs' folders
    words: str  # a noun, as a sentence takes it
    network: str
    full: str | None = None  # the network at the paper's size, where that is another
    changes: Mapping[str, str] = field(default_factory=dict)  # settings that win over all others


@dataclass(frozen=True)
class Claim:
    """That one arm ends with a higher test accuracy than another."""

    better: str  # names of arms
    worse: str
    source: str
    published: str = ""  # in the source's own numbers


@dataclass(frozen=True)
class Size:
    """How all arms are trained."""

    recipe: str
    seeds: int
    changes: Mapping[str, str]
    data: str | None = None  # None: the user has to name it
    wants: str = ""  # what that should be, in words


@dataclass(frozen=True)
class Experiment:
    """A question, what is compared, and at which sizes."""

    question: str
    arms: tuple[Arm, ...]
    claims: tuple[Claim, ...]
    small: Size
    full: Size
    minutes: float  # measured on one x86-64 core: the small size, all its seeds
    curve: str = "val_accuracy"  # column of history.csv that is drawn beside the accuracies
    differs: tuple[str, ...] = ()  # in what of their specs the networks of the arms differ
    macs_within: float | None = 0.0  # how far their multiply-adds differ, a share; None: they do

    def arm(self, name):
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)


# One process after the other on the same machine: no time is spent on what is fastest there.
ALIKE = {"devices.xla": "off", "tensorboard.histograms": "0"}
CIFAR = "CIFAR-10, as --data folder:PATH"


def digits(epochs, **changes):
    """The embedded digits, which 2 cores learn in seconds."""
    return Size("digits", 3, ALIKE | {"epochs": str(epochs)} | changes, data="digits")


def cifar(seeds=5, **changes):
    """CIFAR-10 as He et al. 2015, section 4.2; five runs, as their 2016 paper's medians."""
    return Size("resnet2015_cifar", seeds, changes, wants=CIFAR)


RESNET, IDENTITY = "He et al. 2015", "He et al. 2016"
FLAVOURS = {
    "original": "ReLU after the sum",
    "bn_after_addition": "normalization after the sum",
    "relu_before_addition": "ReLU before the sum",
    "relu_only_pre_activation": "ReLU first",
    "full_pre_activation": "normalization and ReLU first",
}


def flavour_claim(better, worse, numbers):
    """A pair of rows of table 2 of the 2016 paper; error of ResNet-110 on CIFAR-10."""
    return Claim(better, worse, f"{IDENTITY}, table 2", f"error {numbers}, ResNet-110, CIFAR-10")


EXPERIMENTS = {
    # Ioffe and Szegedy 2015; the network, rate, batch and epochs are those of d2l.ai, 8.5.
    "batch-norm": Experiment(
        "Does batch normalization help?",
        (
            Arm("without", "plain LeNet", "lenet_d2l"),
            Arm("with", "batch-normalized LeNet", "lenet_d2l_bn"),
        ),
        (Claim("with", "without", "Ioffe and Szegedy 2015"),),
        digits(10, augment="none", **{"optimizer.name": "sgd", "momentum": "0",
               "learning_rate": "0.1", "schedule.name": "constant"}),
        Size("plain", 3, ALIKE | {"epochs": "10", "batch_size": "128", "optimizer.name": "sgd",
             "momentum": "0", "learning_rate": "0.1", "schedule.name": "constant"},
             wants="Fashion-MNIST, as --data folder:PATH or tfds:fashion_mnist"),
        minutes=0.4,
        differs=("batch_norm",),
    ),
    # The two differ in the shortcuts alone, which have no weights.
    "residual": Experiment(
        "Do residual connections help?",
        (
            Arm("plain", "32 plain layers", "plain32_cifar"),
            Arm("residual", "32 residual layers", "resnet32_cifar"),
        ),
        (Claim("residual", "plain", f"{RESNET}, table 2",
               "top-1 error 25.03 against 28.54, 34 layers, ImageNet"),),
        digits(10, image_size="16", widths="0.5 0.5 0.5"),
        cifar(),
        minutes=1.7,
        differs=("plain",),
    ),
    "depth": Experiment(
        "Does adding layers improve accuracy?",
        (
            Arm("plain20", "20 plain layers", "plain20_cifar"),
            Arm("plain56", "56 plain layers", "plain56_cifar"),
            Arm("residual20", "20 residual layers", "resnet20_cifar"),
            Arm("residual56", "56 residual layers", "resnet56_cifar"),
        ),
        (
            Claim("plain20", "plain56", f"{RESNET}, figure 6 (left)"),
            Claim("residual56", "residual20", f"{RESNET}, table 6",
                  "error 6.97 against 8.75, CIFAR-10"),
        ),
        digits(10, image_size="16", widths="0.5 0.5 0.5"),
        cifar(),
        minutes=6.1,
        curve="loss",
        differs=("depths", "plain"),
        macs_within=None,
    ),
    "flavours": Experiment(
        "Where in a residual block do normalization and ReLU belong?",
        tuple(
            Arm(name, words, f"resnet20_cifar+flavour={name}", full=f"resnet110_cifar_{name}")
            for name, words in FLAVOURS.items()
        ),
        (
            flavour_claim("full_pre_activation", "original", "6.37 against 6.61"),
            flavour_claim("original", "relu_only_pre_activation", "6.61 against 6.71"),
            flavour_claim("original", "relu_before_addition", "6.61 against 7.84"),
            flavour_claim("original", "bn_after_addition", "6.61 against 8.17"),
        ),
        digits(10, image_size="16", widths="0.5 0.5 0.5"),
        # Section 4, implementation details: 0.01 for the first 400 steps, about an epoch; here
        # the rate climbs to 0.1 over it.
        cifar(**{"schedule.warmup_epochs": "1"}),
        minutes=4.2,
        differs=("flavour",),
    ),
    "kernels": Experiment(
        "What is the best use of so many multiply-adds: 3x3, 5x5, or Inception blocks?",
        (
            Arm("3x3", "3x3 convolutions", "googlenet_3x3_small"),
            Arm("5x5", "5x5 convolutions", "googlenet_5x5_small"),
            Arm("inception", "Inception blocks", "googlenet_bn_small"),
        ),
        (
            Claim("inception", "3x3", "the lecture after Szegedy et al. 2014"),
            Claim("3x3", "5x5", "the lecture after Simonyan and Zisserman 2014"),
        ),
        digits(10, image_size="16", widths="0.25 0.25 0.25 0.25"),
        cifar(),
        minutes=4.1,
        differs=("blocks",),
        macs_within=0.02,
    ),
    "augmentation": Experiment(
        "Does augmentation help?",
        (
            Arm("off", "images as they are", "resnet20_cifar", changes={"augment": "none"}),
            Arm("on", "augmented images", "resnet20_cifar"),  # that of the recipe
        ),
        (Claim("on", "off", "Huang et al. 2016 (DenseNet), table 2",
               "error 6.41 against 13.63, ResNet-110, CIFAR-10"),),
        digits(30, image_size="16", widths="0.5 0.5 0.5"),
        cifar(),
        minutes=3.4,
    ),
}  # fmt: skip


def find(name):
    """Return the experiment of that name.

    Raises:
        UserError: there is none.
    """
    return errors.find(name, EXPERIMENTS, "no experiment is named")
