"""How a network is trained: frozen dataclasses of knobs, and named settings of them.

Adding a recipe: one line in RECIPES, each number with its source.
"""

from dataclasses import dataclass, fields, replace

from pipelines import errors
from pipelines.settings import knob, knobs, resolve
from pipelines.sources.recorded import KNOBS

TINY = 1e-9  # an alpha so small mixes nothing already


@dataclass(frozen=True)
class Optimizer:
    """What moves the weights."""

    name: str = knob(
        "adam", "adam, sgd (with momentum) or rmsprop", choices=("adam", "sgd", "rmsprop")
    )
    learning_rate: float = knob(1e-3, "the highest step size; see schedule", low=1e-12, high=1e30)
    for_batch: int | None = knob(
        None, "batch size that learning_rate is meant for: another batch scales it", low=1
    )
    momentum: float = knob(0.9, "of sgd and rmsprop", low=0, high=1)
    nesterov: bool = knob(False, "whether sgd looks ahead")
    weight_decay: float = knob(0.0, "how strongly weights are pulled to 0", low=0)
    decoupled: bool = knob(True, "decay apart from the gradient; no: as an L2 term of the loss")
    decay_all: bool = knob(True, "decay biases and normalization too")


@dataclass(frozen=True)
class Schedule:
    """The learning rate over a training, as a factor of optimizer.learning_rate."""

    name: str = knob(
        "cosine",
        "constant, cosine (half of one, to `final`), steps (at `milestones`), exponential "
        "(`factor` each `every` epochs) or plateau (`factor` when validation stops improving)",
        choices=("constant", "cosine", "steps", "exponential", "plateau"),
    )
    warmup_epochs: float = knob(0.0, "epochs over which the rate climbs from 0", low=0)
    final: float = knob(0.0, "factor at the end of cosine", low=0, high=1)
    milestones: tuple[float, ...] = knob(
        (0.5, 0.75), "shares of the training after which steps go down", low=0, high=1
    )
    factors: tuple[float, ...] = knob(
        (), "the factor after each milestone; by default powers of `factor`", low=0
    )
    factor: float = knob(0.1, "by which steps, exponential and plateau go down", low=0, high=1)
    every: float = knob(1.0, "epochs between two steps of exponential", low=1e-6)
    patience: int = knob(5, "epochs without a better val_accuracy, of plateau", low=1)

    def check(self):
        """Refuse steps without a factor for each."""
        marks, factors = len(self.milestones), len(self.factors)
        if self.name == "steps" and factors not in (0, marks):
            raise errors.UserError(
                f"schedule.factors are one for each of schedule.milestones, which are {marks}, not "
                f"{factors}; name as many, or leave factors out for powers of schedule.factor"
            )


@dataclass(frozen=True)
class Loss:
    """What is made small."""

    label_smoothing: float = knob(0.0, "share of the label spread over all classes", low=0, high=1)
    class_weight: str = knob(
        "none", "balanced: a rare class counts for more", choices=("none", "balanced")
    )


@dataclass(frozen=True)
class Mix:
    """Batches of mixed images; see `pipelines.mix`."""

    mixup: float = knob(0.0, "alpha of mixup; 0 is off, 0.2 usual", low=0)
    cutmix: float = knob(0.0, "alpha of cutmix; 0 is off, 1 usual", low=0)

    def check(self):
        """Refuse an alpha that no number can be drawn with."""
        if 0 < min(self.mixup or 1, self.cutmix or 1) < TINY:
            raise errors.UserError(f"mix.mixup and mix.cutmix are 0 or at least {TINY:g}")


@dataclass(frozen=True)
class Ema:
    """An exponential moving average of the weights, which is then the model."""

    decay: float = knob(0.0, "share kept a step, such as 0.999; 0 is off", low=0, high=1)
    warmup: bool = knob(True, "at step t keep no more than (1 + t) / (10 + t)")


@dataclass(frozen=True)
class Finetune:
    """The last layer alone first, then all of them."""

    head_epochs: int = knob(0, "epochs in which the last layer alone is trained", low=0)
    factor: float = knob(0.1, "of the learning rate, once all is trained", low=0)
    freeze_norms: bool = knob(False, "leave batch normalization as the weights file has it")


@dataclass(frozen=True)
class Checkpoint:
    """What can be taken up after a stop."""

    every_steps: int | None = knob(
        None, "steps between two; by default as often as costs 4% of the time", low=1
    )
    keep: int = knob(2, "how many are kept", low=2)


@dataclass(frozen=True)
class Devices:
    """What computes."""

    replicas: int | None = knob(
        None, "devices that share each batch: by default all GPUs, or one CPU", low=1
    )
    precision: str = knob(
        "auto",
        "float32, mixed_bfloat16 or mixed_float16; auto: mixed on a GPU that gains from it",
        choices=("auto", "float32", "mixed_bfloat16", "mixed_float16"),
    )
    xla: str = knob(
        "auto", "compile the step; auto: what is faster here", choices=("auto", "on", "off")
    )


@dataclass(frozen=True)
class Board:
    """What TensorBoard is told besides the scalars of each epoch."""

    every_steps: int = knob(100, "steps between two scalars of the step", low=1)
    histograms: int = knob(10, "times in a training that weights are shown", low=0)
    profile: str | None = knob(None, "steps to profile, such as 10-15")


@dataclass(frozen=True)
class Training:
    """A knob here is a flag of `train`, a key=value, and a line of config.yaml."""

    epochs: int = knob(12, "passes over the training images", low=1, high=10**6)
    batch_size: int = knob(64, "images in a step, over all devices", low=1)
    augment: str = knob("none", "a recipe of `python -m pipelines preview`")
    image_size: int | None = knob(
        None, "height and width; by default the network's own", low=1, high=2**16
    )
    seed: int = knob(0, "of weights, order and augmentation", low=0, high=2**31 - 1)
    weights: str | None = knob(None, "a run, a .keras file or a torch checkpoint to begin from")
    widths: tuple[float, ...] | None = knob(None, "multipliers of channels, or a YAML file of them")
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    mix: Mix = Mix()
    ema: Ema = Ema()
    finetune: Finetune = Finetune()
    checkpoint: Checkpoint = Checkpoint()
    devices: Devices = Devices()
    tensorboard: Board = Board()


def _sgd(learning_rate, for_batch, decay, **more):
    """SGD with momentum 0.9 and weight decay as the papers' L2 term."""
    return Optimizer("sgd", learning_rate, for_batch, weight_decay=decay, decoupled=False, **more)


RESNET = _sgd(0.1, 256, 1e-4)  # He et al. 2015, section 3.4
DENSENET = _sgd(0.1, 64, 1e-4, nesterov=True)  # Huang et al. 2016, section 4.2

RECIPES = {
    "plain": Training(),
    # 1,259 small images: augmentation stands in for the missing ones. Found by the seeds in
    # README.md, not by the test images.
    "digits": Training(
        epochs=40, batch_size=32, augment="digits", optimizer=Optimizer(learning_rate=2e-3)
    ),
    "photos": Training(epochs=20, batch_size=32, augment="photos"),
    # LeCun et al. 1998, section III-B: 20 passes, the step 0.0005 for two, 0.0002 for three,
    # 0.0001 for three, 0.00005 for four, then 0.00001, without distortions. One image a step and
    # a diagonal of second derivatives there; a batch of 32 and Adam, which scales each weight's
    # step by its gradients' second moment, here, and so a rate of its own.
    "lenet1998": Training(
        epochs=20,
        batch_size=32,
        optimizer=Optimizer(learning_rate=2e-3),
        schedule=Schedule("steps", milestones=(0.1, 0.25, 0.4, 0.6), factors=(0.4, 0.2, 0.1, 0.02)),
    ),
    # Krizhevsky et al. 2012, sections 4 and 5: batch 128, momentum 0.9, decay 0.0005, rate 0.01
    # divided by 10 when the validation error stopped improving, about 90 passes.
    "alexnet2012": Training(
        epochs=90,
        batch_size=128,
        augment="alexnet",
        optimizer=_sgd(0.01, 128, 5e-4),
        schedule=Schedule("plateau"),
    ),
    # Simonyan and Zisserman 2014, section 3.1: batch 256, momentum 0.9, L2 0.0005, rate 0.01
    # divided by 10 when validation accuracy stopped improving, 74 epochs.
    "vgg2014": Training(
        epochs=74,
        batch_size=256,
        augment="alexnet",
        optimizer=_sgd(0.01, 256, 5e-4),
        schedule=Schedule("plateau"),
    ),
    # Szegedy et al. 2014, section 6: momentum 0.9, the rate down 4% every 8 epochs, Polyak
    # averaging. It states no rate, batch, decay or length: those are of Caffe's bvlc_googlenet
    # solver (rate 0.01, batch 32, decay 0.0002, 2.4 million steps, which is 60 epochs).
    "googlenet2014": Training(
        epochs=60,
        batch_size=32,
        augment="inception",
        optimizer=_sgd(0.01, 32, 2e-4),
        schedule=Schedule("exponential", factor=0.96, every=8),
        ema=Ema(0.9999),
    ),
    # He et al. 2015, section 3.4: batch 256, rate 0.1 divided by 10 when the error plateaus,
    # 600,000 steps, which is 120 epochs of ImageNet.
    "resnet2015": Training(
        epochs=120,
        batch_size=256,
        augment="alexnet",
        optimizer=RESNET,
        schedule=Schedule("plateau"),
    ),
    # Section 4.2: batch 128, rate 0.1 divided by 10 at 32,000 and 48,000 of 64,000 steps, which
    # is 182 epochs of 45,000 images.
    "resnet2015_cifar": Training(
        epochs=182,
        batch_size=128,
        augment="cifar",
        optimizer=replace(RESNET, for_batch=128),
        schedule=Schedule("steps", milestones=(0.5, 0.75)),
    ),
    # Huang et al. 2016, section 4.2: ImageNet, batch 256, 90 epochs, rate 0.1 divided by 10 at
    # epochs 30 and 60.
    "densenet2016": Training(
        epochs=90,
        batch_size=256,
        augment="inception",
        optimizer=replace(DENSENET, for_batch=256),
        schedule=Schedule("steps", milestones=(1 / 3, 2 / 3)),
    ),
    # The same: CIFAR, batch 64, 300 epochs, rate 0.1 divided by 10 at 50% and 75%.
    "densenet2016_cifar": Training(
        epochs=300,
        batch_size=64,
        augment="cifar",
        optimizer=DENSENET,
        schedule=Schedule("steps", milestones=(0.5, 0.75)),
    ),
    # Liu et al. 2022, table 5: AdamW, decay 0.05, cosine, smoothing 0.1, mixup 0.8, cutmix 1,
    # RandAugment, erasing, averages of weights. Their rate, 0.004 for 4,096 images, is for 300
    # epochs; 0.001 for 128, a warm-up of 5 epochs (Goyal et al. 2017, section 2.2) and averages
    # over 1,000 steps suit shorter ones. No decay of biases and norms: He et al. 2018, 3.1.
    "modern": Training(
        epochs=100,
        batch_size=128,
        augment="strong",
        optimizer=Optimizer("adam", 1e-3, 128, weight_decay=0.05, decay_all=False),
        schedule=Schedule("cosine", warmup_epochs=5),
        loss=Loss(label_smoothing=0.1),
        mix=Mix(mixup=0.8, cutmix=1.0),
        ema=Ema(0.999),
    ),
    # Two stages as Howard and Ruder 2018, section 3.3, and frozen statistics as Keras' guide to
    # transfer learning has them: a small data set would spoil what many images have taught.
    "finetune": Training(
        epochs=12,
        batch_size=32,
        augment="photos",
        optimizer=Optimizer("adam", 1e-3, weight_decay=0.01, decay_all=False),
        finetune=Finetune(head_epochs=3, factor=0.1, freeze_norms=True),
    ),
}


# What config.yaml and best.yaml hold besides: the network, its images, and what became of it.
RECORDED = (
    *("model", "data", "data_dir", *KNOBS, "fingerprint", "recipe"),
    *("channels", "pixels", "xla", "weights_sha256", "found", "trained_on"),
)


def find(name):
    """Return the recipe of that name.

    Raises:
        UserError: there is none.
    """
    return errors.find(name, RECIPES, "no recipe is named")


def of_config(config):
    """The `Training` of a run's config.yaml or a best.yaml; what `RECORDED` names is left aside.

    Raises:
        UserError: a key that neither knows, or a setting that is wrong.
    """
    settings = {name: value for name, value in config.items() if name not in RECORDED}
    full = knobs(Training)
    known = {field.name for field in fields(Training)} | full.keys()
    known |= {name.rpartition(".")[2] for name in full} | set(RECORDED)
    for name in settings:
        errors.find(name, dict.fromkeys(known), "no setting of a training is named")
    return resolve(Training(), settings)
