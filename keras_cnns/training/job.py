"""What a training works with, built from a network's name, a source and settings."""

from dataclasses import dataclass

import keras
import tensorflow as tf

from keras_cnns import registry, weights
from keras_cnns.training import devices, losses, norms, optimization
from keras_cnns.training.engine import Engine
from keras_cnns.training.initial import Initial
from pipelines import dataset
from pipelines import recipes as augmentations
from pipelines.errors import UserError
from pipelines.mix import Mix


@dataclass(frozen=True)
class Phase:
    """Steps with one optimizer over one set of weights."""

    first: int
    end: int  # after its last step
    head_only: bool
    factor: float  # of the learning rate


class Job:
    """A network, its data and its devices; what changes during a training is in `Engine`s.

    Args:
        name: a registered network.
        source: a `pipelines.sources.Source`.
        settings: a `recipes.Training`.
        pixels: (scale, offset) of the normalization; default, that of the initial weights or of
            the network.
        fill: whether to read the initial weights; a checkpoint brings its own.

    Raises:
        BuildError: the network cannot be built for these images.
        UserError: a setting does not fit.
    """

    def __init__(self, name, source, settings, *, pixels=None, fill=True):
        self.name, self.source, self.settings = name, source, settings
        self.variant = registry.find(name)
        self.augmentation = augmentations.find(settings.augment)
        devices.split_cpu(settings.devices, settings.batch_size)
        if tf.config.list_physical_devices("GPU"):
            # On a CPU all of this is deterministic without, and XLA then compiles max pooling.
            tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(settings.seed)
        self.strategy = devices.strategy(settings.devices, settings.batch_size)
        self.chief = devices.is_chief()
        self.shape = self._shape()
        self._count_steps()
        self.pixels, self.dropped, self.told = pixels, [], []
        self._build(fill)
        self.phases = self._phases()
        self.plateau = tf.Variable(1.0, trainable=False)
        self._datasets = {}

    def _shape(self):
        height, width, _ = self.variant.input_shape
        if self.settings.image_size:
            height = width = self.settings.image_size
        return height, width, self.source.channels

    def _count_steps(self):
        split, settings = self.source.splits["train"], self.settings
        if self.strategy.num_replicas_in_sync > 1 and len(split) < settings.batch_size:
            raise UserError(
                f"{len(split)} training images are less than a batch of {settings.batch_size}, "
                "and several devices need full ones; try a smaller --batch-size"
            )
        self.steps_per_epoch = dataset.steps_per_epoch(split, settings.batch_size)
        self.steps = self.steps_per_epoch * settings.epochs
        self.batch = min(settings.batch_size, len(split))

    def _build(self, fill):
        initial = Initial(self.settings.weights, self.variant) if self._wants(fill) else None
        if initial:
            self.pixels = initial.pixels
        before = keras.config.dtype_policy()
        self.precision = devices.precision(self.settings.devices)
        keras.config.set_dtype_policy(self.precision)
        try:
            with self.strategy.scope():
                self.model = self._network()
        finally:
            keras.config.set_dtype_policy(before)
        (norms.synchronize if self.strategy.num_replicas_in_sync > 1 else norms.fuse)(self.model)
        # What is evaluated and kept: float32, on one device, the main head alone.
        self.whole = self._network()
        self.serving = self.whole
        if len(self.whole.outputs) > 1:
            self.serving = keras.Model(self.whole.input, self.whole.outputs[0], name=self.name)
        if initial:
            self.dropped = initial.fill(self.model)
            self.told = list(initial.told(self.model, self.dropped))

    def _wants(self, fill):
        return fill and self.settings.weights is not None

    def _network(self):
        return registry.build_for_pixels(
            self.name, len(self.source.classes), self.shape, self.settings.widths, self.pixels
        )

    def _phases(self):
        """One phase, or two where the head is trained first."""
        finetune = self.settings.finetune
        head = min(finetune.head_epochs, self.settings.epochs) * self.steps_per_epoch
        if not head:
            return [Phase(0, self.steps, False, 1.0)]
        rest = Phase(head, self.steps, False, finetune.factor)
        return [Phase(0, head, True, 1.0), *([rest] if head < self.steps else [])]

    def phase(self, step):
        """The index of the phase that a step, counted from 0, belongs to."""
        return next(i for i, phase in enumerate(self.phases) if step < phase.end)

    def engine(self, index, averages=None, xla=False, rate=None):
        """Make the `Engine` of a phase, with a new optimizer.

        Args:
            rate: a learning rate schedule in place of that of the settings.
        """
        phase = self.phases[index]
        self._freeze(phase)
        with self.strategy.scope():
            rate = rate or optimization.Rate(
                self.settings.schedule,
                phase.factor * optimization.peak_rate(self.settings),
                phase.end - phase.first,
                self.steps_per_epoch,
                self.plateau,
            )
            trainable = self.model.trainable_variables
            scaled = self.precision == "mixed_float16"
            optimizer = optimization.make(self.settings, rate, trainable, scaled=scaled)
        engine = Engine(
            self.model, optimizer, self._loss(), self.settings, self.strategy,
            xla=xla, averages=averages,
        )  # fmt: skip
        engine.rate, engine.phase = rate, phase
        return engine

    def _freeze(self, phase):
        heads = weights.head_layers(self.model)
        frozen = self.settings.finetune.freeze_norms
        for layer in self.model.layers:
            is_norm = isinstance(layer, keras.layers.BatchNormalization)
            layer.trainable = not (
                (phase.head_only and layer.name not in heads) or (is_norm and frozen)
            )

    def _loss(self):
        loss, classes = self.settings.loss, len(self.source.classes)
        return losses.training_loss(
            losses.LOSSES[self.variant.loss],
            classes,
            smoothing=loss.label_smoothing,
            weights=self.source.class_weights() if loss.class_weight == "balanced" else None,
        )

    def batches(self, first_step=0):
        """An iterator over this process's batches, from a step on."""
        made = self._dataset(first_step)
        if self.strategy.num_replicas_in_sync == 1:
            return iter(made)
        return iter(self.strategy.distribute_datasets_from_function(lambda _: made))

    def _dataset(self, first_step):
        if first_step not in self._datasets:  # one is kept: it may hold all images, decoded
            self._datasets = {first_step: self._training(first_step)}
        return self._datasets[first_step]

    def _training(self, first_step):
        settings, replicas = self.settings, self.strategy.num_replicas_in_sync
        index, count = devices.shard(self.strategy)
        made = dataset.training(
            self.source.splits["train"], self.shape, batch_size=settings.batch_size,
            epochs=settings.epochs, seed=settings.seed, recipe=self.augmentation,
            first_step=first_step, mix=Mix(settings.mix.mixup, settings.mix.cutmix),
            classes=len(self.source.classes), shard=(index, count),
        )  # fmt: skip
        if replicas == 1:
            return made
        if replicas > count:  # each device of this process takes its part
            made = made.rebatch(self.batch // replicas, drop_remainder=True)
        return made

    def sample(self):
        """The first augmented images of this process, uint8 (n, height, width, channels)."""
        return next(iter(self._dataset(0)))[0]

    def names_of(self, step):
        """Names of the images of a step, counted from 0."""
        split, settings = self.source.splits["train"], self.settings
        members = dataset.members(
            split, batch_size=settings.batch_size, seed=settings.seed, step=step
        )
        return [split.names[i] for i in members]

    def serve(self, values):
        """Put `Engine.serving` into the model that is evaluated and kept."""
        for weight, value in zip(self.whole.weights, values, strict=True):
            weight.assign(value)
