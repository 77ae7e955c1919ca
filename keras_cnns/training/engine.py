"""The training step: forward, backward, reduce over devices, update; in calls of many steps."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_cnns.training import losses, optimization


class Stats(NamedTuple):
    """What the steps of one call saw, float32 arrays (steps,)."""

    loss: np.ndarray  # mean over the global batch
    right: np.ndarray  # images of the global batch that were answered well
    gradient: np.ndarray  # L2 norm over all weights, of the loss as it is, not as it is scaled
    scale: np.ndarray  # what the loss was multiplied by: 1, but in float16
    stop: np.ndarray  # how many processes were asked to stop


class Engine:
    """A model and an optimizer that take steps together.

    Args:
        model: a Keras model from pixels to logits, built under `strategy`.
        optimizer: a built Keras optimizer of `model`'s trainable variables.
        loss: (labels, logits or heads) -> (batch,), as `losses.training_loss` makes it.
        settings: a `recipes.Training`.
        strategy: a `tf.distribute.Strategy`.
        xla: compile the step.
        averages: those of the engine before, in a training of several phases.
    """

    def __init__(self, model, optimizer, loss, settings, strategy, *, xla=False, averages=None):
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.settings, self.strategy = settings, strategy
        self.replicas = strategy.num_replicas_in_sync
        self.weights = model.trainable_variables
        self.averages = self._make_averages() if averages is None else averages
        wanted = settings.optimizer
        coupled = wanted.weight_decay and not wanted.decoupled
        decayed = optimization.decayed(self.weights, all=wanted.decay_all) if coupled else []
        self.decayed = {id(variable) for variable in decayed}
        if self.replicas > 1:
            # The step sums the gradients itself, before it measures them. Keras has no public
            # word for that; the tests of two devices would see a sum taken twice.
            inner = getattr(optimizer, "inner_optimizer", optimizer)
            inner._all_reduce_sum_gradients = list
        self._calls = {}
        self.xla = xla

    def _make_averages(self):
        if not self.settings.ema.decay:
            return []
        with self.strategy.scope():
            return [tf.Variable(weight, trainable=False) for weight in self.model.weights]

    @property
    def variables(self):
        """Everything that a step reads and writes, in a fixed order."""
        return [*self.model.variables, *self.optimizer.variables, *self.averages]

    @property
    def serving(self):
        """The values of the model as it is to be used, in the order of its `weights`."""
        return [np.asarray(v.numpy()) for v in (self.averages or self.model.weights)]

    def run(self, iterator, steps, *, stop=False):
        """Take some steps, and return their `Stats`.

        Args:
            iterator: over (pixels, labels) of one replica's share of a batch.
            stop: tell the other processes that this one was asked to stop.
        """
        if self.xla not in self._calls:
            self._calls[self.xla] = self._build(self.xla)
        values = self._calls[self.xla](iterator, tf.constant(steps), tf.constant(float(stop)))
        return Stats(*values.numpy().T)

    def _build(self, xla):
        step = self._step
        if self.replicas == 1:
            step = tf.function(step, jit_compile=xla)

        @tf.function
        def call(iterator, steps, stop):
            seen = tf.TensorArray(tf.float32, steps, element_shape=(len(Stats._fields),))
            for i in tf.range(steps):
                seen = seen.write(i, step(next(iterator), stop))
            return seen.stack()

        return call

    def _step(self, batch, stop):
        if self.replicas == 1:
            stats = self._replica_step(batch, stop)
        else:
            stats = self.strategy.run(self._replica_step, args=(batch, stop))
            stats = self.strategy.experimental_local_results(stats)[0]
        if self.averages:
            with self.strategy.scope():
                self._average()
        return stats

    def _replica_step(self, batch, stop):
        """The step of one replica; its `Stats` are those of the global batch."""
        images, labels = batch
        size = tf.cast(tf.shape(images)[0] * self.replicas, tf.float32)
        scale = self.optimizer.scale_loss(tf.constant(1.0))
        with tf.GradientTape() as tape:
            heads = self.model(tf.cast(images, tf.float32), training=True)
            # A sum over a fixed number, so that the sum over devices is the mean of the batch.
            loss = tf.reduce_sum(self.loss(labels, heads)) / size
            scaled = scale * loss
        gradients = tape.gradient(scaled, self.weights, unconnected_gradients="zero")
        right = tf.reduce_sum(losses.right(labels, losses.main_head(heads)))
        seen = tf.stack([loss, right, stop])
        if self.replicas > 1:
            context = tf.distribute.get_replica_context()
            seen, gradients = context.all_reduce("SUM", [seen, gradients])
        norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(g)) for g in gradients])) / scale
        decay = self.settings.optimizer.weight_decay * scale
        gradients = [
            gradient + decay * weight.value if id(weight) in self.decayed else gradient
            for gradient, weight in zip(gradients, self.weights, strict=True)
        ]
        self.optimizer.apply(gradients, self.weights)
        loss, right, stop = tf.unstack(seen)
        return tf.stack([loss, right, norm, scale, stop])

    def _average(self):
        """Tan and Le 2019; the warm-up is TensorFlow's ExponentialMovingAverage's."""
        decay = tf.constant(self.settings.ema.decay)
        if self.settings.ema.warmup:
            step = tf.cast(self.optimizer.iterations.value, tf.float32)
            decay = tf.minimum(decay, (1 + step) / (10 + step))
        for average, weight in zip(self.averages, self.model.weights, strict=True):
            self.strategy.extended.update(
                average,
                lambda average, value: average.assign_sub((1 - decay) * (average - value)),
                args=(weight.value,),
            )

    def restore(self, arrays):
        """Take over what `state` returned."""
        for variable, array in zip(self.variables, arrays, strict=True):
            variable.assign(array)

    def state(self):
        """The values of `variables`, as arrays."""
        return [np.asarray(variable.numpy()) for variable in self.variables]

    def shapes(self):
        """The shapes of `variables`, to tell that a checkpoint is of the same network."""
        return [list(variable.shape) for variable in self.variables]
